"""IAM, enforced: each call is allowed by a policy of who makes it, or refused.

moto knows users, roles, keys, signatures and policies; added here is which resource a request is
about, its condition keys, what else it needs to be allowed (iam:PassRole, sagemaker:AddTags, a key
of KMS), and the record of it all.
Source of actions and resources: the Service Authorization Reference.
"""

import json
import re
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from unittest import mock
from urllib.parse import unquote

from local_aws.iam import key_policies
from local_aws.iam.conditions import Context, met, request_keys

from moto.core.authorization import enable_iam_authentication
from moto.core.exceptions import AccessDeniedError, JsonRESTError
from moto.core.responses import BaseResponse
from moto.iam.access_control import (
    IAMPolicy,
    IAMPolicyStatement,
    IAMRequestBase,
    PermissionResult,
    S3IAMRequest,
    create_access_key,
)
from moto.s3.exceptions import S3ClientError
from moto.s3.models import s3_backends

KEPT = 100_000  # calls; the oldest are forgotten
QUERY_SERVICES = ("cloudformation", "ec2", "iam", "sts")  # they answer in XML

ALLOWED = "allowed"
OTHER_NAMES = {  # of actions, where they are not the operation's
    "lambda:Invoke": "lambda:InvokeFunction",
    "s3:HeadBucket": "s3:ListBucket",
}

Principal = Any  # moto's access key of a user or of an assumed role
Permission = tuple[str, str, Context]  # action, resource, condition keys


@dataclass(frozen=True)
class Call:
    """One permission that a request asked for."""

    time: datetime
    principal: str  # ARN of the user or of the assumed role
    action: str  # `<service>:<Action>`, as policies name it
    resource: str  # ARN, or `*` where there is none to name
    allowed: bool


class Authorization:
    """What was asked for since this local AWS was started; see `enforced`."""

    def __init__(self) -> None:
        self.calls: deque[Call] = deque(maxlen=KEPT)

    @contextmanager
    def enforced(self) -> Iterator[None]:
        """Make moto refuse what no policy of the caller allows, while the context lasts."""

        def check(request: IAMRequestBase, resource: str) -> None:
            if request._action == "sts:GetCallerIdentity":  # needs no permission
                return
            principal = request._access_key
            asked = OTHER_NAMES.get(request._action, request._action)
            itself: Permission = (asked, resource, request_keys(request))
            for permission in [itself, *_dependent(itself, request)]:
                text = self.refusal(principal, *permission)
                if text is not None:
                    raise _denial(request, principal.arn, permission, text)

        with (
            enable_iam_authentication(),
            mock.patch.object(BaseResponse, "_determine_resource", _resource, create=True),
            mock.patch.object(IAMRequestBase, "check_action_permitted", check),
        ):
            yield

    def refusal(
        self,
        principal: Principal,
        action: str,
        resource: str,
        context: Context | None = None,
    ) -> str | None:
        """Return why the policies of `principal` do not allow it, as AWS words it, or None.

        The question is recorded for CloudTrail.
        """
        kind = "identity-based"
        decided = decision(principal, action, resource, context or {})
        if resource.split(":")[2:3] == ["kms"] and not key_policies.leaves_it_to_iam(resource):
            kind = "resource-based"
            decided = (
                ALLOWED if key_policies.names(resource, principal.arn, action) else "implicitDeny"
            )
        allowed = decided == ALLOWED
        self.calls.append(Call(datetime.now(UTC), principal.arn, action, resource, allowed))
        if allowed:
            return None
        why = (
            "with an explicit deny in an identity-based policy"
            if decided == "explicitDeny"
            else f"because no {kind} policy allows the {action} action"
        )
        return (
            f"User: {principal.arn} is not authorized to perform: {action} on resource: {resource} "
            f"{why}"
        )


def decision(principal: Principal, action: str, resource: str, context: Context) -> str:
    """Return what the principal's own policies come to, as IAM's policy simulator words it."""
    allowed = False
    for document in (each for policy in principal.collect_policies() for each in _read(policy)):
        content = dict(_for_user(document, principal.arn))
        # moto's own evaluation takes a key that the request lacks for one that is met.
        condition = content.pop("Condition", {})
        result = IAMPolicyStatement(content).is_action_permitted(action, resource)
        if result == PermissionResult.NEUTRAL or not met(condition, context):
            continue
        if result == PermissionResult.DENIED:
            return "explicitDeny"
        allowed = allowed or result == PermissionResult.PERMITTED
    return ALLOWED if allowed else "implicitDeny"


def _read(policy: Any) -> list[Any]:
    statements = IAMPolicy(policy)._policy_json["Statement"]
    return statements if isinstance(statements, list) else [statements]


def _for_user(statement: Any, arn: str) -> Any:
    """Replace the policy variable for the user's name, the only one used: moto knows none."""
    kind, _, name = arn.rpartition(":")[2].partition("/")
    if kind != "user":
        return statement
    return json.loads(json.dumps(statement).replace("${aws:username}", name.rpartition("/")[2]))


def caller(response: BaseResponse) -> Principal:
    """Return who sent the request that `response` answers. Raises when the key is nobody's."""
    key = response.headers["Authorization"].partition("Credential=")[2].partition("/")[0]
    account, partition = response.current_account, response.partition
    return create_access_key(account, partition, key, response.headers)


def _denial(
    request: IAMRequestBase, principal_arn: str, permission: Permission, text: str
) -> Exception:
    error: Exception
    if isinstance(request, S3IAMRequest):
        error = S3ClientError("AccessDenied", text)
    elif request._service in QUERY_SERVICES:
        action, resource, _ = permission
        error = AccessDeniedError(principal_arn, f"{action} on resource: {resource}")
    else:
        error = JsonRESTError("AccessDeniedException", text)
    return error


def _dependent(permission: Permission, asked: IAMRequestBase) -> list[Permission]:
    """Return what the caller needs besides."""
    action, resource, _ = permission
    service, _, operation = action.partition(":")
    if service == "s3":
        key = key_policies.key_permission(asked.account_id, asked._region, action, resource)
        return [*_finding(action, resource, asked.account_id), *([key] if key else [])]
    if service != "sagemaker" or not operation.startswith(("Create", "Update")):
        return []
    request = json.loads(asked._body)
    needed: list[Permission] = []
    role = (
        request.get("RoleArn")
        or request.get("ExecutionRoleArn")
        or request.get("TrainingJobDefinition", {}).get("RoleArn")
    )
    if role:
        passed_to = {"iam:PassedToService": "sagemaker.amazonaws.com"}
        needed.append(("iam:PassRole", role, passed_to))
    if operation in ("CreateEndpoint", "UpdateEndpoint"):
        config = f":endpoint-config/{request['EndpointConfigName']}"
        needed.append((action, re.sub(r":endpoint/.*", config, resource), {}))
    if operation == "CreateModelPackage":
        packages = resource.replace(":model-package-group/", ":model-package/")
        needed.append((action, f"{packages}/*", {}))
    if request.get("Tags"):
        needed.append(("sagemaker:AddTags", resource, {}))
    return needed


def _finding(action: str, object_arn: str, account: str) -> list[Permission]:
    """Return the permission without which a missing object looks like a forbidden one.

    It is to list the bucket, whatever the prefix ("Permissions" of HeadObject, S3 API reference).
    """
    bucket_arn, _, name = object_arn.partition("/")
    partition = bucket_arn.split(":")[1]
    bucket = s3_backends[account][partition].buckets.get(bucket_arn.rpartition(":::")[2])
    if action != "s3:GetObject" or bucket is None or name in bucket.keys:
        return []
    return [("s3:ListBucket", bucket_arn, {})]


def _resource(response: BaseResponse) -> str:
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
