"""Checks of the roles and of their permissions, with IAM's policy simulator."""

import contextlib
import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any

from container.errors import InputError
from pipeline.checks.check import Refused
from pipeline.checks.permissions import (
    SAGEMAKER,
    Permission,
    Resources,
    of_operator,
    of_pipeline,
    of_training,
)
from pipeline.checks.run_context import NotChecked, RunContext, Services, known

Document = dict[str, Any]

_USER = re.compile(r"arn:[^:]+:iam::\d{12}:user/.+")
_ASSUMED_ROLE = re.compile(
    r"arn:(?P<partition>[^:]+):sts::(?P<account>\d{12}):assumed-role/(?P<role>[^/]+)/.+"
)
_SSO = "AWSReservedSSO_"
_ROOT = re.compile(r"arn:[^:]+:iam::\d{12}:root")
DEPLOY = ".venv/bin/python build/deploy.py restores the roles of build/infrastructure.yml"


def roles(services: Services, run: RunContext) -> str:
    """Check that both roles exist and that SageMaker may act as them."""
    stack = known(run.stack, "stack")
    on = Resources(run.settings, stack)
    sources = {
        stack.pipeline_role_arn: on.execution,
        stack.training_role_arn: on.training_job,
    }
    for arn, source in sources.items():
        name = arn.rpartition("/")[2]
        try:
            role = services.iam.get_role(RoleName=name)["Role"]
        except services.iam.exceptions.NoSuchEntityException:
            raise InputError(f"{arn} does not exist, although the stack names it", DEPLOY) from None
        if not trusts_sagemaker(role["AssumeRolePolicyDocument"], stack.account, source):
            raise InputError(
                f"{arn} does not trust {SAGEMAKER} for account {stack.account} and {source}", DEPLOY
            )
    return "both exist and trust SageMaker"


def operator_permissions(services: Services, run: RunContext) -> str:
    """Check the permissions of the caller, if a user or a role: IAM simulates no others."""
    stack, who = known(run.stack, "stack"), known(run.identity, "identity")
    if _USER.fullmatch(who):
        arns = [who]
    elif assumed := _ASSUMED_ROLE.fullmatch(who):
        arns = role_arns(assumed["role"], assumed["account"], assumed["partition"], stack.region)
    elif _ROOT.fullmatch(who):
        raise NotChecked("the root user has no policies")
    else:
        raise NotChecked(f"{who} is neither a user nor a role of IAM")
    hint = f"ask for the policy OperatorPolicyArn of stack {run.settings.stack_name}"
    for arn in arns:
        with contextlib.suppress(services.iam.exceptions.NoSuchEntityException):
            return _check(services.iam, arn, of_operator(run.settings, stack), hint)
    # The role has another path: only IAM knows it.
    arn = services.iam.get_role(RoleName=arns[-1].rpartition("/")[2])["Role"]["Arn"]
    return _check(services.iam, arn, of_operator(run.settings, stack), hint)


def role_arns(name: str, account: str, partition: str, region: str) -> list[str]:
    """Return the possible ARNs of the role of a session.

    The ARN of a session does not contain the path of its role. Few roles have a path. Roles of IAM
    Identity Center have one of two paths, the second when its home region is not us-east-1.
    Source: "Referencing permission sets in resource policies", IAM Identity Center user guide.
    """
    role = f"arn:{partition}:iam::{account}:role"
    if name.startswith(_SSO):
        path = "aws-reserved/sso.amazonaws.com"
        return [f"{role}/{path}/{name}", f"{role}/{path}/{region}/{name}"]
    return [f"{role}/{name}"]


def pipeline_permissions(services: Services, run: RunContext) -> str:
    """Check that the pipeline's role may do what the pipeline does."""
    stack = known(run.stack, "stack")
    needed = of_pipeline(run.settings, stack)
    return _check(services.iam, stack.pipeline_role_arn, needed, DEPLOY)


def training_permissions(services: Services, run: RunContext) -> str:
    """Check that the role of training jobs may do what the jobs do."""
    stack = known(run.stack, "stack")
    needed = of_training(run.settings, stack)
    return _check(services.iam, stack.training_role_arn, needed, DEPLOY)


def trusts_sagemaker(trust: Document, account: str, source_arn: str) -> bool:
    """Return whether a role's trust policy lets SageMaker take it for this account and resource."""
    return any(
        statement["Effect"] == "Allow"
        and "sts:AssumeRole" in _listed(statement["Action"])
        and SAGEMAKER in _listed(statement.get("Principal", {}).get("Service", []))
        and _is_source(statement, "aws:SourceAccount", account)
        and _is_source(statement, "aws:SourceArn", source_arn)
        for statement in trust["Statement"]
    )


def _is_source(statement: Document, key: str, value: str) -> bool:
    """Return whether every operator that names the condition key has a pattern of the value."""
    conditions = statement.get("Condition", {}).values()
    return all(
        any(fnmatchcase(value, pattern) for pattern in _listed(keys[key]))
        for keys in conditions
        if key in keys
    )


def _check(iam: Any, arn: str, needed: Iterable[Permission], hint: str) -> str:
    refused, count = [], 0
    for permission in needed:
        count += len(permission.actions)
        refused += missing(iam, arn, permission)
    if refused:
        raise Refused(f"{arn} may not: {'; '.join(refused)}", hint)
    return f"{count} actions are allowed"


def missing(iam: Any, arn: str, permission: Permission) -> list[str]:
    """Return the actions of a permission that a user or role lacks.

    One resource at a time: the simulator pairs each action with each resource.
    """
    pages = iam.get_paginator("simulate_principal_policy").paginate(
        PolicySourceArn=arn,
        ActionNames=list(permission.actions),
        ResourceArns=[permission.resource],
        ContextEntries=[
            {
                "ContextKeyName": key,
                "ContextKeyValues": [value],
                "ContextKeyType": "boolean" if value in ("true", "false") else "string",
            }
            for key, value in permission.run.items()
        ],
    )
    return [
        f"{result['EvalActionName']} on {permission.resource}"
        for page in pages
        for result in page["EvaluationResults"]
        if result["EvalDecision"] != "allowed"
    ]


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
