"""The optional settings for a company's account.

docs/settings.md has an example and the effect of each.
"""

import re
from collections.abc import Callable, Collection
from typing import Annotated, Any, Literal, Self

from container.contract import parse_number
from container.errors import did_you_mean
from local_aws.service_model import endpoint_instance_types, violations

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

SERVED_BEFORE = "served-before"  # tag of an endpoint's configuration: the one that it replaced
MOST_TAGS = 40  # AWS takes 50 on a resource; SageMaker adds its own to the jobs of a pipeline


def one_of(known: Callable[[], Collection[str]], what: str) -> AfterValidator:
    """Return what checks that a text is one of `known`; `what` follows "is not" in the message."""

    def check(value: str) -> str:
        if value not in known():
            raise ValueError(f"{value!r} is not {what}{did_you_mean(value, known())}")
        return value

    return AfterValidator(check)


def matching(pattern: str, needed: str) -> AfterValidator:
    """Return what checks that a text has this pattern; `needed` is the rest of the message."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(f"{value!r}: {needed} is needed")
        return value

    return AfterValidator(check)


# Source: "Schedule types in EventBridge Scheduler", user guide.
MONTHS = "JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC"
DAYS = "SUN|MON|TUE|WED|THU|FRI|SAT"
MINUTES, HOURS, DAY, MONTH, WEEKDAY, YEAR = (
    rf"(?:(?:\*|{value})(?:[,/-](?:{value}))*)"
    for value in (
        r"[0-5]?\d",
        r"[01]?\d|2[0-3]",
        r"(?:0?[1-9]|[12]\d|3[01])W?|LW?",
        rf"0?[1-9]|1[0-2]|{MONTHS}",
        rf"(?:[1-7]|{DAYS})(?:L|#[1-5])?|L",
        r"19[7-9]\d|2[01]\d\d",
    )
)
SCHEDULE = (
    r"rate\([1-9]\d* (minutes?|hours?|days?)\)|at\(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\)|"
    rf"cron\({MINUTES} {HOURS} (\? {MONTH} {WEEKDAY}|{DAY} {MONTH} \?) {YEAR}\)"
)
SCHEDULES = "rate(1 day), at(2030-01-31T06:00:00) or cron(MINUTES HOURS DAY MONTH WEEKDAY YEAR)"
EMAIL = r"[^@\s<>:,;]+@[^@\s<>:,;]+\.[^@\s<>:,;]+"
TOPIC = r"arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,256}"

# YAML reads `1e-3` as text, and pydantic would make 1 of `true`.
Number = BeforeValidator(parse_number)
KeyArn = Annotated[str, Field(pattern=r"^arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[A-Za-z0-9-]+$")]
PolicyArn = Annotated[str, Field(pattern=r"^arn:aws[a-z-]*:iam::(\d{12}|aws):policy/.+$")]
Subnet = Annotated[str, Field(pattern=r"^subnet-[0-9a-f]{8,17}$")]
EndpointType = Annotated[str, one_of(endpoint_instance_types, "an instance type for endpoints")]
Schedule = Annotated[str, matching(SCHEDULE, f"{SCHEDULES}, ? for one of the days,")]
Notify = Annotated[str, matching(f"{EMAIL}|{TOPIC}", "an e-mail address or an SNS topic's ARN")]
SecurityGroup = Annotated[str, Field(pattern=r"^sg-[0-9a-f]{8,17}$")]


class Block(BaseModel):
    """A block of pipeline.yaml: unknown keys are errors, and values cannot change."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Vpc(Block):
    """The subnets and security groups of jobs and endpoints."""

    subnets: Annotated[tuple[Subnet, ...], Field(min_length=1, max_length=16)]
    security_groups: Annotated[tuple[SecurityGroup, ...], Field(min_length=1, max_length=5)]


class Endpoint(Block):
    """What serves the approved model: serverless, or one instance when a type is given."""

    memory_mb: Literal[1024, 2048, 3072, 4096, 5120, 6144] = 2048
    max_concurrency: Annotated[int, Number, Field(ge=1, le=200)] = 5
    instance_type: EndpointType | None = None
    data_capture: bool = False

    @model_validator(mode="after")
    def _capture_needs_an_instance(self) -> Self:
        if self.data_capture and self.instance_type is None:
            raise ValueError("data_capture: serverless endpoints do not have it: set instance_type")
        return self


class CompanySettings(Block):
    """The optional part of pipeline.yaml."""

    vpc: Vpc | None = None
    kms_key: KeyArn | None = None
    permissions_boundary: PolicyArn | None = None
    tags: dict[str, str] = {}
    schedule: Schedule | None = None  # of EventBridge Scheduler, in UTC
    notify: Notify | None = None  # an e-mail address or the ARN of an SNS topic
    warm_pool_seconds: Annotated[int, Number, Field(ge=1, le=21_600)] | None = None
    deploy_on_approval: bool = False
    endpoint: Endpoint = Endpoint()
    better_than_served: bool = False  # the gate: not below the AUC of the version that is served

    @field_validator("tags")
    @classmethod
    def _legal_tags(cls, value: dict[str, str]) -> dict[str, str]:
        request = {"ResourceArn": "arn:aws:sagemaker:", "Tags": tag_list(value)}
        found = [each for each in violations("AddTags", request) if ".Tags" in each]
        found += [
            f"{name}: the prefix aws: is reserved for AWS"
            for name in value
            if name.lower().startswith("aws:")
        ]
        found += [
            f"{name}: is reserved for deploy_model.py" for name in value if name == SERVED_BEFORE
        ]
        if len({name.lower() for name in value}) < len(value):
            found.append("IAM treats names that differ only in case as equal")
        if found:
            raise ValueError("; ".join(found))
        if len(value) > MOST_TAGS:
            raise ValueError(f"{len(value)} tags, at most {MOST_TAGS} are allowed")
        return value

    @property
    def aws_tags(self) -> list[dict[str, Any]] | None:
        """The tags as a request has them; None without any."""
        return tag_list(self.tags) or None


def tag_list(tags: dict[str, str]) -> list[dict[str, Any]]:
    """Return tags in the form that the AWS APIs take: `[{"Key": ..., "Value": ...}]`."""
    return [{"Key": name, "Value": value} for name, value in tags.items()]


def stack_parameters(settings: Any) -> dict[str, str]:
    """Return the parameters of build/infrastructure.yml; empty values for what is not set."""
    notify = settings.notify or ""
    topic = notify.startswith("arn:")
    return {
        "InVpc": str(settings.vpc is not None).lower(),
        "KmsKeyArn": settings.kms_key or "",
        "PermissionsBoundaryArn": settings.permissions_boundary or "",
        "Tagged": str(bool(settings.tags)).lower(),
        "ScheduleExpression": settings.schedule or "",
        "PipelineName": settings.pipeline_name if settings.schedule else "",
        "NotifyTopicArn": notify if topic else "",
        "NotifyEmail": "" if topic else notify,
        "DeployOnApproval": str(settings.deploy_on_approval).lower(),
    }
