"""What of a request local AWS carries out; the rest it refuses by name."""

from collections.abc import Iterator
from typing import Any

from local_aws.sagemaker.metrics import metric_problems
from local_aws.sagemaker.opt_ml_tree import CHECKPOINT_PATH

# The members of CreateTrainingJob that are carried out here; any other one is refused by its name.
SUPPORTED: dict[str, Any] = {
    "TrainingJobName": None,
    "HyperParameters": None,
    "AlgorithmSpecification": {
        "TrainingImage": None,
        "TrainingInputMode": None,
        "MetricDefinitions": None,
        "ContainerEntrypoint": None,
        "ContainerArguments": None,
    },
    "RoleArn": None,
    "InputDataConfig": {
        "ChannelName": None,
        "ContentType": None,
        "DataSource": {
            "S3DataSource": {"S3DataType": None, "S3Uri": None, "S3DataDistributionType": None}
        },
    },
    "OutputDataConfig": {"S3OutputPath": None},
    "ResourceConfig": {"InstanceType": None, "InstanceCount": None, "VolumeSizeInGB": None},
    "CheckpointConfig": {"S3Uri": None, "LocalPath": None},
    "StoppingCondition": {"MaxRuntimeInSeconds": None, "MaxWaitTimeInSeconds": None},
    "Tags": None,
    "EnableNetworkIsolation": None,
    "EnableInterContainerTrafficEncryption": None,
    "EnableManagedSpotTraining": None,
    "Environment": None,
    "ProfilerConfig": {"DisableProfiler": None},
    "VpcConfig": {"SecurityGroupIds": None, "Subnets": None},  # as far as S3 is reached through it
}
# Those of CreateModelPackage.
SUPPORTED_MODEL_PACKAGE: dict[str, Any] = {
    "ModelPackageGroupName": None,
    "ModelPackageDescription": None,
    "ModelApprovalStatus": None,
    "CustomerMetadataProperties": None,
    "InferenceSpecification": {
        "Containers": {"Image": None, "ModelDataUrl": None, "Environment": None},
        "SupportedContentTypes": None,
        "SupportedResponseMIMETypes": None,
        "SupportedRealtimeInferenceInstanceTypes": None,
        "SupportedTransformInstanceTypes": None,
    },
    "SkipModelValidation": None,
    "ClientToken": None,
}
_MODEL_CONTAINER: dict[str, Any] = {
    "ContainerHostname": None,
    "Image": None,
    "ImageConfig": {"RepositoryAccessMode": None},
    "Mode": None,
    "ModelDataUrl": None,
    "ModelDataSource": None,
    "Environment": None,
    "ModelPackageName": None,
}
SUPPORTED_MODEL: dict[str, Any] = {
    "ModelName": None,
    "PrimaryContainer": _MODEL_CONTAINER,
    "Containers": _MODEL_CONTAINER,
    "InferenceExecutionConfig": None,  # of one container: nothing
    "ExecutionRoleArn": None,
    "Tags": None,
    "VpcConfig": None,
    "EnableNetworkIsolation": None,
}
SUPPORTED_TRANSFORM_JOB: dict[str, Any] = {
    "TransformJobName": None,
    "ModelName": None,
    "MaxConcurrentTransforms": None,
    "ModelClientConfig": None,
    "MaxPayloadInMB": None,
    "BatchStrategy": None,
    "Environment": None,
    "TransformInput": {
        "DataSource": {"S3DataSource": {"S3DataType": None, "S3Uri": None}},
        "ContentType": None,
        "CompressionType": None,
        "SplitType": None,
    },
    "TransformOutput": None,
    "TransformResources": None,
    "DataProcessing": None,
    "Tags": None,
    "ExperimentConfig": None,
}
SUPPORTED_VALUES = {
    "TrainingInputMode": "File",
    "S3DataType": "S3Prefix",
    "LocalPath": CHECKPOINT_PATH,
    "DisableProfiler": True,
    "SkipModelValidation": "None",
}


def unsupported(request: dict[str, Any], most_instances: int) -> list[str]:
    """What AWS could do and local AWS cannot, one line each; how many instances a job may have is
    a matter of what runs it."""
    problems = list(_unsupported(request, SUPPORTED, "CreateTrainingJob"))
    count = request["ResourceConfig"].get("InstanceCount", 0)
    if not 1 <= count <= most_instances:
        only = "1" if most_instances == 1 else f"1 to {most_instances}"
        problems.append(
            f"local AWS does not support CreateTrainingJob.ResourceConfig.InstanceCount {count}, "
            f"only {only}" + (" (more with --containers)" if most_instances == 1 else "")
        )
    return problems


def unsupported_model_package(request: dict[str, Any]) -> list[str]:
    """What AWS could do and local AWS cannot, one line each."""
    return list(_unsupported(request, SUPPORTED_MODEL_PACKAGE, "CreateModelPackage"))


def unsupported_model(request: dict[str, Any]) -> list[str]:
    """Return what of CreateModel AWS could do and local AWS cannot, one line each."""
    found = list(_unsupported(request, SUPPORTED_MODEL, "CreateModel"))
    given = [request.get("PrimaryContainer", {}), *request.get("Containers", [])]
    if any(each.get("Mode") == "MultiModel" for each in given):
        found.append("local AWS does not support Mode 'MultiModel', only 'SingleModel'")
    sources = [each.get("ModelDataSource", {}).get("S3DataSource", {}) for each in given]
    return found + [
        f"local AWS does not support ModelDataSource.S3DataSource.{name}"
        for name in ("ManifestS3Uri", "HubAccessConfig")
        if any(name in source for source in sources)
    ]


def unsupported_transform_job(request: dict[str, Any]) -> list[str]:
    """Return what of CreateTransformJob AWS could do and local AWS cannot, one line each."""
    found = list(_unsupported(request, SUPPORTED_TRANSFORM_JOB, "CreateTransformJob"))
    split_type = request["TransformInput"].get("SplitType", "None")
    if split_type not in ("None", "Line"):
        found.append(
            f"local AWS does not support CreateTransformJob.TransformInput.SplitType "
            f"{split_type!r}, only 'None' and 'Line'"
        )
    return found


def _unsupported(value: Any, supported: dict[str, Any], path: str) -> Iterator[str]:
    for item in value if isinstance(value, list) else [value]:
        for name, member in item.items():
            if name not in supported:
                yield f"local AWS does not support {path}.{name}"
            elif member != SUPPORTED_VALUES.get(name, member):
                only = SUPPORTED_VALUES[name]
                yield f"local AWS does not support {path}.{name} {member!r}, only {only!r}"
            elif supported[name]:
                yield from _unsupported(member, supported[name], f"{path}.{name}")


def contradictions(request: dict[str, Any]) -> list[str]:
    """Return what CreateTrainingJob refuses beyond its model, one line each."""
    channels = [each["ChannelName"] for each in request.get("InputDataConfig", [])]
    twice = sorted({name for name in channels if channels.count(name) > 1})
    found = [f"the channel {name} is given twice" for name in twice]
    for name, value in request.get("Environment", {}).items():
        if "\0" in name + value:
            found.append(f"the environment variable {name!r} holds a null character")
    definitions = request["AlgorithmSpecification"].get("MetricDefinitions", [])
    return found + metric_problems(definitions) + spot_problems(request)


def spot_problems(request: dict[str, Any]) -> list[str]:
    """What CreateTrainingJob refuses beyond its model: a longest wait without spot, or spot without
    one."""
    stopping, spot = request["StoppingCondition"], request.get("EnableManagedSpotTraining", False)
    wait, run = stopping.get("MaxWaitTimeInSeconds"), stopping.get("MaxRuntimeInSeconds", 86_400)
    if spot and (wait is None or wait < run):
        return ["MaxWaitTimeInSeconds must be at least MaxRuntimeInSeconds with spot"]
    if wait is not None and not spot:
        return [
            "Invalid MaxWaitTimeInSeconds. It is only supported when EnableManagedSpotTraining is "
            "set to true"
        ]
    return []
