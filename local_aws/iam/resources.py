"""The ARN of the resource of a request, as policies name it.

Source: the Service Authorization Reference.
"""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from moto.core.responses import BaseResponse


def resource_of(response: BaseResponse) -> str:
    """Return the ARN of a request's resource, or `*` if the action has no resource."""
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


def _place(form: str, name: str | None) -> str | None:
    """Return the last part of the ARN of a resource with this name or ARN."""
    return form.format(name) if name and not name.startswith("arn:") else name


def _codebuild(get: Callable[[str], Any]) -> str:
    build = get("id") or (get("ids") or [""])[0]
    return f"project/{get('projectName') or build.partition(':')[0]}"


def _ecr(get: Callable[[str], Any]) -> str | None:
    return _place("repository/{}", get("repositoryName") or (get("repositoryNames") or [None])[0])


def _function(response: BaseResponse) -> str | None:
    """Return the function in the path of a request."""
    found = re.search("/functions/([^/]+)", response.path)
    return _place("function:{}", unquote(found[1])) if found else None


def _logs(get: Callable[[str], Any]) -> str | None:
    group = get("logGroupName")
    return f"log-group:{group}:log-stream:{get('logStreamName') or ''}" if group else None


SAGEMAKER_NAMES = {  # the first that a request has is what it is about
    "PipelineName": "pipeline/{}",
    "TrainingJobName": "training-job/{}",
    "HyperParameterTuningJobName": "hyper-parameter-tuning-job/{}",
    "TransformJobName": "transform-job/{}",
    "ModelPackageGroupName": "model-package-group/{}",
    "ModelPackageName": "model-package/{}",
    "EndpointName": "endpoint/{}",
    "EndpointConfigName": "endpoint-config/{}",
    "ModelName": "model/{}",
    "PipelineExecutionArn": "{}",
    "ModelPackageArn": "{}",
    "ResourceArn": "{}",
}


def _sagemaker(get: Callable[[str], Any]) -> str | None:
    found = (_place(form, get(member)) for member, form in SAGEMAKER_NAMES.items() if get(member))
    return next(found, None)


RESOURCES: dict[str, Callable[[Callable[[str], Any]], str | None]] = {
    "cloudformation": lambda get: _place("stack/{}/*", get("StackName")),
    "codebuild": _codebuild,
    "ecr": _ecr,
    "kms": lambda get: _place("key/{}", get("KeyId")),
    "logs": _logs,
    "sagemaker": _sagemaker,
    "sns": lambda get: get("TopicArn"),
}
