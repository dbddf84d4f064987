"""Step caching: a training step whose inputs did not change is not run again.

Source: "Caching pipeline steps", SageMaker developer guide.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from local_aws.definition.validation import duration

# The arguments that make a step the same; another instance type, say, does not make it another.
CACHE_KEY_ARGUMENTS = (
    "AlgorithmSpecification",
    "CheckpointConfig",
    "DebugHookConfig",
    "Environment",
    "HyperParameters",
    "InputDataConfig",
)


class StepCache:
    """Results of succeeded training steps of all executions, kept while local AWS runs."""

    def __init__(self) -> None:
        self._entries: dict[str, tuple[datetime, str, dict[str, Any]]] = {}

    @staticmethod
    def key(pipeline: str, step: str, arguments: Mapping[str, Any]) -> str:
        relevant = {name: arguments.get(name) for name in CACHE_KEY_ARGUMENTS}
        return json.dumps([pipeline, step, relevant], sort_keys=True)

    def find(self, key: str, expire_after: str | None) -> tuple[str, dict[str, Any]] | None:
        """The execution that ran the step, and its job, if that is not longer ago than
        `expire_after` (an ISO 8601 duration; None: for ever)."""
        ended, execution_arn, job = self._entries.get(key, (None, "", {}))
        fresh = ended and (
            expire_after is None or datetime.now(UTC) - ended <= duration(expire_after)
        )
        return (execution_arn, job) if fresh else None

    def store(self, key: str, execution_arn: str, job: dict[str, Any]) -> None:
        self._entries[key] = (datetime.now(UTC), execution_arn, job)
