"""The streams of CloudWatch Logs: read piece by piece, or from the end."""

from typing import Any

TRAINING_LOG_GROUP = "/aws/sagemaker/TrainingJobs"
LAST_LINES = 20  # as many as say why something failed


class LogStream:
    """One stream of CloudWatch Logs, read piece by piece while it grows."""

    def __init__(self, logs: Any, group: str, stream: str) -> None:
        self._logs = logs
        self._place = {"logGroupName": group, "logStreamName": stream}
        self._next: dict[str, str] = {}  # where to go on

    def new_lines(self) -> list[str]:
        """Return what was written since the last call; nothing while the stream does not exist."""
        lines: list[str] = []
        while True:
            try:
                answer = self._logs.get_log_events(**self._place, startFromHead=True, **self._next)
            except self._logs.exceptions.ResourceNotFoundException:
                return lines
            lines += [event["message"].rstrip("\n") for event in answer["events"]]
            self._next = {"nextToken": answer["nextForwardToken"]}
            if not answer["events"]:
                return lines


def stream_names(logs: Any, group: str, prefix: str) -> list[str]:
    """Return the streams whose names begin with `prefix`; none while the group does not exist."""
    try:
        answer = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=prefix)
    except logs.exceptions.ResourceNotFoundException:
        return []
    return [stream["logStreamName"] for stream in answer["logStreams"]]


def last_lines(logs: Any, job_name: str) -> list[str]:
    """Return the LAST_LINES of each host of a training job."""
    lines: list[str] = []
    for name in stream_names(logs, TRAINING_LOG_GROUP, f"{job_name}/"):
        answer = logs.get_log_events(
            logGroupName=TRAINING_LOG_GROUP, logStreamName=name, limit=LAST_LINES
        )
        lines += [event["message"].rstrip("\n") for event in answer["events"]]
    return lines
