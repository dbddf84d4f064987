"""The SDK's parameters with the description that AWS's schema of a definition has for them
("SageMaker Pipelines JSON schema", ParameterDescription) and the SDK leaves out.
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
    pass


class ParameterInteger(_Described, parameters.ParameterInteger):
    pass


class ParameterFloat(_Described, parameters.ParameterFloat):
    pass
