"""Fault injection: failures of AWS that no mistake of the user causes (`serve --fault NAME`).

Everything else that fails on AWS fails here by itself, for the same reason.
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
    """The faults that are on.

    While there are some, the pauses of a retry policy are skipped: waiting changes nothing here.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._on = set(names)

    def __contains__(self, name: str) -> bool:
        return name in self._on

    def __bool__(self) -> bool:
        return bool(self._on)

    @contextmanager
    def on(self, name: str) -> Iterator[None]:
        """Switch this fault on while the context lasts."""
        self._on.add(name)
        try:
            yield
        finally:
            self._on.discard(name)
