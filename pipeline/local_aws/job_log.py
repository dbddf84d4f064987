"""The log stream of a training job in CloudWatch Logs."""

import contextlib
import time
from typing import Any

from pipeline.local_aws.opt_ml_tree import HOST
from pipeline.log_stream import TRAINING_LOG_GROUP


class JobLogWriter:
    def __init__(self, logs: Any, job_name: str) -> None:
        self._logs = logs
        self._stream = f"{job_name}/{HOST}-{int(time.time())}"
        with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
            logs.create_log_group(logGroupName=TRAINING_LOG_GROUP)
        logs.create_log_stream(logGroupName=TRAINING_LOG_GROUP, logStreamName=self._stream)

    def write(self, line: str) -> None:
        if line.strip():  # CloudWatch Logs takes no empty message
            event = {"timestamp": int(time.time() * 1000), "message": line}
            self._logs.put_log_events(
                logGroupName=TRAINING_LOG_GROUP, logStreamName=self._stream, logEvents=[event]
            )
