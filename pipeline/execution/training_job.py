"""A training job while it runs: its log, its phases, its cost."""

from datetime import datetime, timedelta
from typing import Any

from pipeline.execution.cost import cost_usd
from pipeline.execution.log_stream import TRAINING_LOG_GROUP, LogStream, stream_names
from pipeline.instances.price_list import Price

NOT_BILLED = ("Starting", "Pending", "Interrupted")  # the phases without an instance
END_STATUSES = (  # of a training job: no phase, but how it ended
    "Completed",
    "Failed",
    "Stopped",
    "MaxRuntimeExceeded",
    "MaxWaitTimeExceeded",
)


class JobPhases:
    """The phases of one training job (its secondary statuses), from DescribeTrainingJob."""

    def __init__(self) -> None:
        self._job: dict[str, Any] = {}
        self._seen = 0

    @property
    def ended(self) -> bool:
        """Whether the job has reached a final status."""
        return self._job.get("TrainingJobStatus") in ("Completed", "Failed", "Stopped")

    def update(self, job: dict[str, Any]) -> None:
        """Update the phases from an answer of DescribeTrainingJob."""
        self._job = job

    def newly_ended(self) -> list[tuple[str, float]]:
        """Return the phases that have ended since the last call, with their seconds."""
        phases = phase_seconds(self._job)
        ended, self._seen = phases[self._seen :], len(phases)
        return ended

    def cost_usd(self, price: Price) -> float:
        """Return the cost of the instances so far, in USD.

        The billed time starts with the download of the data. The time in which a spot job has no
        instance is not billed.
        """
        if "TrainingStartTime" not in self._job:
            return 0.0
        seconds = sum(
            ((each.get("EndTime") or datetime.now(each["StartTime"].tzinfo)) - each["StartTime"])
            / timedelta(seconds=1)
            for each in self._job["SecondaryStatusTransitions"]
            if each["Status"] not in (*NOT_BILLED, *END_STATUSES)
        )
        return cost_usd(price, seconds, self._job["ResourceConfig"]["InstanceCount"])


def phase_seconds(job: dict[str, Any]) -> list[tuple[str, float]]:
    """Return the phases that a job (DescribeTrainingJob) has gone through, in their order."""
    return [
        (each["Status"], (each["EndTime"] - each["StartTime"]).total_seconds())
        for each in job.get("SecondaryStatusTransitions", [])
        if "EndTime" in each and each["Status"] not in END_STATUSES
    ]


class JobLog:
    """The log of one training job, of all its instances."""

    def __init__(self, logs: Any, job_name: str) -> None:
        self._logs = logs
        self._prefix = f"{job_name}/"
        self._streams: dict[str, LogStream] = {}

    def new_lines(self) -> list[str]:
        """Return what has been written since the last call; nothing while there is no log yet."""
        for name in stream_names(self._logs, TRAINING_LOG_GROUP, self._prefix):
            self._streams.setdefault(name, LogStream(self._logs, TRAINING_LOG_GROUP, name))
        return [line for stream in self._streams.values() for line in stream.new_lines()]
