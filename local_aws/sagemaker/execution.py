"""One execution of a pipeline: the stored JSON definition, carried out step by step.

A step begins when all that it refers to and depends on has ended, beside as many others as the
ParallelismConfiguration allows. Everything is done through the API, in the name of the pipeline's
role.
"""

import functools
import json
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from local_aws.definition.expressions import Reference, parse_json_path, resolve, select
from local_aws.definition.steps import Step, own_arguments
from local_aws.faults.injection import Faults
from local_aws.sagemaker.s3 import split_uri
from local_aws.sagemaker.schedule import Schedule
from local_aws.sagemaker.step_cache import StepCache
from local_aws.sagemaker.steps.handlers import run_step
from local_aws.sagemaker.steps.step_run import StepFailed, StepRun, Stopped, now

from botocore.exceptions import ClientError

MOST_PARALLEL_STEPS = 50  # of an execution, unless configured


class Execution:
    """Runs in threads of its own from `start()` on."""

    def __init__(
        self,
        arn: str,
        definition: dict[str, Any],
        parameters: Mapping[str, Any],
        clients_of_role: Callable[[], Callable[[str], Any]],  # a boto3 client for each service
        cache: StepCache,
        sleep: Callable[[float], None] = time.sleep,
        faults: Faults | None = None,
        token: str = "",  # of the request that started it
        most_parallel: int = MOST_PARALLEL_STEPS,
    ) -> None:
        self.arn = arn
        self.token = token
        self.pipeline_arn, _, self.id = arn.rpartition("/execution/")
        self.pipeline_name = self.pipeline_arn.rpartition("/")[2]
        self.parameters = parameters
        self.status = "Executing"
        self.failure_reason: str | None = None
        self.last_modified = self._started = now()
        self.most_parallel = most_parallel
        self._definition = definition
        self._clients_of_role = clients_of_role
        self._cache = cache
        self._sleep = sleep
        self._faults = faults or Faults()
        self._steps: list[dict[str, Any]] = []  # as ListPipelineExecutionSteps shows them
        self._results: dict[str, dict[str, Any]] = {}  # step name -> what can be referred to
        self._stop = threading.Event()
        self._end = threading.Event()
        self._failed = False
        self._changed = threading.Condition()  # an RLock: it guards all of the above
        self._thread = threading.Thread(target=self._run, name=self.id, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        self._thread.join()

    def stop(self) -> None:
        with self._changed:
            if self.status == "Executing":
                self.status = "Stopping"
                self.last_modified = now()
                self._stop.set()
                self._changed.notify_all()

    def end(self) -> None:
        """Stop at once, also what the service would wait for: local AWS itself ends."""
        self._end.set()
        self.stop()

    def steps(self) -> list[dict[str, Any]]:
        """The steps begun so far, oldest first."""
        with self._changed:
            return [dict(step) for step in self._steps]

    def _run(self) -> None:
        try:
            self._client = functools.cache(self._clients_of_role())
            self._run_steps(Schedule(self._definition["Steps"]))
        except Exception as error:  # noqa: BLE001 - a fault of ours must end it, visibly
            self._finish("Failed", f"InternalServerError: {type(error).__name__}: {error}")
            return
        if self._failed:
            self._finish("Failed", "Step failure: One or multiple steps failed.")
        else:
            self._finish("Stopped" if self._stop.is_set() else "Succeeded")

    def _finish(self, status: str, reason: str | None = None) -> None:
        with self._changed:
            self.status, self.failure_reason = status, reason
            self.last_modified = now()

    def _run_steps(self, schedule: Schedule) -> None:
        """After a failure, or when it is to stop, no further step begins."""
        with self._changed:
            while True:
                if not self._failed and not self._stop.is_set():
                    for step in schedule.ready(self.most_parallel):
                        schedule.begin(step["Name"])
                        threading.Thread(
                            target=self._run_step, args=(step, schedule), daemon=True
                        ).start()
                if not schedule.running:
                    return
                self._changed.wait()

    def _run_step(self, step: Step, schedule: Schedule) -> None:
        record: dict[str, Any] = {
            "StepName": step["Name"],
            "StepDisplayName": step.get("DisplayName", step["Name"]),
            "StepDescription": step.get("Description", ""),
            "StartTime": now(),
            "StepStatus": "Executing",
            "Metadata": {},
            "AttemptCount": 1,
        }
        with self._changed:
            self._steps.append(record)
        properties: dict[str, Any] = {}
        told: dict[str, Any] = {}
        try:
            properties = run_step(self._step_run(step, record), self._cache)
            status = "Succeeded"
        except Stopped:
            status = "Stopped"
        except StepFailed as error:
            status = "Failed"
            told = {"FailureReason": str(error)} if str(error) else {}
        except Exception as error:  # noqa: BLE001 - a fault of ours must end it, visibly
            status = "Failed"
            told = {"FailureReason": f"InternalServerError: {type(error).__name__}: {error}"}
        with self._changed:
            record |= {"StepStatus": status, "EndTime": now(), **told}
            if status == "Succeeded":
                self._results[step["Name"]] = properties
                schedule.end(step["Name"], _branch(step, properties))
            schedule.running.discard(step["Name"])
            self._failed = self._failed or status == "Failed"
            self._changed.notify_all()

    def _step_run(self, step: Step, record: dict[str, Any]) -> StepRun:
        def update(**changes: Any) -> None:
            with self._changed:
                record.update(changes)

        return StepRun(
            definition=step,
            arguments=self._resolve(own_arguments(step)),
            record=record,
            execution_arn=self.arn,
            client=self._client,
            resolve=self._resolve,
            update=update,
            is_stopping=self._stop.is_set,
            is_ending=self._end.is_set,
            sleep=self._sleep,
            faults=self._faults,
        )

    def _resolve(self, value: Any) -> Any:
        try:
            return resolve(value, self._look_up, self._read_json)
        except ValueError as error:
            raise StepFailed(f"ClientError: {error}") from None

    def _look_up(self, reference: Reference) -> Any:
        name, *path = reference.path
        if reference.kind == "Parameters":
            return self.parameters[str(name)]
        if reference.kind == "Execution":
            variables = {
                "PipelineName": self.pipeline_name,
                "PipelineArn": self.pipeline_arn,
                "PipelineExecutionId": self.id,
                "PipelineExecutionArn": self.arn,
                "StartDateTime": self._started.isoformat(),
                "CurrentDateTime": now().isoformat(),
            }
            if name not in variables:
                raise ValueError(f"{reference.text} is not supported")
            return variables[str(name)]
        if name not in self._results:
            raise ValueError(f"{reference.text}: the step has no result")
        try:
            return select(self._results[str(name)], tuple(path))
        except ValueError as error:
            raise ValueError(f"{reference.text}: {error}") from None

    def _read_json(self, uri: str, path: str) -> Any:
        bucket, key = split_uri(str(uri))
        try:
            body = self._client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
            return select(json.loads(body), parse_json_path(path))
        except ClientError as error:
            raise ValueError(f"{uri}: {error.response['Error']['Message']}") from None
        except ValueError as error:
            raise ValueError(f"{uri}: {path}: {error}") from None


def _branch(step: Step, properties: dict[str, Any]) -> list[Step]:
    if step["Type"] != "Condition":
        return []
    branch: list[Step] = step["Arguments"].get(
        "IfSteps" if properties["Outcome"] == "True" else "ElseSteps", []
    )
    return branch
