"""One execution of a pipeline: the stored JSON definition, carried out step by step.

Steps run one after the other, in an order that their references and DependsOn allow. Training jobs
and model packages are created through the API, in the name of the pipeline's role.
"""

import graphlib
import math
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from local_aws.definition.expressions import Reference, resolve, select
from local_aws.definition.validation import dependencies
from local_aws.faults.injection import Faults
from local_aws.sagemaker.conditions import holds
from local_aws.sagemaker.registration_step import register
from local_aws.sagemaker.step_cache import StepCache
from local_aws.sagemaker.tuning_step import begin_tuning, end_of_tuning

from botocore.exceptions import ClientError

POLL_SECONDS = 0.1
LONGEST_STEP_NAME = 29  # of the 63 characters of a job's name
LONGEST_PREFIX = 39

# The kinds of failure that a retry policy can name, by what the failure says.
_RETRYABLE = {
    "CapacityError": "SageMaker.CAPACITY_ERROR",
    "InternalServerError": "SageMaker.JOB_INTERNAL_ERROR",
    "ResourceLimitExceeded": "SageMaker.RESOURCE_LIMIT",
    "ThrottlingException": "Step.THROTTLING",
}


class StepFailed(Exception):
    """The reason as ListPipelineExecutionSteps gives it."""

    @property
    def kind(self) -> str | None:
        """The name of this failure in a retry policy, if it has one."""
        return next((kind for word, kind in _RETRYABLE.items() if str(self).startswith(word)), None)


class Stopped(Exception):
    """The execution was asked to stop."""


class Execution:
    """Runs in a thread of its own from `start()` on."""

    def __init__(
        self,
        arn: str,
        definition: dict[str, Any],
        parameters: Mapping[str, Any],
        sagemaker: Callable[[], Any],  # makes the client of the pipeline's role
        cache: StepCache,
        sleep: Callable[[float], None] = time.sleep,
        faults: Faults | None = None,
        token: str = "",  # of the request that started it
    ) -> None:
        self.arn = arn
        self.token = token
        self.pipeline_arn, _, self.id = arn.rpartition("/execution/")
        self.pipeline_name = self.pipeline_arn.rpartition("/")[2]
        self.parameters = parameters
        self.status = "Executing"
        self.failure_reason: str | None = None
        self.last_modified = self._started = _now()
        self._definition = definition
        self._make_sagemaker = sagemaker
        self._cache = cache
        self._sleep = sleep
        self._faults = faults or Faults()
        self._steps: list[dict[str, Any]] = []  # as ListPipelineExecutionSteps shows them
        self._results: dict[str, dict[str, Any]] = {}  # step name -> what can be referred to
        self._stop = threading.Event()
        self._lock = threading.RLock()
        self._thread = threading.Thread(target=self._run, name=self.id, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        self._thread.join()

    def stop(self) -> None:
        with self._lock:
            if self.status == "Executing":
                self.status = "Stopping"
                self.last_modified = _now()
                self._stop.set()

    def steps(self) -> list[dict[str, Any]]:
        """The steps begun so far, oldest first."""
        with self._lock:
            return [dict(step) for step in self._steps]

    def _run(self) -> None:
        try:
            self._sagemaker = self._make_sagemaker()
            self._run_steps(self._definition["Steps"])
        except Stopped:
            self._finish("Stopped")
        except StepFailed:
            self._finish("Failed", "Step failure: One or multiple steps failed.")
        except Exception as error:  # noqa: BLE001 - a fault of ours must end it, visibly
            self._finish("Failed", f"InternalServerError: {type(error).__name__}: {error}")
        else:
            self._finish("Succeeded")

    def _finish(self, status: str, reason: str | None = None) -> None:
        with self._lock:
            self.status, self.failure_reason = status, reason
            self.last_modified = _now()

    def _run_steps(self, steps: list[dict[str, Any]]) -> None:
        by_name = {step["Name"]: step for step in steps}
        graph = {name: dependencies(step) & by_name.keys() for name, step in by_name.items()}
        for name in graphlib.TopologicalSorter(graph).static_order():
            branch = self._run_step(by_name[name])
            if branch:
                self._run_steps(branch)

    def _run_step(self, step: dict[str, Any]) -> list[dict[str, Any]]:
        """Runs one step; the steps of the branch taken when it is a condition."""
        if self._stop.is_set():
            raise Stopped
        record: dict[str, Any] = {
            "StepName": step["Name"],
            "StepDisplayName": step.get("DisplayName", step["Name"]),
            "StepDescription": step.get("Description", ""),
            "StartTime": _now(),
            "StepStatus": "Executing",
            "Metadata": {},
            "AttemptCount": 1,
        }
        with self._lock:
            self._steps.append(record)
        branch: list[dict[str, Any]] = []
        try:
            if step["Type"] == "Training":
                self._train(step, record)
            elif step["Type"] == "Tuning":
                self._tune(step, record)
            elif step["Type"] == "RegisterModel":
                self._register(step, record)
            elif step["Type"] == "Condition":
                branch = self._decide(step, record)
            else:
                self._fail(step, record)
        except Stopped:
            self._update(record, StepStatus="Stopped", EndTime=_now())
            raise
        except StepFailed as error:
            told = {"FailureReason": str(error)} if str(error) else {}
            self._update(record, StepStatus="Failed", EndTime=_now(), **told)
            raise
        except Exception as error:
            reason = f"InternalServerError: {type(error).__name__}: {error}"
            self._update(record, StepStatus="Failed", EndTime=_now(), FailureReason=reason)
            raise
        self._update(record, StepStatus="Succeeded", EndTime=_now())
        return branch

    def _update(self, record: dict[str, Any], **changes: Any) -> None:
        with self._lock:
            record |= changes

    def _decide(self, step: dict[str, Any], record: dict[str, Any]) -> list[dict[str, Any]]:
        arguments = step["Arguments"]
        try:
            conditions = self._resolve(arguments["Conditions"])
            outcome = all(holds(condition) for condition in conditions)
        except ValueError as error:
            raise StepFailed(f"ClientError: the condition cannot be evaluated: {error}") from None
        self._update(record, Metadata={"Condition": {"Outcome": str(outcome)}})
        branch: list[dict[str, Any]] = arguments.get("IfSteps" if outcome else "ElseSteps", [])
        return branch

    def _fail(self, step: dict[str, Any], record: dict[str, Any]) -> None:
        message = self._resolve(step["Arguments"].get("ErrorMessage", ""))
        self._update(record, Metadata={"Fail": {"ErrorMessage": message}})
        raise StepFailed(message)

    def _register(self, step: dict[str, Any], record: dict[str, Any]) -> None:
        request = self._resolve(step["Arguments"])
        try:
            arn = register(self._sagemaker, request)
        except ClientError as error:
            raise _refused(error) from None
        self._update(record, Metadata={"RegisterModel": {"Arn": arn}})
        self._results[step["Name"]] = request | {"ModelPackageArn": arn}

    def _train(self, step: dict[str, Any], record: dict[str, Any]) -> None:
        arguments = self._resolve(step["Arguments"])
        caching = step.get("CacheConfig", {})
        key = StepCache.key(self.pipeline_name, step["Name"], arguments)
        hit = self._cache.find(key, caching.get("ExpireAfter")) if caching.get("Enabled") else None
        if hit:
            source, job = hit
            self._update(record, CacheHitResult={"SourcePipelineExecutionArn": source})
        else:
            job = self._train_with_retries(step, arguments, record)
            self._cache.store(key, self.arn, job)
        self._update(record, Metadata={"TrainingJob": {"Arn": job["TrainingJobArn"]}})
        self._results[step["Name"]] = job

    def _train_with_retries(
        self, step: dict[str, Any], arguments: dict[str, Any], record: dict[str, Any]
    ) -> dict[str, Any]:
        waited = 0.0
        while True:
            try:
                return self._train_once(step["Name"], arguments, record)
            except StepFailed as error:
                policy = _policy_for(error, step.get("RetryPolicies", []))
                attempts = record["AttemptCount"]
                if policy is None or attempts > policy.get("MaxAttempts", attempts):
                    raise
                pause = policy["IntervalSeconds"] * policy["BackoffRate"] ** (attempts - 1)
                waited += pause
                if waited > policy.get("ExpireAfterMin", math.inf) * 60:
                    raise
                self._wait(pause)
                self._update(record, AttemptCount=attempts + 1)

    def _train_once(
        self, step_name: str, arguments: dict[str, Any], record: dict[str, Any]
    ) -> dict[str, Any]:
        # "pipelines-<execution>-<step>-<random>", as SageMaker names the jobs of pipelines; a name
        # in the definition stands for all before the execution.
        short = step_name[:LONGEST_STEP_NAME].replace("_", "-").strip("-")
        name = f"pipelines-{self.id}-{short}-{secrets.token_hex(5)}"
        arguments = dict(arguments)
        if prefix := arguments.pop("TrainingJobName", None):
            name = f"{prefix[:LONGEST_PREFIX].strip('-')}-{self.id}-{secrets.token_hex(5)}"
        try:
            arn = self._sagemaker.create_training_job(
                TrainingJobName=name, **self._tagged(arguments, step_name)
            )
        except ClientError as error:
            raise _refused(error) from None
        self._update(record, Metadata={"TrainingJob": {"Arn": arn["TrainingJobArn"]}})
        stopping = False
        while True:
            job: dict[str, Any] = self._sagemaker.describe_training_job(TrainingJobName=name)
            match job["TrainingJobStatus"]:
                case "Completed":
                    return job
                case "Failed":
                    raise StepFailed(job["FailureReason"])
                case "Stopped" if stopping:
                    raise Stopped
                case "Stopped":
                    raise StepFailed(f"ClientError: the job was stopped: {job['SecondaryStatus']}")
            if self._stop.is_set() and not stopping:
                self._sagemaker.stop_training_job(TrainingJobName=name)
                stopping = True
            self._sleep(POLL_SECONDS)

    def _tune(self, step: dict[str, Any], record: dict[str, Any]) -> None:
        arguments = self._tagged(self._resolve(step["Arguments"]), step["Name"])
        try:
            name, arn = begin_tuning(self._sagemaker, self.id, step["Name"], arguments)
        except ClientError as error:
            raise _refused(error) from None
        self._update(record, Metadata={"TuningJob": {"Arn": arn}})
        job = end_of_tuning(self._sagemaker, name, self._stop.is_set, self._sleep)
        if self._stop.is_set() and job["HyperParameterTuningJobStatus"] == "Stopped":
            raise Stopped
        if job["HyperParameterTuningJobStatus"] != "Completed":
            raise StepFailed(job.get("FailureReason", "ClientError: the tuning job was stopped"))
        self._results[step["Name"]] = job

    def _tagged(self, arguments: dict[str, Any], step_name: str) -> dict[str, Any]:
        """With the tags of every job of a pipeline, as users of SageMaker quote them, for instance
        in getindata/kedro-sagemaker issue 20."""
        tags = {
            "sagemaker:pipeline-execution-arn": self.arn,
            "sagemaker:pipeline-step-name": step_name,
        }
        added = [{"Key": key, "Value": value} for key, value in tags.items()]
        return arguments | {"Tags": [*arguments.get("Tags", []), *added]}

    def _wait(self, seconds: float) -> None:
        if self._faults:
            return
        waited = 0.0
        while waited < seconds:
            if self._stop.is_set():
                raise Stopped
            self._sleep(POLL_SECONDS)
            waited += POLL_SECONDS

    def _resolve(self, value: Any) -> Any:
        try:
            return resolve(value, self._look_up)
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
                "CurrentDateTime": _now().isoformat(),
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


def _refused(error: ClientError) -> StepFailed:
    details = error.response["Error"]
    return StepFailed(f"{details['Code']}: {details['Message']}")


def _policy_for(error: StepFailed, policies: list[dict[str, Any]]) -> dict[str, Any] | None:
    return next((policy for policy in policies if error.kind in policy["ExceptionType"]), None)


def _now() -> datetime:
    return datetime.now(UTC)
