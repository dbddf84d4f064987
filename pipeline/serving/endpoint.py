"""The endpoint that serves an approved version: created, updated without a gap, rolled back.

A new version first runs behind an endpoint of its own, the candidate. Only when that has answered
as it must does the endpoint of the users move to it. (SageMaker's own shadow and weighted variants
are not for serverless endpoints: "Serverless Inference" in the developer guide, "Feature
exclusions".) Whatever fails leaves the version before serving.
"""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.serving.versions import APPROVED, Version, describe_version
from pipeline.settings import Settings
from pipeline.stack import Stack

from botocore.exceptions import BotoCoreError, ClientError

VARIANT = "approved"
SERVING = ("InService", "Updating", "SystemUpdating", "RollingBack")  # statuses
NO_ENDPOINT = "NotFound"  # in place of an endpoint's status
BEFORE = "served-before"  # tag of an endpoint's configuration: the one that it replaced
FIRST_POLL_SECONDS, LONGEST_POLL_SECONDS = 0.2, 15.0

Smoke = Callable[[str], None]  # raises NotServed when the endpoint of that name answers wrongly


class NotServed(Exception):
    """The new version does not serve; what was served before still is."""


@dataclass(frozen=True)
class Served:
    """What an endpoint serves."""

    version: Version
    configuration: str
    status: str
    since: str  # the endpoint's last change, ISO 8601


def endpoint_name(settings: Settings) -> str:
    """Return the name of the one endpoint of a stack."""
    return f"{settings.stack_name}-endpoint"


def candidate_name(settings: Settings) -> str:
    """Return the name of the endpoint on which a new version is tried."""
    return f"{settings.stack_name}-candidate"


def find_served(sagemaker: Any, name: str) -> Served | None:
    """Return what the endpoint serves; None when there is no endpoint."""
    try:
        endpoint = sagemaker.describe_endpoint(EndpointName=name)
    except ClientError as error:
        if "Could not find" in str(error):
            return None
        raise
    configuration = endpoint["EndpointConfigName"]
    version = describe_version(sagemaker, model_package(sagemaker, configuration))
    since = endpoint["LastModifiedTime"].isoformat(timespec="seconds")
    return Served(version, configuration, endpoint["EndpointStatus"], since)


def read_served(sagemaker: Any, name: str) -> dict[str, Any] | None:
    """Return what the endpoint serves, as run.json has it; None when that cannot be read."""
    try:
        served = find_served(sagemaker, name)
    except (BotoCoreError, ClientError, LookupError):  # the last: another's model, no version
        return None
    if served is None:
        return {"endpoint": name, "status": NO_ENDPOINT}
    version = served.version.number
    return {"endpoint": name, "status": served.status, "version": version, "since": served.since}


def model_package(sagemaker: Any, configuration: str) -> str:
    """Return the ARN of the version that a configuration serves."""
    variants = sagemaker.describe_endpoint_config(EndpointConfigName=configuration)
    model = sagemaker.describe_model(ModelName=variants["ProductionVariants"][0]["ModelName"])
    return str((model.get("Containers") or [model["PrimaryContainer"]])[0]["ModelPackageName"])


def make_configuration(
    sagemaker: Any, settings: Settings, stack: Stack, version: Version, before: str = ""
) -> str:
    """Create the model and the configuration of an endpoint, where missing; return its name."""
    endpoint = settings.endpoint
    serverless = endpoint.instance_type is None
    model = make_model(sagemaker, settings, stack, version, isolated=not serverless)
    variant: dict[str, Any] = {"VariantName": VARIANT, "ModelName": model}
    configuration: dict[str, Any] = {"ProductionVariants": [variant]}
    if serverless:
        variant["ServerlessConfig"] = {
            "MemorySizeInMB": endpoint.memory_mb,
            "MaxConcurrency": endpoint.max_concurrency,
        }
    else:
        variant |= {"InstanceType": endpoint.instance_type, "InitialInstanceCount": 1}
        if settings.kms_key:
            configuration["KmsKeyId"] = settings.kms_key
    if endpoint.data_capture:
        configuration["DataCaptureConfig"] = {
            "EnableCapture": True,
            "InitialSamplingPercentage": 100,
            "DestinationS3Uri": f"s3://{stack.bucket}/capture/{settings.prefix}",
            "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        }
    name = _name(settings, version, configuration | {BEFORE: before})
    own = [{"Key": BEFORE, "Value": before}] if before else []
    _create(
        sagemaker.create_endpoint_config,
        EndpointConfigName=name,
        Tags=[*(settings.aws_tags or []), *own],
        **configuration,
    )
    return name


def make_model(
    sagemaker: Any, settings: Settings, stack: Stack, version: Version, *, isolated: bool = True
) -> str:
    """Create the model of a version, where it is missing, and return its name.

    Isolated, its container reaches no network; serverless endpoints do not offer that.
    """
    request: dict[str, Any] = {
        "Containers": [{"ModelPackageName": version.arn}],
        "ExecutionRoleArn": stack.model_role_arn,
        "EnableNetworkIsolation": isolated,
    }
    if settings.vpc and isolated:
        request["VpcConfig"] = {
            "Subnets": list(settings.vpc.subnets),
            "SecurityGroupIds": list(settings.vpc.security_groups),
        }
    name = _name(settings, version, request)
    _create(sagemaker.create_model, ModelName=name, Tags=settings.aws_tags or [], **request)
    return name


def _name(settings: Settings, version: Version, request: Mapping[str, Any]) -> str:
    """Return a name with a digest of the request, so that an equal resource is used again."""
    digest = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()[:8]
    return f"{settings.stack_name}-v{version.number}-{digest}"


def deploy(sagemaker: Any, settings: Settings, configuration: str, smoke: Smoke) -> None:
    """Serve a configuration. Raises NotServed, and then what was served before still is."""
    name = endpoint_name(settings)
    served = find_served(sagemaker, name)
    if served and served.status == "Failed":  # it never served
        _delete(sagemaker, name)
        served = None
    if served and served.configuration == configuration:
        smoke(name)
    elif served:
        candidate = candidate_name(settings)
        _create_and_try(sagemaker, settings, candidate, configuration, smoke)
        _delete(sagemaker, candidate)
        check_approved(sagemaker, configuration)
        move(sagemaker, name, configuration, smoke)
    else:
        _create_and_try(sagemaker, settings, name, configuration, smoke)


def check_approved(sagemaker: Any, configuration: str) -> None:
    """Raise NotServed when the version of a configuration was rejected in the meantime."""
    version = describe_version(sagemaker, model_package(sagemaker, configuration))
    if version.status != APPROVED:
        raise NotServed(f"its status is {version.status}, not {APPROVED}")


def move(sagemaker: Any, name: str, configuration: str, smoke: Smoke) -> None:
    """Point an endpoint at another configuration, and back when it does not answer as it must."""
    before = sagemaker.describe_endpoint(EndpointName=name)["EndpointConfigName"]
    sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=configuration)
    endpoint = wait(sagemaker, name)
    if endpoint["EndpointConfigName"] != configuration:
        raise NotServed(f"{name}: {endpoint.get('FailureReason', 'it was not updated')}")
    try:
        smoke(name)
    except NotServed:
        sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=before)
        wait(sagemaker, name)
        raise


def configuration_before(sagemaker: Any, configuration: str) -> str:
    """Return the configuration that this one replaced, "" when it was the first."""
    arn = sagemaker.describe_endpoint_config(EndpointConfigName=configuration)["EndpointConfigArn"]
    tags = sagemaker.list_tags(ResourceArn=arn)["Tags"]
    return next((tag["Value"] for tag in tags if tag["Key"] == BEFORE), "")


def wait(sagemaker: Any, name: str, sleep: Callable[[float], None] = time.sleep) -> dict[str, Any]:
    """Return the description of an endpoint once it neither is created nor updated any more."""
    pause = FIRST_POLL_SECONDS
    while True:
        endpoint: dict[str, Any] = sagemaker.describe_endpoint(EndpointName=name)
        if endpoint["EndpointStatus"] not in ("Creating", "Updating", "SystemUpdating"):
            return endpoint
        sleep(pause)
        pause = min(pause * 2, LONGEST_POLL_SECONDS)


def _create_and_try(
    sagemaker: Any, settings: Settings, name: str, configuration: str, smoke: Smoke
) -> None:
    """Create an endpoint; delete it again when it does not answer as it must."""
    if find_served(sagemaker, name):  # left by a deployment that was interrupted
        _delete(sagemaker, name)
    sagemaker.create_endpoint(
        EndpointName=name, EndpointConfigName=configuration, Tags=settings.aws_tags or []
    )
    try:
        endpoint = wait(sagemaker, name)
        if endpoint["EndpointStatus"] != "InService":
            reason = endpoint.get("FailureReason", endpoint["EndpointStatus"])
            raise NotServed(f"{name}: {reason}")
        smoke(name)
    except BaseException:
        _delete(sagemaker, name)
        raise


def _create(operation: Callable[..., Any], **request: Any) -> None:
    try:
        operation(**request)
    except ClientError as error:
        if "already exist" not in str(error):
            raise


def _delete(sagemaker: Any, name: str) -> None:
    sagemaker.delete_endpoint(EndpointName=name)
    pause = FIRST_POLL_SECONDS
    while _exists(sagemaker, name):
        time.sleep(pause)
        pause = min(pause * 2, LONGEST_POLL_SECONDS)


def _exists(sagemaker: Any, name: str) -> bool:
    try:
        sagemaker.describe_endpoint(EndpointName=name)
    except ClientError as error:
        if "Could not find" in str(error):
            return False
        raise
    return True
