"""A stream of CloudWatch Logs, read piece by piece."""

from typing import Any

from botocore.exceptions import ClientError

TRAINING_LOG_GROUP = "/aws/sagemaker/TrainingJobs"


class LogStream:
    def __init__(self, logs: Any, group: str, stream: str) -> None:
        self._logs = logs
        self._place = {"logGroupName": group, "logStreamName": stream}
        self._next: dict[str, str] = {}  # where to go on

    def new_lines(self) -> list[str]:
        """What has been written since the last call; nothing while the stream does not exist."""
        lines: list[str] = []
        while True:
            try:
                answer = self._logs.get_log_events(**self._place, startFromHead=True, **self._next)
            except ClientError as error:
                if error.response["Error"]["Code"] != "ResourceNotFoundException":
                    raise
                return lines
            lines += [event["message"].rstrip("\n") for event in answer["events"]]
            self._next = {"nextToken": answer["nextForwardToken"]}
            if not answer["events"]:
                return lines
