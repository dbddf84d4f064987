"""Prints the steps of the executions of this process's local AWS, and the logs of their jobs."""

import time
from collections.abc import Callable, Iterator
from typing import Any, TextIO

from local_aws.clients import Clients
from local_aws.sagemaker.api import LocalSageMaker
from local_aws.sagemaker.execution import Execution

POLL_SECONDS = 0.2

# Where the log of a step is, by what its Metadata has: the group, and how its streams begin.
JOB_LOGS = {
    "TrainingJob": ("/aws/sagemaker/TrainingJobs", "{}/"),
    "ProcessingJob": ("/aws/sagemaker/ProcessingJobs", "{}/"),
    "TransformJob": ("/aws/sagemaker/TransformJobs", "{}/"),
    "TuningJob": ("/aws/sagemaker/TrainingJobs", "{}-"),
}


def follow(clients: Clients, is_running: Callable[[], bool], out: TextIO | None) -> bool:
    """Wait until a program and all executions have ended.

    Args:
        clients: The clients of the local AWS.
        is_running: Returns whether the program is still running.
        out: Where to print steps and logs; None prints nothing.

    Returns:
        Whether all executions succeeded.
    """
    follower = Follower(clients, out) if out else None
    while True:
        ended = not is_running()  # before the executions are looked at
        executions = list(LocalSageMaker.state.executions.values())
        running = [each for each in executions if not each.ended]
        if follower:
            for execution in executions:
                follower.show(execution)
        if ended and not running:
            return all(each.status == "Succeeded" for each in executions)
        time.sleep(POLL_SECONDS)


class Follower:
    """Prints steps and log lines once each."""

    def __init__(self, clients: Clients, out: TextIO) -> None:
        self._logs = clients.client("logs")
        self._out = out
        self._shown: dict[tuple[str, str], str] = {}  # execution and step -> status
        self._tokens: dict[tuple[str, str], str] = {}  # log group and stream -> where it goes on

    def show(self, execution: Execution) -> None:
        """Print new steps and log lines."""
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
        if "CacheHitResult" in step or "SelectiveExecutionResult" in step:
            return
        for group, prefix in _logs_of(step["Metadata"]):
            named = {"logStreamNamePrefix": prefix} if prefix else {}
            try:
                listed = self._logs.describe_log_streams(logGroupName=group, **named)
            except self._logs.exceptions.ResourceNotFoundException:
                continue  # nothing has been written yet
            for name in (each["logStreamName"] for each in listed["logStreams"]):
                for line in self._new_lines(group, name):
                    self._print(f"  {_source(group, name, prefix)} {line}")

    def _new_lines(self, group: str, stream: str) -> Iterator[str]:
        token = self._tokens.get((group, stream))
        answer = self._logs.get_log_events(
            logGroupName=group,
            logStreamName=stream,
            startFromHead=True,
            **({"nextToken": token} if token else {}),
        )
        self._tokens[group, stream] = answer["nextForwardToken"]
        for event in answer["events"]:
            yield event["message"]

    def _print(self, text: str) -> None:
        print(text, file=self._out, flush=True)


def _logs_of(metadata: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the log group and the prefix of the streams of the job or function of a step."""
    for member, (group, prefix) in JOB_LOGS.items():
        if arn := metadata.get(member, {}).get("Arn"):
            yield group, prefix.format(arn.rpartition("/")[2])
    if arn := metadata.get("Lambda", {}).get("Arn"):
        yield f"/aws/lambda/{arn.rpartition(':')[2]}", ""


def _source(group: str, stream: str, prefix: str) -> str:
    """Return the source of a line: the host and the number of a job, or a function."""
    if not prefix:
        return group.rpartition("/")[2]
    host = stream.removeprefix(prefix).rpartition("-")[0]
    return host if prefix.endswith("/") else f"{host.partition('-')[0]}/{host.partition('/')[2]}"
