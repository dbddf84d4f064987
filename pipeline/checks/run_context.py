"""The run that the checks examine, and the clients of the AWS services."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from container.errors import InputError
from pipeline.data import Dataset
from pipeline.settings import Settings
from pipeline.stack import Stack

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

# A check is worth no long wait; IAM and Service Quotas may ask for a slower pace.
CLIENT_CONFIG = Config(connect_timeout=5, read_timeout=20, retries={"total_max_attempts": 3})

T = TypeVar("T")


class NotChecked(Exception):
    """Something that a check needs is missing."""


@dataclass(frozen=True)
class RunContext:
    """The run about to start; an exception stands for a value that could not be found."""

    settings: Settings
    identity: str | Exception  # ARN of who asks
    stack: Stack | Exception
    dataset: Dataset | Exception
    instance_type: str | tuple[str, ...] | Exception  # several by preference
    image_uri: str | Exception  # with the digest
    definition: dict[str, Any] | Exception
    other_data: Mapping[str, str] = field(default_factory=dict)  # channel -> S3 URI, not of dataset


@dataclass(frozen=True)
class Services:
    """The clients. Threads may share clients, but not a session."""

    cloudformation: Any
    ec2: Any
    ecr: Any
    iam: Any
    kms: Any
    quotas: Any
    s3: Any
    sagemaker: Any
    sns: Any
    sts: Any


def make_services(session: boto3.Session) -> Services:
    """Make the clients of all services that the checks read from."""
    names = {name: name for name in Services.__dataclass_fields__} | {"quotas": "service-quotas"}
    return Services(
        **{name: session.client(service, config=CLIENT_CONFIG) for name, service in names.items()}
    )


def attempt(find: Callable[[], T]) -> T | Exception:
    """Return the result of `find`, or the exception that it raised."""
    try:
        return find()
    except (InputError, NotChecked, BotoCoreError, ClientError) as error:
        return error


def known(value: T | Exception, what: str) -> T:
    """Return the value. Raises NotChecked if it is an exception, which another check reports."""
    if isinstance(value, Exception):
        raise NotChecked(f"no {what}")
    return value


def identity(sts: Any) -> str:
    """Return the ARN of the user or role session that calls."""
    return str(sts.get_caller_identity()["Arn"])
