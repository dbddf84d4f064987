"""Waiting in tests: for a condition, never for a fixed time."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

DEADLINE_SECONDS = 240  # of machines with two slow cores, on which other tests run, too
POLL_SECONDS = 0.05
ENDED = ("Completed", "Succeeded", "Failed", "Stopped")


def wait_for(condition: Callable[[], T]) -> T:
    """Call `condition` until its result is true, and return that."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (result := condition()):
        assert time.monotonic() < deadline, f"still {result!r}"
        time.sleep(POLL_SECONDS)
    return result


def wait_for_status(
    describe: Callable[[], dict[str, Any]], member: str, *statuses: str
) -> dict[str, Any]:
    """Return the answer of a Describe call once its `member` is one of the statuses."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while (answer := describe())[member] not in (statuses or ENDED):
        assert time.monotonic() < deadline, answer
        time.sleep(POLL_SECONDS)
    return answer


def wait_for_execution(sagemaker: Any, arn: str) -> dict[str, Any]:
    """Return the answer of DescribePipelineExecution when the execution has ended."""
    return wait_for_status(
        lambda: sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn),
        "PipelineExecutionStatus",
    )
