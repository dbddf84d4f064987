"""Corrections of moto in places where it differs from AWS."""

import json
import sys
from collections.abc import Callable
from functools import cache, wraps
from typing import Any

from local_aws import api_models
from local_aws.environment import NO_CREDENTIALS, aws_environment
from local_aws.partitions import domain_of, partition_of, regions, registry_host

# moto asks boto3 for regions at import: with the user's profile, if there is one, even a wrong one.
with aws_environment(NO_CREDENTIALS):
    api_models.share()
    from moto.cloudformation import parsing
    from moto.cloudformation.models import CloudFormationBackend
    from moto.cloudformation.responses import CloudFormationResponse
from moto.core import utils as core_utils
from moto.core.base_backend import AccountSpecificBackend
from moto.core.loaders import create_loader
from moto.ecr.models import Repository
from moto.iam.aws_managed_policies import aws_managed_policies_data
from moto.iam.models import AWSManagedPolicy, IAMBackend, ManagedPolicy, Role
from moto.s3.responses import ACTION_MAP
from moto.utilities import utils

_create_loader = cache(create_loader)
_execute_change_set = CloudFormationBackend.execute_change_set
_clean_json = parsing.clean_json
_validate_different_update = CloudFormationResponse._validate_different_update
_resource_map = parsing.ResourceMap.__init__

OF_AWS = ":iam::aws:policy/"  # in the ARN of an AWS-managed policy
_WITH_AWS_POLICIES = {  # IAM's methods that take the ARN of one, or list them
    name: getattr(IAMBackend, name)
    for name in (
        "attach_group_policy",
        "attach_role_policy",
        "attach_user_policy",
        "get_policy",
        "get_policy_version",
        "list_policies",
        "list_policy_versions",
    )
}


def apply() -> None:
    """Replace methods of moto's classes. A second call changes nothing."""
    for target, member, replacement in (
        (core_utils, "create_loader", _create_loader),
        (parsing, "clean_json", clean_json),
        (parsing.ResourceMap, "__init__", _pseudo_parameters),
        (CloudFormationResponse, "_validate_different_update", validate_different_update),
        (CloudFormationBackend, "execute_change_set", execute_change_set),
        (ManagedPolicy, "delete", delete_policy),
        (Role, "put_policy", put_policy),
        (Repository, "uri", property(repository_uri, lambda _self, _uri: None)),
        (AccountSpecificBackend, "_generate_regions", lambda _self, _service: list(regions())),
    ):
        setattr(target, member, replacement)
    for name, method in _WITH_AWS_POLICIES.items():
        setattr(IAMBackend, name, _after_loading(method))
    _know_every_region()
    # The permission that a request for a bucket's encryption needs; moto takes it for a listing.
    ACTION_MAP["BUCKET"]["GET"]["encryption"] = "GetEncryptionConfiguration"


def _know_every_region() -> None:
    """Add the regions and partitions of botocore that moto lacks."""
    missing = set(regions().values()) - set(utils.PARTITION_NAMES)
    utils.PARTITION_NAMES.extend(sorted(missing))
    utils.REGION_PREFIX_TO_PARTITION.update(
        {
            f"{region.rsplit('-', 2)[0]}-": name
            for region, name in regions().items()
            if name != "aws"
        }
    )
    utils.ARN_PARTITION_REGEX = f"^arn:({'|'.join(sorted(utils.PARTITION_NAMES))})"
    for name, module in list(sys.modules.items()):
        if name.startswith("moto.") and hasattr(module, "ARN_PARTITION_REGEX"):
            vars(module)["ARN_PARTITION_REGEX"] = utils.ARN_PARTITION_REGEX


def _pseudo_parameters(resources: Any, *arguments: Any, **named: Any) -> None:
    """Set the partition of a stack by its region; moto always uses `aws`."""
    _resource_map(resources, *arguments, **named)
    region = resources._region_name
    resources._parsed_resources["AWS::Partition"] = partition_of(region)
    resources._parsed_resources["AWS::URLSuffix"] = domain_of(region)


def repository_uri(repository: Any) -> str:
    """Return the URI of an ECR repository, in the domain of its partition."""
    host = registry_host(repository.registry_id, repository.region_name)
    return f"{host}/{repository.name}"


def execute_change_set(backend: Any, change_set_name: str, stack_name: str | None = None) -> None:
    """Also compute the outputs, which moto does only after CreateStack and UpdateStack."""
    _execute_change_set(backend, change_set_name, stack_name)
    stack = backend.get_stack(backend.describe_change_set(change_set_name).stack_id)
    stack._parse_template()
    stack.output_map = stack._create_output_map()


def clean_json(value: Any, resources_map: Any) -> Any:
    """Remove AWS::NoValue from lists, as CloudFormation does; moto keeps it as None."""
    cleaned = _clean_json(value, resources_map)
    return [each for each in cleaned if each is not None] if isinstance(value, list) else cleaned


def validate_different_update(response: Any, *arguments: Any) -> None:
    """Accept a change set without changes: CloudFormation creates it with status FAILED."""
    if response._get_action() != "CreateChangeSet":
        _validate_different_update(response, *arguments)


def delete_policy(policy: Any, _account_id: str, _region: str) -> None:
    """Detach and delete a managed policy with its stack; moto does not delete it."""
    for role in policy.backend.roles.values():
        if policy.arn in role.managed_policies:
            policy.backend.detach_role_policy(policy.arn, role.name)
    policy.backend.delete_policy(policy.arn)


def put_policy(role: Any, name: str, document: str | dict[str, Any]) -> None:
    """Store an inline policy as text, as IAM does; moto's CloudFormation stores an object."""
    role.policies[name] = document if isinstance(document, str) else json.dumps(document)


def _after_loading(method: Callable[..., Any]) -> Callable[..., Any]:
    """Load AWS's 1,582 policies at the first call that needs them; moto does it at the start."""

    @wraps(method)
    def wrapped(backend: Any, *arguments: Any, **named: Any) -> Any:
        given = [*arguments, *named.values()]
        if method.__name__ == "list_policies" or any(OF_AWS in str(each) for each in given):
            load_aws_policies(backend)
        return method(backend, *arguments, **named)

    return wrapped


def load_aws_policies(backend: Any) -> None:
    """Add the AWS managed policies to an account, unless it has them."""
    if not backend.aws_managed_policies:
        backend.aws_managed_policies = [
            AWSManagedPolicy.from_data(name, backend.account_id, backend.region_name, data)
            for name, data in json.loads(aws_managed_policies_data).items()
        ]
        backend.managed_policies |= {each.arn: each for each in backend.aws_managed_policies}
