"""Follows the executions of the local AWS of this process: steps, and logs of training jobs."""

import subprocess
import time
from typing import Any, TextIO

from local_aws.clients import Clients
from local_aws.sagemaker.api import LocalSageMaker
from local_aws.sagemaker.execution import Execution
from local_aws.sagemaker.training import LOG_GROUP

POLL_SECONDS = 0.2
RUNNING = ("Executing", "Stopping")


def follow(clients: Clients, program: subprocess.Popen[Any], out: TextIO) -> bool:
    """Wait until `program` and every execution have ended; whether all executions succeeded."""
    follower = Follower(clients, out)
    while True:
        ended = program.poll() is not None  # before the executions are looked at
        executions = list(LocalSageMaker.state.executions.values())
        running = [each for each in executions if each.status in RUNNING]
        for execution in executions:
            follower.show(execution)
        if ended and not running:
            return all(each.status == "Succeeded" for each in executions)
        time.sleep(POLL_SECONDS)


class Follower:
    """Remembers what it has shown."""

    def __init__(self, clients: Clients, out: TextIO) -> None:
        self._logs = clients.client("logs")
        self._out = out
        self._shown: dict[tuple[str, str], str] = {}  # execution and step -> status
        self._tokens: dict[str, str] = {}  # log stream -> where it goes on

    def show(self, execution: Execution) -> None:
        """Print what is new."""
        status, reason = execution.status, execution.failure_reason  # before its last step
        for step in execution.steps():
            self._show_log(step)
            self._show_status(execution, f"step {step['StepName']}", step["StepStatus"], step)
        told = {"FailureReason": reason} if reason else {}
        self._show_status(execution, "execution", status, told)

    def _show_status(
        self, execution: Execution, what: str, status: str, described: dict[str, Any]
    ) -> None:
        key = (execution.arn, what)
        if self._shown.get(key) != status:
            self._shown[key] = status
            reason = described.get("FailureReason")
            self._print(
                f"{execution.pipeline_name} {what}: {status}{f': {reason}' if reason else ''}"
            )

    def _show_log(self, step: dict[str, Any]) -> None:
        arn = step["Metadata"].get("TrainingJob", {}).get("Arn")
        if not arn or "CacheHitResult" in step:
            return
        place = {"logGroupName": LOG_GROUP}
        prefix = f"{arn.rpartition('/')[2]}/"
        try:
            listed = self._logs.describe_log_streams(**place, logStreamNamePrefix=prefix)
        except self._logs.exceptions.ResourceNotFoundException:
            return  # no job has written anything yet
        for name in (each["logStreamName"] for each in listed["logStreams"]):
            answer = self._logs.get_log_events(
                **place,
                logStreamName=name,
                startFromHead=True,
                **({"nextToken": self._tokens[name]} if name in self._tokens else {}),
            )
            self._tokens[name] = answer["nextForwardToken"]
            for event in answer["events"]:
                self._print(f"  {name.partition('/')[2].rpartition('-')[0]} {event['message']}")

    def _print(self, text: str) -> None:
        print(text, file=self._out, flush=True)
