"""The common base of SageMaker jobs: request, status and end."""

import threading
from collections.abc import Mapping
from typing import Any, ClassVar

from local_aws.background import BackgroundTask
from local_aws.clock import now
from local_aws.errors import JobFailed, internal_error

ENDED = ("Completed", "Failed", "Stopped")


class Job(BackgroundTask):
    """A job. Its methods are thread-safe."""

    kind: ClassVar[str]  # as in Create<kind>Job

    def __init__(self, request: dict[str, Any], arn: str) -> None:
        self.arn = arn
        self.name: str = request[f"{self.kind}JobName"]
        self._request = request
        self._stop_requested = threading.Event()
        self._lock = threading.RLock()
        self._state: dict[str, Any] = {
            f"{self.kind}JobStatus": "InProgress",
            "CreationTime": now(),
            "LastModifiedTime": now(),
        }

    @property
    def status(self) -> str:
        """InProgress, Stopping, Completed, Failed or Stopped."""
        return str(self._state[f"{self.kind}JobStatus"])

    @property
    def ended(self) -> bool:
        """Whether the job has reached a final status."""
        return self.status in ENDED

    def describe(self) -> dict[str, Any]:
        """Return the answer of the Describe call."""
        with self._lock:
            return {f"{self.kind}JobArn": self.arn, **without_tags(self._request), **self._state}

    def stop(self) -> None:
        """Ask the job to stop. A job that has ended does not change."""
        with self._lock:
            if not self.ended and not self._stop_requested.is_set():
                self._stop_requested.set()
                self._begin_stopping()

    def _begin_stopping(self) -> None:
        self._update(**{f"{self.kind}JobStatus": "Stopping"})

    def _run(self) -> None:
        try:
            self._carry_out()
        except JobFailed as error:
            self._finish("Failed", str(error))
        except Exception as error:  # noqa: BLE001 - a fault of ours must end the job, visibly
            self._finish("Failed", internal_error(error))

    def _carry_out(self) -> None:
        """Do the work of the job and finish it. Raises JobFailed."""
        raise NotImplementedError

    def _finish(self, status: str, reason: str = "") -> None:
        """Enter a final status."""
        failed = {"FailureReason": reason} if reason else {}
        self._update(**{f"{self.kind}JobStatus": status, f"{self.kind}EndTime": now()}, **failed)

    def _update(self, **changes: Any) -> None:
        with self._lock:
            self._state |= {"LastModifiedTime": now(), **changes}


def without_tags(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return a Create request without its tags, as the Describe call returns it."""
    return {name: value for name, value in request.items() if name != "Tags"}
