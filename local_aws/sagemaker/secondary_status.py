"""The secondary statuses of a training job, as DescribeTrainingJob shows them.

Source: "SecondaryStatusTransition" in the SageMaker API reference.
"""

from typing import Any

from local_aws.clock import now


class SecondaryStatus:
    """The current status and the earlier ones. The caller must hold the lock of the job."""

    def __init__(self) -> None:
        self._transitions: list[dict[str, Any]] = []

    @property
    def present(self) -> str:
        """The current status."""
        return str(self._transitions[-1]["Status"])

    def enter(self, status: str, message: str) -> None:
        """Enter the next status; the same status again only changes the message."""
        if self._transitions and self.present == status:
            self._transitions[-1]["StatusMessage"] = message
            return
        self.end()
        entered = {"Status": status, "StartTime": now(), "StatusMessage": message}
        self._transitions.append(entered)

    def end(self) -> None:
        """Record the end of the current status."""
        if self._transitions:
            self._transitions[-1]["EndTime"] = now()

    def describe(self) -> dict[str, Any]:
        """Return the members of DescribeTrainingJob."""
        transitions = [dict(each) for each in self._transitions]
        return {"SecondaryStatus": self.present, "SecondaryStatusTransitions": transitions}
