"""The CloudFormation stack of the configuration, which local AWS deploys at its start."""

import logging
import warnings

from local_aws.clients import Clients
from local_aws.config import Stack
from local_aws.errors import UserError

from botocore.exceptions import ClientError

# Resources of a template that moto does not know. A bucket that takes TLS only would refuse every
# call here, where the endpoint is plain HTTP on loopback; no schedule is carried out here, and no
# message is sent.
LEFT_OUT = ("AWS::S3::BucketPolicy", "AWS::SNS::TopicPolicy", "AWS::Scheduler::Schedule")


def deploy(clients: Clients, stack: Stack) -> dict[str, str]:
    """Create the stack, and return its outputs.

    Raises UserError if the template cannot be read or is refused.
    """
    cloudformation = clients.client("cloudformation")
    try:
        template = stack.template.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"template {stack.template}: {error.strerror}", "name the template of the stack"
        ) from None
    try:
        declared = cloudformation.get_template_summary(TemplateBody=template).get("Parameters", [])
        # As AWS keeps them with the stack: an update to the same values changes nothing.
        defaults = {p["ParameterKey"]: p["DefaultValue"] for p in declared if "DefaultValue" in p}
        cloudformation.create_stack(
            StackName=stack.name,
            TemplateBody=template,
            Parameters=[
                {"ParameterKey": name, "ParameterValue": value}
                for name, value in {**defaults, **stack.parameters}.items()
            ],
            Tags=[{"Key": name, "Value": value} for name, value in stack.tags.items()],
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
    except ClientError as error:
        raise UserError(f"stack {stack.name}: {error}", f"correct {stack.template}") from None
    described = cloudformation.describe_stacks(StackName=stack.name)["Stacks"][0]
    return {each["OutputKey"]: each["OutputValue"] for each in described.get("Outputs", [])}


def user_policy(stack: Stack | None, outputs: dict[str, str]) -> str:
    """Return the ARN of the user's policy from an output of the stack.

    Raises UserError if there is no such output.
    """
    name = stack.user_policy_output if stack else ""
    if name not in outputs:
        raise UserError(
            f"--enforce-iam: the stack has no output {name!r} with the ARN of the user's policy",
            "name one in stack.user_policy_output of the configuration",
        )
    return outputs[name]


def expect_left_out() -> None:
    """Silence moto's warning about resource types that it ignores, for LEFT_OUT only."""
    logging.getLogger("moto").addFilter(_is_news)
    for kind in LEFT_OUT:
        warnings.filterwarnings("ignore", message=f"Tried to parse {kind}")


def _is_news(record: logging.LogRecord) -> bool:
    return not any(kind in record.getMessage() for kind in LEFT_OUT)
