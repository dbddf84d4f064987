"""Enforcement of IAM: a call is refused unless a policy of the caller allows it.

moto has users, roles, keys, signatures and policies. This module adds the further permissions that
a request needs (iam:PassRole, sagemaker:AddTags, a key of KMS), and a record of all permissions.
Source of actions: the Service Authorization Reference.
"""

import json
import re
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from unittest import mock

from local_aws.clock import now
from local_aws.iam import key_policies
from local_aws.iam.conditions import Context, as_list, met, request_keys
from local_aws.iam.resources import resource_of

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
    """One permission that a request needed."""

    time: datetime
    principal: str  # ARN of the user or of the assumed role
    action: str  # `<service>:<Action>`, as policies name it
    resource: str  # ARN, or `*` where there is none to name
    allowed: bool


class Authorization:
    """The permissions that were requested since the start of local AWS; see `enforced`."""

    def __init__(self) -> None:
        self.calls: deque[Call] = deque(maxlen=KEPT)

    @contextmanager
    def enforced(self) -> Iterator[None]:
        """Make moto refuse calls that no policy of the caller allows, during the context."""

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
            mock.patch.object(BaseResponse, "_determine_resource", resource_of, create=True),
            mock.patch.object(IAMRequestBase, "check_action_permitted", check),
        ):
            yield

    def refusal(
        self, principal: Principal, action: str, resource: str, context: Context | None = None
    ) -> str | None:
        """Return AWS's message if the policies of `principal` do not allow the call, else None.

        The decision is recorded for CloudTrail.
        """
        kind = "identity-based"
        decided = decision(principal, action, resource, context or {})
        if resource.split(":")[2:3] == ["kms"] and not key_policies.leaves_it_to_iam(resource):
            kind = "resource-based"
            decided = (
                ALLOWED if key_policies.names(resource, principal.arn, action) else "implicitDeny"
            )
        allowed = decided == ALLOWED
        self.calls.append(Call(now(), principal.arn, action, resource, allowed))
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
    """Return the decision of the principal's policies in the words of IAM's policy simulator."""
    allowed = False
    policies = [IAMPolicy(each)._policy_json for each in principal.collect_policies()]
    for document in (each for policy in policies for each in as_list(policy["Statement"])):
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


def _for_user(statement: Any, arn: str) -> Any:
    """Replace the policy variable for the user's name, because moto supports no variables."""
    kind, _, name = arn.rpartition(":")[2].partition("/")
    if kind != "user":
        return statement
    return json.loads(json.dumps(statement).replace("${aws:username}", name.rpartition("/")[2]))


def caller(response: BaseResponse) -> Principal:
    """Return the caller of a request. Raises an error for an unknown key."""
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
    """Return the further permissions that the caller needs."""
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
    """Return the permission that a caller needs to get 404 instead of 403 for a missing object.

    It is s3:ListBucket, for any prefix ("Permissions" of HeadObject, S3 API reference).
    """
    bucket_arn, _, name = object_arn.partition("/")
    partition = bucket_arn.split(":")[1]
    bucket = s3_backends[account][partition].buckets.get(bucket_arn.rpartition(":::")[2])
    if action != "s3:GetObject" or bucket is None or name in bucket.keys:
        return []
    return [("s3:ListBucket", bucket_arn, {})]
