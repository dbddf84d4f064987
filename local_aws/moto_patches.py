"""Corrections of moto where it differs from AWS."""

import json
from typing import Any

from local_aws.environment import NO_CREDENTIALS, aws_environment

# moto asks boto3 for regions at import: with the user's profile, if there is one, even a wrong one.
with aws_environment(NO_CREDENTIALS):
    from moto.cloudformation.models import CloudFormationBackend
from moto.iam.models import ManagedPolicy, Role
from moto.s3.responses import ACTION_MAP

_execute_change_set = CloudFormationBackend.execute_change_set


def apply() -> None:
    """Change moto's classes; doing so again changes nothing."""
    backend: Any = CloudFormationBackend
    policy: Any = ManagedPolicy
    role: Any = Role
    backend.execute_change_set = execute_change_set
    policy.delete = delete_policy
    role.put_policy = put_policy
    # The permission that a request for a bucket's encryption needs; moto takes it for a listing.
    ACTION_MAP["BUCKET"]["GET"]["encryption"] = "GetEncryptionConfiguration"


def execute_change_set(backend: Any, change_set_name: str, stack_name: str | None = None) -> None:
    """moto works out a stack's outputs after CreateStack and UpdateStack only."""
    _execute_change_set(backend, change_set_name, stack_name)
    stack = backend.get_stack(backend.describe_change_set(change_set_name).stack_id)
    stack._parse_template()
    stack.output_map = stack._create_output_map()


def delete_policy(policy: Any, _account_id: str, _region: str) -> None:
    """moto leaves managed policies behind when their stack is deleted."""
    policy.backend.delete_policy(policy.arn)


def put_policy(role: Any, name: str, document: str | dict[str, Any]) -> None:
    """moto's CloudFormation gives a role its inline policies as objects; IAM keeps text."""
    role.policies[name] = document if isinstance(document, str) else json.dumps(document)
