"""OutputParameters of Lambda and Callback steps: declared in the definition, set at run time."""

from collections.abc import Mapping
from typing import Any

from local_aws.definition.parameters import CONVERT
from local_aws.sagemaker.steps.step_run import StepFailed, StepRun

LONGEST_VALUE = 1024  # as ListPipelineExecutionSteps shows it


def output_parameters(step: StepRun, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the declared outputs with their types.

    Raises StepFailed if an output is missing or has another type.
    """
    found = {}
    for output in step.definition.get("OutputParameters", []):
        name, kind = output["OutputName"], output["OutputType"]
        if name not in given:
            raise StepFailed(f"ClientError: the output parameter {name} is missing")
        try:
            found[name] = CONVERT[kind](given[name])
        except (ValueError, TypeError, KeyError):
            raise StepFailed(
                f"ClientError: the output parameter {name} is {given[name]!r}, not of type {kind}"
            ) from None
    return found


def as_listed(outputs: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the outputs in the form of the step's Metadata."""
    return [{"Name": name, "Value": str(value)[:LONGEST_VALUE]} for name, value in outputs.items()]
