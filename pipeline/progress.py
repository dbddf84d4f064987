"""Follows an execution to its end: steps, statuses and the training log as they come."""

import time
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError
from rich.console import Console

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
ENDED = ("Succeeded", "Failed", "Stopped")

FIRST_POLL_SECONDS = 0.2
LONGEST_POLL_SECONDS = 10.0
POLL_GROWTH = 1.3


def follow(
    sagemaker: Any,
    logs: Any,
    execution_arn: str,
    console: Console,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """The final status of the execution; what happens until then is told on `console`.

    It asks often while something happens, and more and more seldom while nothing does.
    """
    began = time.monotonic()
    statuses: dict[str, str] = {}
    job_logs: dict[str, JobLog] = {}
    pause = FIRST_POLL_SECONDS

    def tell(text: str) -> None:
        clock = time.strftime("%H:%M:%S", time.gmtime(time.monotonic() - began))
        console.print(f"{clock} {text}", markup=False, highlight=False, soft_wrap=True)

    with console.status("Executing") as spinner:
        while True:
            # The status first: what the steps and logs hold after it has ended is then complete.
            execution = sagemaker.describe_pipeline_execution(PipelineExecutionArn=execution_arn)
            status: str = execution["PipelineExecutionStatus"]
            news = []
            for step in list_steps(sagemaker, execution_arn):
                name, job = step["StepName"], training_job_name(step)
                reused = "CacheHitResult" in step
                if job and not reused:
                    log = job_logs.setdefault(job, JobLog(logs, job))
                    news += [f"  {line}" for line in log.new_lines()]
                if statuses.get(name) != step["StepStatus"]:
                    statuses[name] = step["StepStatus"]
                    how = " (result reused from an earlier execution)" if reused else ""
                    news.append(f"step {name}: {step['StepStatus']}{how}")
            for line in news:
                tell(line)
            if status in ENDED:
                tell(f"execution: {status}")
                return status
            elapsed = f"{time.monotonic() - began:.0f} s"
            running = [name for name, state in statuses.items() if state == "Executing"]
            spinner.update(f"{status}: {', '.join(running)}, {elapsed}")
            pause = FIRST_POLL_SECONDS if news else min(pause * POLL_GROWTH, LONGEST_POLL_SECONDS)
            sleep(pause)


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
    """The log of one training job, of all its instances, read piece by piece."""

    def __init__(self, logs: Any, job_name: str) -> None:
        self._logs = logs
        self._prefix = f"{job_name}/"
        self._tokens: dict[str, str] = {}  # log stream -> where to go on

    def new_lines(self) -> list[str]:
        """What has been written since the last call; nothing while there is no log yet."""
        try:
            streams = self._logs.describe_log_streams(
                logGroupName=LOG_GROUP, logStreamNamePrefix=self._prefix
            )["logStreams"]
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                raise
            return []
        return [line for stream in streams for line in self._read(stream["logStreamName"])]

    def _read(self, stream: str) -> list[str]:
        lines: list[str] = []
        while True:
            token = {"nextToken": self._tokens[stream]} if stream in self._tokens else {}
            answer = self._logs.get_log_events(
                logGroupName=LOG_GROUP, logStreamName=stream, startFromHead=True, **token
            )
            lines += [event["message"] for event in answer["events"]]
            self._tokens[stream] = answer["nextForwardToken"]
            if not answer["events"]:
                return lines
