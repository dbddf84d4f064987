"""Condition and Fail steps, which need no other service."""

from typing import Any

from local_aws.definition.conditions import holds
from local_aws.definition.expressions import as_text
from local_aws.sagemaker.steps.step_run import StepFailed, StepRun


def decide(step: StepRun) -> dict[str, Any]:
    """Return the outcome of a condition, a boolean (in texts, it is in lower case).

    Source: test_two_step_fail_pipeline_with_join_fn, the SDK's integration tests (version 2).
    """
    try:
        outcome = all(holds(condition) for condition in step.arguments["Conditions"])
    except ValueError as error:
        raise StepFailed(f"ClientError: the condition cannot be evaluated: {error}") from None
    step.update(Metadata={"Condition": {"Outcome": str(outcome)}})
    return {"Outcome": outcome}


def fail(step: StepRun) -> dict[str, Any]:
    """Fail the execution with the message of the step."""
    message = as_text(step.arguments.get("ErrorMessage", ""))
    step.update(Metadata={"Fail": {"ErrorMessage": message}})
    raise StepFailed(message)
