"""The model and the configuration of an endpoint, made of a version and the settings.

Their names hold a digest of the request, so that what is there already is used again.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from pipeline.company import SERVED_BEFORE
from pipeline.serving.versions import Version
from pipeline.settings import Settings
from pipeline.stack import Stack

from botocore.exceptions import ClientError

VARIANT = "approved"


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
    name = _name(settings, version, configuration | {SERVED_BEFORE: before})
    own = [{"Key": SERVED_BEFORE, "Value": before}] if before else []
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
    """Return a name with a digest of the request, so that an equal resource is used again.

    The container belongs to it: the number of a version that was deleted may be given again, and a
    model keeps what its version was when it was created.
    """
    whole = {**request, "container": version.container}
    digest = hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:8]
    return f"{settings.stack_name}-v{version.number}-{digest}"


def model_package(sagemaker: Any, configuration: str) -> str:
    """Return the ARN of the version that a configuration serves."""
    variants = sagemaker.describe_endpoint_config(EndpointConfigName=configuration)
    model = sagemaker.describe_model(ModelName=variants["ProductionVariants"][0]["ModelName"])
    return str((model.get("Containers") or [model["PrimaryContainer"]])[0]["ModelPackageName"])


def configuration_before(sagemaker: Any, configuration: str) -> str:
    """Return the configuration that this one replaced, "" when it was the first."""
    arn = sagemaker.describe_endpoint_config(EndpointConfigName=configuration)["EndpointConfigArn"]
    tags = sagemaker.list_tags(ResourceArn=arn)["Tags"]
    return next((tag["Value"] for tag in tags if tag["Key"] == SERVED_BEFORE), "")


def _create(operation: Callable[..., Any], **request: Any) -> None:
    try:
        operation(**request)
    except ClientError as error:
        if "already exist" not in str(error):
            raise
