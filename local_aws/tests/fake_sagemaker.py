"""A SageMaker whose jobs are plain answers, and the steps and executions of the tests.

Capacity errors, caches and orders of steps can be had so without waiting for jobs.
"""

import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

from local_aws.sagemaker.callbacks import Callbacks
from local_aws.sagemaker.execution import Execution
from local_aws.sagemaker.step_cache import StepCache

from botocore.exceptions import ClientError

ARN = "arn:aws:sagemaker:us-east-1:123456789012:pipeline/p/execution/abcdefghijkl"
NOUNS = {
    "training_job": "TrainingJob",
    "processing_job": "ProcessingJob",
    "transform_job": "TransformJob",
    "hyper_parameter_tuning_job": "HyperParameterTuningJob",
    "model": "Model",
}
KINDS = {noun: thing.replace("_", "-") for thing, noun in NOUNS.items()}  # in ARNs
AUC = {"Get": "Steps.Train.FinalMetricDataList['validation:auc'].Value"}

Outcome = dict[str, Any] | Exception


class SageMaker:
    """Answers as the service would, with one prepared outcome for each thing that is created."""

    def __init__(self, *outcomes: Outcome) -> None:
        self.requests: list[dict[str, Any]] = []
        self.stopped: list[str] = []
        self._outcomes = iter(outcomes)
        self._jobs: dict[str, Iterator[dict[str, Any]]] = {}

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        verb, _, thing = operation.partition("_")
        if verb not in ("create", "describe", "stop"):
            raise AttributeError(operation)
        answer: Callable[..., Any] = getattr(self, f"{verb}_it")
        return lambda **request: answer(NOUNS[thing], **request)

    def create_it(self, noun: str, **request: Any) -> dict[str, str]:
        self.requests.append(request)
        name = request[f"{noun}Name"]
        outcome = next(self._outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        in_progress = {f"{noun}Status": "InProgress"}
        arn = {f"{noun}Arn": f"arn:aws:sagemaker:us-east-1:123456789012:{KINDS[noun]}/{name}"}
        # As long as it is not stopped, an outcome without a status is never reached.
        status = {f"{noun}Status": outcome["Status"]} if "Status" in outcome else in_progress
        described = {f"{noun}Name": name} | outcome | arn | status
        self._jobs[name] = itertools.chain(
            [in_progress] if noun != "Model" else [], itertools.repeat(described)
        )
        return arn

    def describe_it(self, noun: str, **names: str) -> dict[str, Any]:
        (name,) = names.values()
        if name in self.stopped:
            return {f"{noun}Status": "Stopped", "SecondaryStatus": "Stopped"}
        return next(self._jobs[name])

    def stop_it(self, _noun: str, **names: str) -> None:
        self.stopped.extend(names.values())

    def create_model_package_group(self, ModelPackageGroupName: str) -> None:
        if ModelPackageGroupName == "forbidden":
            raise refused("AccessDeniedException")
        raise refused("ValidationException", "it already exists")

    def create_model_package(self, **request: Any) -> dict[str, str]:
        self.requests.append(request)
        return {"ModelPackageArn": f"{request['ModelPackageGroupName']}/1"}

    def list_training_jobs_for_hyper_parameter_tuning_job(self, **_: Any) -> dict[str, Any]:
        return {"TrainingJobSummaries": [{"TrainingJobName": "best"}]}


def completed(auc: float = 0.9, **described: Any) -> dict[str, Any]:
    metric = {"MetricName": "validation:auc", "Value": auc}
    return {"Status": "Completed", "FinalMetricDataList": [metric], **described}


def failed(reason: str) -> dict[str, Any]:
    return {"Status": "Failed", "FailureReason": reason}


def refused(code: str, message: str = "no") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "CreateTrainingJob")


def train(name: str = "Train", **changes: Any) -> dict[str, Any]:
    arguments = {"HyperParameters": {"max_depth": {"Get": "Parameters.depth"}}}
    return {"Name": name, "Type": "Training", "Arguments": arguments, **changes}


def gate(left: Any, then: list[Any], otherwise: list[Any], **changes: Any) -> dict[str, Any]:
    condition = {"Type": "GreaterThan", "LeftValue": left, "RightValue": 0.8}
    arguments = {"Conditions": [condition], "IfSteps": then, "ElseSteps": otherwise}
    return {"Name": "Gate", "Type": "Condition", "Arguments": arguments, **changes}


def fail(message: Any, name: str = "Fail") -> dict[str, Any]:
    return {"Name": name, "Type": "Fail", "Arguments": {"ErrorMessage": message}}


def register(group: str, **properties: Any) -> dict[str, Any]:
    arguments = {"ModelPackageGroupName": group, "CustomerMetadataProperties": properties}
    return {"Name": "Register", "Type": "RegisterModel", "Arguments": arguments}


def make_execution(
    *steps: dict[str, Any],
    client: Callable[[str], Any],
    cache: StepCache | None = None,
    sleep: Callable[[float], None] = lambda _: None,
    arn: str = ARN,
    most_parallel: int = 50,
    callbacks: Callbacks | None = None,
    **parameters: Any,
) -> Execution:
    """An execution that is not started yet."""
    return Execution(
        arn,
        json.dumps({"Steps": list(steps)}),
        {"depth": "4", **parameters},
        lambda: client,
        cache or StepCache(),
        sleep,
        most_parallel=most_parallel,
        callbacks=callbacks,
    )


def execute(
    *steps: dict[str, Any], sagemaker: SageMaker | None = None, **options: Any
) -> Execution:
    """An execution that has ended."""
    client = sagemaker or SageMaker()
    execution = make_execution(*steps, client=lambda _: client, **options)
    execution.start()
    execution.join()
    return execution


def outline(execution: Execution) -> list[tuple[str, str]]:
    return [(step["StepName"], step["StepStatus"]) for step in execution.steps()]
