"""The resource that a request is about, as policies name it.

Source: the Service Authorization Reference.
"""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from moto.core.responses import BaseResponse


def resource_of(response: BaseResponse) -> str:
    """Return the ARN that a request is about; `*` when its service has or needs none."""
    service = str(response.service_name).removeprefix("aws")  # moto's name of Lambda is awslambda
    if service == "lambda":
        place = _function(response)
    elif service in RESOURCES:
        place = RESOURCES[service](response._get_param)
    else:
        return "*"
    if place is None or place.startswith("arn:"):
        return place or "*"
    where = f"{response.region}:{response.current_account}"
    return f"arn:{response.partition}:{service}:{where}:{place}"


def _cloudformation(get: Callable[[str], Any]) -> str | None:
    name = get("StackName")
    return f"stack/{name}/*" if name and not name.startswith("arn:") else name


def _codebuild(get: Callable[[str], Any]) -> str:
    build = get("id") or (get("ids") or [""])[0]
    return f"project/{get('projectName') or build.partition(':')[0]}"


def _ecr(get: Callable[[str], Any]) -> str | None:
    name = get("repositoryName") or (get("repositoryNames") or [None])[0]
    return f"repository/{name}" if name else None


def _logs(get: Callable[[str], Any]) -> str | None:
    group = get("logGroupName")
    return f"log-group:{group}:log-stream:{get('logStreamName') or ''}" if group else None


SAGEMAKER_NAMES = {  # the first that a request has is what it is about
    "PipelineName": "pipeline",
    "TrainingJobName": "training-job",
    "HyperParameterTuningJobName": "hyper-parameter-tuning-job",
    "TransformJobName": "transform-job",
    "ModelPackageGroupName": "model-package-group",
    "ModelPackageName": "model-package",
    "EndpointName": "endpoint",
    "EndpointConfigName": "endpoint-config",
    "ModelName": "model",
}


def _function(response: BaseResponse) -> str | None:
    """Return the function that a request names in its path."""
    found = re.search("/functions/([^/]+)", response.path)
    name = unquote(found[1]) if found else None
    return f"function:{name}" if name and not name.startswith("arn:") else name


def _sagemaker(get: Callable[[str], Any]) -> str | None:
    for member, kind in SAGEMAKER_NAMES.items():
        if name := get(member):
            return str(name) if name.startswith("arn:") else f"{kind}/{name}"
    arn: str | None = get("PipelineExecutionArn") or get("ModelPackageArn") or get("ResourceArn")
    return arn


def _kms(get: Callable[[str], Any]) -> str | None:
    key: str | None = get("KeyId")
    return key if key is None or key.startswith("arn:") else f"key/{key}"


def _sns(get: Callable[[str], Any]) -> str | None:
    topic: str | None = get("TopicArn")
    return topic


RESOURCES = {
    "cloudformation": _cloudformation,
    "codebuild": _codebuild,
    "ecr": _ecr,
    "kms": _kms,
    "logs": _logs,
    "sagemaker": _sagemaker,
    "sns": _sns,
}
