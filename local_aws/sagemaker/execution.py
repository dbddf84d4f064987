"""One execution of a pipeline, which executes the stored JSON definition step by step.

A step begins when the steps that it refers to or depends on have ended, and when the
ParallelismConfiguration allows another step. All calls go through the API with the pipeline's role.
"""

import functools
import json
import threading
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from local_aws.background import BackgroundTask
from local_aws.clock import now
from local_aws.definition.selection import needed_results, selected_steps
from local_aws.definition.steps import Step, all_steps, own_arguments, taken_branch
from local_aws.errors import internal_error, reason_of
from local_aws.faults.injection import Faults
from local_aws.sagemaker.callbacks import Callbacks
from local_aws.sagemaker.schedule import Schedule
from local_aws.sagemaker.step_cache import StepCache
from local_aws.sagemaker.step_values import StepValues
from local_aws.sagemaker.steps.handlers import run_step
from local_aws.sagemaker.steps.step_run import StepFailed, StepRun, Stopped, new_record

from botocore.exceptions import ClientError

MOST_PARALLEL_STEPS = 50  # of an execution, unless configured
LONGEST_REASON = 1024  # of a step, in characters
DESCRIBED = (  # of a StartPipelineExecution request, in the answer of Describe
    "PipelineExecutionDisplayName",
    "PipelineExecutionDescription",
    "ParallelismConfiguration",
    "SelectiveExecutionConfig",
)


class Execution(BackgroundTask):
    """An execution. Its methods are thread-safe."""

    def __init__(
        self,
        arn: str,
        definition: str,
        parameters: Mapping[str, Any],
        clients_of_role: Callable[[], Callable[[str], Any]],  # a boto3 client for each service
        cache: StepCache,
        sleep: Callable[[float], None] = time.sleep,
        faults: Faults | None = None,
        callbacks: Callbacks | None = None,
        request: Mapping[str, Any] = MappingProxyType({}),  # StartPipelineExecution
        most_parallel: int = MOST_PARALLEL_STEPS,
        source: "Execution | None" = None,  # of the results of steps that are not selected
    ) -> None:
        self.arn = arn
        self.pipeline_arn = arn.rpartition("/execution/")[0]
        self.pipeline_name = self.pipeline_arn.rpartition("/")[2]
        self.definition = definition
        self.values = StepValues(arn, parameters)
        self.status = "Executing"
        self.failure_reason: str | None = None
        self.last_modified = self.values.started
        self._request = {
            "PipelineExecutionDisplayName": f"execution-{self.last_modified.timestamp() * 1000:.0f}"
        } | {name: request[name] for name in DESCRIBED if name in request}
        self._most_parallel = most_parallel
        self._clients_of_role = clients_of_role
        self._cache = cache
        self._sleep = sleep
        self._faults = faults or Faults()
        self._callbacks = callbacks or Callbacks()
        self._steps: list[dict[str, Any]] = []  # as ListPipelineExecutionSteps shows them
        self._stop = threading.Event()
        self._end = threading.Event()
        self._failed = False
        self._changed = threading.Condition()  # an RLock: it guards all of the above
        self._definition: list[Step] = json.loads(definition)["Steps"]
        if selection := request.get("SelectiveExecutionConfig"):
            self._select({each["StepName"] for each in selection["SelectedSteps"]}, source)

    @property
    def ended(self) -> bool:
        """Whether the execution has reached a final status."""
        return self.status in ("Succeeded", "Failed", "Stopped")

    def stop(self) -> None:
        """Stop the running jobs, and begin no further step, as StopPipelineExecution does."""
        with self._changed:
            if self.status == "Executing":
                self.status = "Stopping"
                self.last_modified = now()
                self._stop.set()
                self._changed.notify_all()

    def end(self) -> None:
        """Stop immediately, without the waits of the service, because local AWS ends."""
        self._end.set()
        self.stop()

    def retry(self, most_parallel: int = 0) -> None:
        """Run the steps again that did not succeed.

        Raises ValueError if the execution did not fail or stop, or ended with a Fail step.
        """
        with self._changed:
            if self.status not in ("Failed", "Stopped"):
                raise ValueError(f"the execution is {self.status}: only a failed one is retried")
            if any("Fail" in step["Metadata"] for step in self._steps):
                raise ValueError("an execution that ended with a Fail step cannot be retried")
            self.join()  # its thread has nothing more to do
            self._steps = [step for step in self._steps if step["StepStatus"] == "Succeeded"]
            self._most_parallel = most_parallel or self._most_parallel
            self._stop.clear()
            self._failed = False
            self.status, self.failure_reason, self.last_modified = "Executing", None, now()
            self.start()

    def change(self, request: Mapping[str, Any]) -> None:
        """Change display name, description or parallelism, as UpdatePipelineExecution does."""
        with self._changed:
            self._request |= {name: request[name] for name in DESCRIBED if name in request}
            if limits := request.get("ParallelismConfiguration"):
                self._most_parallel = limits["MaxParallelExecutionSteps"]
            self.last_modified = now()
            self._changed.notify_all()

    def steps(self) -> list[dict[str, Any]]:
        """Return the steps that have begun, oldest first."""
        with self._changed:
            return [dict(step) for step in self._steps]

    def succeeded(self) -> set[str]:
        """Return the names of the steps whose results can be used."""
        with self._changed:
            return set(self.values.results)

    def describe(self) -> dict[str, Any]:
        """Return the answer of DescribePipelineExecution."""
        with self._changed:
            return {
                "PipelineArn": self.pipeline_arn,
                "PipelineExecutionArn": self.arn,
                **self._request,
                "PipelineExecutionStatus": self.status,
                "FailureReason": self.failure_reason,
                "CreationTime": self.values.started,
                "LastModifiedTime": self.last_modified,
            }

    def _select(self, selected: set[str], source: "Execution | None") -> None:
        """Keep only the selected steps, and take the results that they need from `source`."""
        needed = needed_results(self._definition, selected)
        self._definition = selected_steps(self._definition, selected)
        if source:
            self.values.results |= {name: source.values.results[name] for name in needed}
            taken = {"SelectiveExecutionResult": {"SourcePipelineExecutionArn": source.arn}}
            self._steps = [step | taken for step in source.steps() if step["StepName"] in needed]

    def _run(self) -> None:
        status, reason = "Failed", None
        try:
            self._client = functools.cache(self._clients_of_role())
            self._run_steps(self._schedule())
        except ClientError as error:  # the role cannot be assumed any more
            reason = reason_of(error)
        except Exception as error:  # noqa: BLE001 - a fault of ours must end it, visibly
            reason = internal_error(error)
        else:
            if self._failed:
                reason = "Step failure: One or multiple steps failed."
            else:
                status = "Stopped" if self._stop.is_set() else "Succeeded"
        with self._changed:
            self.status, self.failure_reason, self.last_modified = status, reason, now()

    def _schedule(self) -> Schedule:
        """Return the schedule; in a retry, only of the steps that did not succeed."""
        schedule = Schedule(self._definition)
        by_name = {step["Name"]: step for step in all_steps(self._definition)}
        for record in self._steps:
            step = by_name.get(record["StepName"])  # None: it is not selected
            taken = taken_branch(step, self.values.results[step["Name"]]) if step else []
            schedule.end(record["StepName"], taken)
        return schedule

    def _run_steps(self, schedule: Schedule) -> None:
        """Run steps when they are ready; after a failure or a stop, begin no further step."""
        with self._changed:
            while True:
                if not self._failed and not self._stop.is_set():
                    for step in schedule.ready(self._most_parallel):
                        schedule.begin(step["Name"])
                        self._steps.append(record := new_record(step))
                        threading.Thread(
                            target=self._run_step, args=(step, record, schedule), daemon=True
                        ).start()
                if not schedule.running:
                    return
                self._changed.wait()

    def _run_step(self, step: Step, record: dict[str, Any], schedule: Schedule) -> None:
        status, reason, properties = "Failed", "", dict[str, Any]()
        try:
            properties = run_step(self._step_run(step, record), self._cache)
            status = "Succeeded"
        except Stopped:
            status = "Stopped"
        except StepFailed as error:
            reason = str(error)[:LONGEST_REASON]
        except Exception as error:  # noqa: BLE001 - a fault of ours must end it, visibly
            reason = internal_error(error)
        with self._changed:
            record |= {"StepStatus": status, "EndTime": now()}
            record |= {"FailureReason": reason} if reason else {}
            if status == "Succeeded":
                self.values.results[step["Name"]] = properties
                schedule.end(step["Name"], taken_branch(step, properties))
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
            callbacks=self._callbacks,
        )

    def _resolve(self, value: Any) -> Any:
        try:
            return self.values.resolve(value, self._client)
        except ValueError as error:
            raise StepFailed(f"ClientError: {error}") from None
