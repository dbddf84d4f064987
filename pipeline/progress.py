"""Follows an execution to its end: steps, statuses and the training log as they come."""

import threading
import time
import uuid
from typing import Any

from pipeline.log_stream import TRAINING_LOG_GROUP, LogStream, stream_names

from rich.console import Console

ENDED = ("Succeeded", "Failed", "Stopped")

FIRST_POLL_SECONDS = 0.2
LONGEST_POLL_SECONDS = 5.0
POLL_GROWTH = 1.3


class Follower:
    """Tells on `console` what happens in one execution, each thing once."""

    def __init__(
        self,
        sagemaker: Any,
        logs: Any,
        execution_arn: str,
        console: Console,
        stop: threading.Event,  # set by whoever wants the execution to be stopped
    ) -> None:
        self._sagemaker = sagemaker
        self._logs = logs
        self._arn = execution_arn
        self._console = console
        self._stop = stop
        self._began = time.monotonic()
        self._statuses: dict[str, str] = {}  # of the steps
        self._job_logs: dict[str, JobLog] = {}

    def wait(self) -> str:
        """The final status. It asks often while something happens, and more and more seldom while
        nothing does."""
        pause = FIRST_POLL_SECONDS
        asked_to_stop = False
        with self._console.status("Executing") as spinner:
            while True:
                # The status first: after the end, what steps and logs hold is then complete.
                execution = self._sagemaker.describe_pipeline_execution(
                    PipelineExecutionArn=self._arn
                )
                status: str = execution["PipelineExecutionStatus"]
                news = self._news()
                for line in news:
                    self._tell(line)
                if status in ENDED:
                    self._tell(f"execution: {status}")
                    return status
                running = [name for name, s in self._statuses.items() if s == "Executing"]
                elapsed = time.monotonic() - self._began
                spinner.update(f"{status}: {', '.join(running)}, {elapsed:.0f} s")
                longer = min(pause * POLL_GROWTH, LONGEST_POLL_SECONDS)
                pause = FIRST_POLL_SECONDS if news else longer
                if asked_to_stop:
                    time.sleep(pause)
                elif self._stop.wait(pause):
                    asked_to_stop = True
                    self._tell("stopping the execution (Ctrl-C again leaves without waiting)")
                    self._sagemaker.stop_pipeline_execution(
                        PipelineExecutionArn=self._arn, ClientRequestToken=uuid.uuid4().hex
                    )

    def _news(self) -> list[str]:
        """New log lines, and steps whose status has changed."""
        news = []
        for step in list_steps(self._sagemaker, self._arn):
            name, job = step["StepName"], training_job_name(step)
            reused = "CacheHitResult" in step
            if job and not reused:
                log = self._job_logs.setdefault(job, JobLog(self._logs, job))
                news += [f"  {line}" for line in log.new_lines()]
            if self._statuses.get(name) != step["StepStatus"]:
                self._statuses[name] = step["StepStatus"]
                how = " (result reused from an earlier execution)" if reused else ""
                news.append(f"step {name}: {step['StepStatus']}{how}")
        return news

    def _tell(self, text: str) -> None:
        clock = time.strftime("%H:%M:%S", time.gmtime(time.monotonic() - self._began))
        self._console.print(f"{clock} {text}", markup=False, highlight=False, soft_wrap=True)


def list_steps(sagemaker: Any, execution_arn: str) -> list[dict[str, Any]]:
    """All steps begun so far, the oldest first; every page is read."""
    pages = sagemaker.get_paginator("list_pipeline_execution_steps").paginate(
        PipelineExecutionArn=execution_arn, SortOrder="Ascending"
    )
    return [step for page in pages for step in page["PipelineExecutionSteps"]]


def training_job_name(step: dict[str, Any]) -> str | None:
    """The name of a step's training job, once it has one."""
    arn: str = step.get("Metadata", {}).get("TrainingJob", {}).get("Arn", "")
    return arn.rpartition("/")[2] or None


class JobLog:
    """The log of one training job, of all its instances."""

    def __init__(self, logs: Any, job_name: str) -> None:
        self._logs = logs
        self._prefix = f"{job_name}/"
        self._streams: dict[str, LogStream] = {}

    def new_lines(self) -> list[str]:
        """What has been written since the last call; nothing while there is no log yet."""
        for name in stream_names(self._logs, TRAINING_LOG_GROUP, self._prefix):
            self._streams.setdefault(name, LogStream(self._logs, TRAINING_LOG_GROUP, name))
        return [line for stream in self._streams.values() for line in stream.new_lines()]
