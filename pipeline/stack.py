"""The account's facts, read once from the outputs of the CloudFormation stack."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from container.errors import InputError
from local_aws.partitions import partition_of, registry_host

from botocore.exceptions import ClientError

COMPLETE = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE")


@dataclass(frozen=True)
class Stack:
    """The resources of the deployed stack, read from its outputs."""

    region: str
    account: str  # 12 digits
    bucket: str
    repository_uri: str  # <account>.dkr.ecr.<region>.amazonaws.com/<name>; .cn in China
    pipeline_role_arn: str
    training_role_arn: str
    build_project: str
    model_package_group: str
    model_role_arn: str  # of endpoints and batches
    notify_topic_arn: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)  # as the stack was deployed


# Stands in for an account where none is needed: `pipeline/definition.py` uses it. The account id
# is the one of AWS's own documentation.
EXAMPLE_ACCOUNT = "111122223333"


def example_stack(stack_name: str, region: str) -> Stack:
    """Return the resources that build/infrastructure.yml has in EXAMPLE_ACCOUNT."""
    registry = registry_host(EXAMPLE_ACCOUNT, region)
    role = f"arn:{partition_of(region)}:iam::{EXAMPLE_ACCOUNT}:role/{stack_name}-{region}"
    return Stack(
        region=region,
        account=EXAMPLE_ACCOUNT,
        bucket=f"{stack_name}-{EXAMPLE_ACCOUNT}-{region}",
        repository_uri=f"{registry}/{stack_name}",
        pipeline_role_arn=f"{role}-pipeline",
        training_role_arn=f"{role}-training",
        build_project=f"{stack_name}-build",
        model_package_group=stack_name,
        model_role_arn=f"{role}-model",
    )


def read_stack(cloudformation: Any, stack_name: str) -> Stack:
    """Read the stack. Raises InputError when it is missing, unfinished, or of another template."""
    region = cloudformation.meta.region_name
    deploy = ".venv/bin/python build/deploy.py"
    try:
        stack = cloudformation.describe_stacks(StackName=stack_name)["Stacks"][0]
    except ClientError as error:
        if "does not exist" not in str(error):
            raise
        raise InputError(f"stack {stack_name}: not in region {region}", deploy) from None
    if stack["StackStatus"] not in COMPLETE:
        raise InputError(
            f"stack {stack_name}: its status is {stack['StackStatus']}, not complete",
            f"aws cloudformation describe-stack-events --stack-name {stack_name} --region {region}",
        )
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}
    try:
        return Stack(
            region=region,
            account=stack["StackId"].split(":")[4],
            bucket=outputs["BucketName"],
            repository_uri=outputs["RepositoryUri"],
            pipeline_role_arn=outputs["PipelineRoleArn"],
            training_role_arn=outputs["TrainingRoleArn"],
            build_project=outputs["BuildProjectName"],
            model_package_group=outputs["ModelPackageGroupName"],
            model_role_arn=outputs["ModelRoleArn"],
            notify_topic_arn=outputs.get("NotifyTopicArn"),
            parameters={
                each["ParameterKey"]: each["ParameterValue"] for each in stack.get("Parameters", [])
            },
        )
    except KeyError as error:
        raise InputError(f"stack {stack_name}: no output {error.args[0]}", deploy) from None
