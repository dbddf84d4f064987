"""Fault injection: failures that AWS causes, not the user (`serve --fault NAME`).

Failures that a user causes need no injection: they also occur on local AWS.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

THROTTLING = "throttling"
NO_CAPACITY = "no-capacity"
SPOT_INTERRUPTION = "spot-interruption"
NO_BUILDS = "no-builds"

FAULTS = {
    THROTTLING: "what starts a job or an endpoint is refused, as to who calls it too often",
    NO_CAPACITY: "no instance is free: a job or endpoint fails, a spot job waits to its end",
    NO_BUILDS: "StartBuild is refused, as in an account that may have no build in the queue",
    SPOT_INTERRUPTION: "a spot instance is taken away when the program has begun, for good",
}

# As users of SageMaker quote them, for instance in aws/sagemaker-python-sdk issues.
BUILDS_EXCEEDED = "Cannot have more than 0 builds in queue for the account"
RATE_EXCEEDED = "Rate exceeded"
CAPACITY_ERROR = (
    "CapacityError: Unable to provision requested ML compute capacity. Please retry using a "
    "different ML instance type."
)


class Faults:
    """The active faults.

    With an active fault, the pauses of retry policies are skipped, because waiting changes nothing.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._on = set(names)

    def __contains__(self, name: str) -> bool:
        return name in self._on

    def __bool__(self) -> bool:
        return bool(self._on)

    @contextmanager
    def on(self, name: str) -> Iterator[None]:
        """Switch this fault on during the context."""
        self._on.add(name)
        try:
            yield
        finally:
            self._on.discard(name)
