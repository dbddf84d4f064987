"""A running step, the interface between an execution and the handlers."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from local_aws.clock import now
from local_aws.definition.step_types import STEP_TYPES, StepType
from local_aws.definition.steps import Step
from local_aws.errors import reason_of
from local_aws.faults.injection import Faults
from local_aws.sagemaker.callbacks import Callbacks

from botocore.exceptions import ClientError

POLL_SECONDS = 0.1
NAME_LENGTH = 63  # of a job or a model
RANDOM_LENGTH = 10  # of the characters at the end of a name

# The kinds of failure that a retry policy can name, by what the failure says.
_RETRYABLE = {
    "CapacityError": "SageMaker.CAPACITY_ERROR",
    "InternalServerError": "SageMaker.JOB_INTERNAL_ERROR",
    "ResourceLimitExceeded": "SageMaker.RESOURCE_LIMIT",
    "ThrottlingException": "Step.THROTTLING",
    "InternalFailure": "Step.SERVICE_FAULT",
    "ServiceUnavailable": "Step.SERVICE_FAULT",
}


class StepFailed(Exception):
    """A failed step, with the reason for ListPipelineExecutionSteps."""

    @property
    def kind(self) -> str | None:
        """The name of this failure in retry policies, if it has one."""
        return next((kind for word, kind in _RETRYABLE.items() if str(self).startswith(word)), None)


class Stopped(Exception):
    """The execution is being stopped."""


@dataclass(frozen=True)
class StepRun:
    """A step with its execution."""

    definition: Step
    arguments: Any  # resolved
    record: dict[str, Any]  # as ListPipelineExecutionSteps shows it; changed by `update` only
    execution_arn: str
    client: Callable[[str], Any]  # a boto3 client in the name of the pipeline's role
    resolve: Callable[[Any], Any]
    update: Callable[..., None]  # members of the record
    is_stopping: Callable[[], bool]
    is_ending: Callable[[], bool]  # local AWS itself ends
    sleep: Callable[[float], None]
    faults: Faults
    callbacks: Callbacks

    @property
    def name(self) -> str:
        """The step's name in the definition."""
        return str(self.definition["Name"])

    @property
    def type(self) -> StepType:
        """The step type."""
        return STEP_TYPES[self.definition["Type"]]

    @property
    def execution_id(self) -> str:
        """The last part of the execution's ARN."""
        return self.execution_arn.rpartition("/")[2]

    def call(self, service: str, operation: str, **request: Any) -> dict[str, Any]:
        """Call AWS. A refusal fails the step."""
        try:
            answer: dict[str, Any] = getattr(self.client(service), operation)(**request) or {}
        except ClientError as error:
            raise StepFailed(reason_of(error)) from None
        return answer

    def create_request(self, longest: int = NAME_LENGTH) -> dict[str, Any]:
        """Return the Arguments with the name and the tags that SageMaker gives a pipeline's job.

        The name is "pipelines-<execution>-<step>-<random>"; a name in the definition replaces the
        part before the execution. AWS does not document that a name of 32 characters (of a tuning
        job) begins with the execution. Source of the tags: getindata/kedro-sagemaker issue 20.
        """
        request = dict(self.arguments)
        prefix = request.pop(self.type.name_member, None)
        random = secrets.token_hex(RANDOM_LENGTH // 2)
        if prefix and longest == NAME_LENGTH:
            name = _fit(prefix, f"-{self.execution_id}-{random}", longest)
        else:
            begin = "pipelines-" if longest == NAME_LENGTH else ""
            begin += f"{self.execution_id}-"
            name = begin + _fit(prefix or self.name, f"-{random}", longest - len(begin))
        tags = {
            "sagemaker:pipeline-execution-arn": self.execution_arn,
            "sagemaker:pipeline-step-name": self.name,
        }
        added = [{"Key": key, "Value": value} for key, value in tags.items()]
        return {**request, self.type.name_member: name, "Tags": [*request.get("Tags", []), *added]}

    def wait(self, seconds: float) -> None:
        """Wait. Raises Stopped if the execution is stopped meanwhile."""
        if self.faults:
            return
        waited = 0.0
        while waited < seconds:
            if self.is_stopping():
                raise Stopped
            self.sleep(POLL_SECONDS)
            waited += POLL_SECONDS


def new_record(step: Step) -> dict[str, Any]:
    """Return the record of a new step in the form of ListPipelineExecutionSteps."""
    return {
        "StepName": step["Name"],
        "StepDisplayName": step.get("DisplayName", step["Name"]),
        "StepDescription": step.get("Description", ""),
        "StartTime": now(),
        "StepStatus": "Executing",
        "Metadata": {},
        "AttemptCount": 1,
    }


def _fit(text: str, end: str, longest: int) -> str:
    """Shorten text to a valid part of a name, and append `end`."""
    return text[: longest - len(end)].replace("_", "-").strip("-") + end
