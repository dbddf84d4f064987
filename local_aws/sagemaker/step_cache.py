"""Step caching: a step with unchanged inputs does not run again.

Source: "Caching pipeline steps", SageMaker developer guide.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from local_aws.clock import now
from local_aws.definition.duration import duration
from local_aws.definition.step_types import STEP_TYPES


@dataclass(frozen=True)
class CachedStep:
    """The result of a succeeded step."""

    ended: datetime
    execution_arn: str
    metadata: dict[str, Any]
    properties: dict[str, Any]


class StepCache:
    """The results of succeeded steps of all executions since the start of local AWS."""

    def __init__(self) -> None:
        self._steps: dict[str, CachedStep] = {}

    @staticmethod
    def key(execution_arn: str, step: dict[str, Any]) -> str:
        """Return a key that is the same for equal runs of a step.

        It is made of the pipeline, the step, and the arguments that count; for example, the
        instance type does not count.
        """
        pipeline = execution_arn.rpartition("/execution/")[0]
        members = STEP_TYPES[step["Type"]].cache_key
        relevant = {name: _member({**step, **step["Arguments"]}, name) for name in members}
        return json.dumps([pipeline, step["Name"], relevant], sort_keys=True, default=str)

    def find(self, key: str, expire_after: str | None) -> CachedStep | None:
        """Return the result of an earlier step with this key, or None.

        `expire_after` is an ISO 8601 duration; older results do not count. None means no limit.
        """
        found = self._steps.get(key)
        if found and expire_after and now() - found.ended > duration(expire_after):
            return None
        return found

    def store(
        self, key: str, execution_arn: str, metadata: dict[str, Any], properties: dict[str, Any]
    ) -> None:
        """Store the result of a succeeded step, and replace an older one."""
        self._steps[key] = CachedStep(now(), execution_arn, metadata, properties)


def _member(value: Any, path: str) -> Any:
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value
