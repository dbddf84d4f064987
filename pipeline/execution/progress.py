"""Follow an execution to its end: steps, statuses and the training log as they come."""

import threading
import time
import uuid
from typing import Any

from local_aws import interrupts
from pipeline.execution.cost import Ceiling
from pipeline.execution.training_job import JobLog, JobPhases
from pipeline.terminal import say

from rich.console import Console

ENDED = ("Succeeded", "Failed", "Stopped")

WITH_LOG = ("Training", "Uploading", "Stopping")  # the phases that end after the log has begun

FIRST_POLL_SECONDS = 0.2
LONGEST_POLL_SECONDS = 5.0
POLL_GROWTH = 1.3


class Follower:
    """Logs to `console` what happens in one execution, each event once."""

    def __init__(
        self,
        sagemaker: Any,
        logs: Any,
        execution_arn: str,
        console: Console,
        ceiling: Ceiling | None = None,
    ) -> None:
        self._sagemaker = sagemaker
        self._logs = logs
        self._arn = execution_arn
        self._ceiling = ceiling or Ceiling()
        self.console = console
        self.stop = threading.Event()  # set by whoever wants the execution to be stopped
        self.stopped_because: str | None = None  # when it was the ceiling, and nobody's wish
        self._began = time.monotonic()
        self._statuses: dict[str, str] = {}  # of the steps
        self._spending = False  # whether a step that trains is running
        self._job_logs: dict[str, JobLog] = {}
        self._job_phases: dict[str, JobPhases] = {}

    def wait(self) -> str:
        """Wait for the end of the execution, and return its final status.

        The time between polls grows while nothing happens.
        """
        pause = FIRST_POLL_SECONDS
        asked_to_stop = False
        with self.console.status("waiting for the first step") as spinner:
            while True:
                interrupts.check()
                # The status first: after the end, what steps and logs hold is then complete.
                execution = self._sagemaker.describe_pipeline_execution(
                    PipelineExecutionArn=self._arn
                )
                status: str = execution["PipelineExecutionStatus"]
                lines = self._poll()
                for line in lines:
                    self._log(line)
                if status in ENDED:
                    self._log(f"execution: {status}")
                    return status
                elapsed = time.monotonic() - self._began
                activity = self._activity() or "waiting for the next step"
                spinner.update(f"{activity}, {elapsed:.0f} s{self._spent()}")
                longer = min(pause * POLL_GROWTH, LONGEST_POLL_SECONDS)
                pause = FIRST_POLL_SECONDS if lines else longer
                if asked_to_stop:
                    time.sleep(pause)
                    continue
                if self._spending:
                    self.stopped_because = self._ceiling.reached(self._cost())
                if self.stopped_because or self._asked_to_stop(pause):
                    asked_to_stop = True
                    again = "stopping the execution (press Ctrl-C again to leave without waiting)"
                    because = self.stopped_because
                    self._log(f"{because}: stopping the execution" if because else again)
                    self._sagemaker.stop_pipeline_execution(
                        PipelineExecutionArn=self._arn, ClientRequestToken=uuid.uuid4().hex
                    )

    def _activity(self) -> str:
        """Return the steps that are executing, for the spinner."""
        return ", ".join(name for name, s in self._statuses.items() if s == "Executing")

    def _asked_to_stop(self, seconds: float) -> bool:
        """Wait so long, or until `stop` is set: by a signal handler, so that no lock is taken."""
        end = time.monotonic() + seconds
        while not self.stop.is_set() and time.monotonic() < end:
            time.sleep(min(seconds, FIRST_POLL_SECONDS))
        return self.stop.is_set()

    def _poll(self) -> list[str]:
        """Return new log lines, and steps whose status has changed."""
        lines = []
        self._spending = False
        for step in list_steps(self._sagemaker, self._arn):
            name, job = step["StepName"], training_job_name(step)
            reused = "CacheHitResult" in step
            if job and not reused:
                log = self._job_logs.setdefault(job, JobLog(self._logs, job))
                phases = self._job_phases.setdefault(job, JobPhases())
                self._update_jobs()
                # Between two attempts as well: the next one costs again.
                self._spending |= step["StepStatus"] == "Executing"
                ended = [(p, f"  phase {p}: {s:.0f} s") for p, s in phases.newly_ended()]
                lines += [text for phase, text in ended if phase not in WITH_LOG]
                lines += [f"  {line}" for line in log.new_lines()]
                lines += [text for phase, text in ended if phase in WITH_LOG]
            if self._statuses.get(name) != step["StepStatus"]:
                self._statuses[name] = step["StepStatus"]
                how = " (result reused from an earlier execution)" if reused else ""
                lines.append(f"step {name}: {step['StepStatus']}{how}")
        return lines

    def _update_jobs(self) -> None:
        """Update all jobs, also earlier attempts of a step: their cost must stop growing."""
        for job, phases in self._job_phases.items():
            if not phases.ended:
                phases.update(self._sagemaker.describe_training_job(TrainingJobName=job))

    def _cost(self) -> float:
        """Estimate the cost of all jobs so far, in USD, including earlier attempts."""
        price = self._ceiling.price
        return sum(job.cost_usd(price) for job in self._job_phases.values()) if price else 0.0

    def _spent(self) -> str:
        known = self._ceiling.price is not None and self._job_phases
        return f", about {self._cost():.4f} USD" if known else ""

    def _log(self, text: str) -> None:
        clock = time.strftime("%H:%M:%S", time.gmtime(time.monotonic() - self._began))
        say(f"{clock} {text}", self.console, indent=len(clock) + 3)


def list_steps(sagemaker: Any, execution_arn: str) -> list[dict[str, Any]]:
    """Return all steps so far, from all pages, the oldest first."""
    pages = sagemaker.get_paginator("list_pipeline_execution_steps").paginate(
        PipelineExecutionArn=execution_arn, SortOrder="Ascending"
    )
    return [step for page in pages for step in page["PipelineExecutionSteps"]]


def training_job_name(step: dict[str, Any]) -> str | None:
    """Return the name of a step's training job, once it has one."""
    arn: str = step.get("Metadata", {}).get("TrainingJob", {}).get("Arn", "")
    return arn.rpartition("/")[2] or None


def model_package_arn(step: dict[str, Any]) -> str | None:
    """Return the ARN of the model package version that a step registered, or None."""
    arn: str | None = step.get("Metadata", {}).get("RegisterModel", {}).get("Arn")
    return arn
