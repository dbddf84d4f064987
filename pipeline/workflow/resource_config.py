"""Steps with members of ResourceConfig that the SDK (2.257.7) cannot write."""

from collections.abc import Sequence
from typing import Any

import pipeline.sdk  # noqa: F401 - first: importing the SDK is made hermetic there

from sagemaker.workflow import steps


class TrainingStep(steps.TrainingStep):
    """The SDK's step, for one instance type or for a list of types.

    Source: "Instance preference lists for training jobs", developer guide.
    """

    def __init__(self, *, instance_types: Sequence[str], **arguments: Any) -> None:
        self._instance_types = instance_types
        super().__init__(**arguments)

    @property
    def arguments(self) -> Any:
        """The request of CreateTrainingJob."""
        request: Any = super().arguments
        if len(self._instance_types) > 1:
            resources = request["ResourceConfig"]
            del resources["InstanceType"]
            resources["InstancePreferences"] = [
                {"InstanceType": each} for each in self._instance_types
            ]
        return request


class TuningStep(steps.TuningStep):
    """The SDK's step, with an optional warm pool for the next trial.

    The SDK writes HyperParameterTuningResourceConfig, which has no KeepAlivePeriodInSeconds.
    """

    def __init__(self, *, keep_alive_seconds: int | None, **arguments: Any) -> None:
        self._keep_alive_seconds = keep_alive_seconds
        super().__init__(**arguments)

    @property
    def arguments(self) -> Any:
        """The request of CreateHyperParameterTuningJob."""
        request: Any = super().arguments
        if self._keep_alive_seconds:
            definition = request["TrainingJobDefinition"]
            resources = definition.pop("HyperParameterTuningResourceConfig")
            definition["ResourceConfig"] = resources | {
                "KeepAlivePeriodInSeconds": self._keep_alive_seconds
            }
        return request
