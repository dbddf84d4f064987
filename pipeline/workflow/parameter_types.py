"""The SDK's parameters, with the description that a definition may have for each.

AWS's schema knows it ("SageMaker Pipelines JSON schema", ParameterDescription); the SDK leaves it
out.
"""

from typing import Any

import pipeline.sdk  # noqa: F401 - first: importing the SDK is made hermetic there
from pipeline.workflow.parameters import DESCRIPTIONS

from sagemaker.workflow import parameters


class _Described:
    name: str

    def to_request(self) -> Any:
        request = super().to_request()  # type: ignore[misc] # the SDK's
        return request | {"Description": DESCRIPTIONS[self.name]}


class ParameterString(_Described, parameters.ParameterString):
    """A text parameter with a description."""


class ParameterInteger(_Described, parameters.ParameterInteger):
    """An integer parameter with a description."""


class ParameterFloat(_Described, parameters.ParameterFloat):
    """A float parameter with a description."""
