"""A writer for a log stream of CloudWatch Logs."""

import contextlib
import time
from typing import Any


class LogWriter:
    """A writer. It creates the stream if it is missing; the log group must exist."""

    def __init__(self, logs: Any, group: str, stream: str) -> None:
        self._logs = logs
        self._place = {"logGroupName": group, "logStreamName": stream}
        with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
            logs.create_log_stream(**self._place)

    def write(self, line: str) -> None:
        """Write one line to the stream, unless it is empty."""
        if line.strip():  # CloudWatch Logs takes no empty message
            event = {"timestamp": int(time.time() * 1000), "message": line}
            self._logs.put_log_events(**self._place, logEvents=[event])


def open_log(logs: Any, group: str, stream: str) -> LogWriter:
    """Create the log group if it is missing, and return the writer of a stream."""
    with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
        logs.create_log_group(logGroupName=group)
    return LogWriter(logs, group, stream)
