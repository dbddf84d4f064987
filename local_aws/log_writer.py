"""Writes a log stream of CloudWatch Logs, line by line."""

import contextlib
import time
from typing import Any


class LogWriter:
    """The stream is made at once, where it is not there; its group must be there."""

    def __init__(self, logs: Any, group: str, stream: str) -> None:
        self._logs = logs
        self._place = {"logGroupName": group, "logStreamName": stream}
        with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
            logs.create_log_stream(**self._place)

    def write(self, line: str) -> None:
        """Put one line into the stream; an empty line is left out."""
        if line.strip():  # CloudWatch Logs takes no empty message
            event = {"timestamp": int(time.time() * 1000), "message": line}
            self._logs.put_log_events(**self._place, logEvents=[event])


def open_log(logs: Any, group: str, stream: str) -> LogWriter:
    """Return the writer of a stream, whose group is made where it is not there."""
    with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
        logs.create_log_group(logGroupName=group)
    return LogWriter(logs, group, stream)
