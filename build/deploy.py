"""Create or update the stack of build/infrastructure.yml: show what will change, ask, do it.

The stack's outputs go to stdout, everything else to stderr. After a refusal or a failure, no unused
change set and no empty stack is left.
"""

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

try:
    from container.errors import InputError
except ModuleNotFoundError as error:
    raise SystemExit(f"error: {error}\nhint: make .venv/ready, then use .venv/bin/python") from None

from pipeline import cli
from pipeline.company import stack_parameters
from pipeline.settings import load_settings
from pipeline.stack import COMPLETE, read_stack
from pipeline.terminal import make_console, say

import boto3
from botocore.exceptions import ClientError
from project_archive import KEY, pack_project
from stack_events import POLL_SECONDS, Events, Sleep, follow, report_failure

TEMPLATE = Path(__file__).parent / "infrastructure.yml"

# What a failed change set says when there is nothing to change (CloudFormation words it two ways).
NO_CHANGES = ("didn't contain changes", "No updates are to be performed")

REPLACED = {"True": ", replaced", "Conditional": ", may be replaced"}


def main(argv: Sequence[str] | None = None) -> int:
    """Deploy the stack after asking, and return the exit code (see `pipeline.cli`)."""
    arguments = cli.asking_parser(__doc__).parse_args(argv)

    def command() -> int:
        settings = load_settings(arguments.config)
        session = boto3.Session(region_name=settings.region)
        cloudformation = session.client("cloudformation")
        approve = cli.approval(arguments.yes, "Change the stack?")
        code = deploy(
            cloudformation,
            settings.stack_name,
            TEMPLATE.read_text("utf-8"),
            approve,
            parameters=stack_parameters(settings),
            tags=settings.aws_tags or [],
        )
        if code == cli.SUCCEEDED and settings.deploy_on_approval:
            bucket = read_stack(cloudformation, settings.stack_name).bucket
            s3 = session.client("s3")
            packed = pack_project(arguments.config, settings.data_file)
            s3.put_object(Bucket=bucket, Key=KEY, Body=packed)
            say(f"uploaded the programs that deploy an approved model: s3://{bucket}/{KEY}")
        return code

    return cli.run(command, arguments.config)


def deploy(
    cloudformation: Any,
    stack_name: str,
    template: str,
    approve: Callable[[], bool],
    sleep: Sleep = time.sleep,
    *,
    parameters: Mapping[str, str] | None = None,
    tags: Sequence[dict[str, str]] = (),
) -> int:
    """Deploy, and return the exit code. Raises InputError for a wrong stack or template."""
    stack = find_stack(cloudformation, stack_name)
    where = f"--stack-name {stack_name} --region {cloudformation.meta.region_name}"
    kind = change_set_type(stack_name, stack["StackStatus"] if stack else None, where)
    change_set_id, stack_id = _create_change_set(
        cloudformation, stack_name, kind, template, parameters or {}, tags
    )
    executed = False
    try:
        change_set = _wait_for_change_set(cloudformation, change_set_id, sleep)
        if _nothing_to_change(change_set):
            say(f"stack {stack_name}: nothing to change")
            say(outputs(cloudformation, stack_id), make_console(stderr=False), whole=True)
            return cli.SUCCEEDED
        if change_set["Status"] != "CREATE_COMPLETE":
            raise InputError(
                f"stack {stack_name}: {change_set.get('StatusReason', 'no change set')}",
                f"correct {TEMPLATE.name}; `cfn-lint {TEMPLATE}` may show more",
            )
        say(f"stack {stack_name}: {kind.lower()}\n{changes_table(change_set['Changes'])}")
        if not approve():
            say("nothing was changed")
            return cli.NOT_SUCCEEDED
        events = Events(cloudformation, stack_id)
        # A bucket made by a failed creation holds nothing, and would stand in the next one's way.
        cloudformation.execute_change_set(ChangeSetName=change_set_id, RetainExceptOnCreate=True)
        executed = True
    finally:
        if not executed:
            _discard(cloudformation, change_set_id, stack_id, sleep)

    status = follow(events, sleep)
    if status in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        say(outputs(cloudformation, stack_id), make_console(stderr=False), whole=True)
        return cli.SUCCEEDED
    report_failure(stack_name, events, "fix that, and run .venv/bin/python build/deploy.py again")
    if status == "ROLLBACK_COMPLETE":
        say(f"stack {stack_name}: is empty after its failed creation, so it is deleted first")
        cloudformation.delete_stack(StackName=stack_id)
        follow(events, sleep)
    return cli.NOT_SUCCEEDED


def find_stack(cloudformation: Any, stack_name: str) -> dict[str, Any] | None:
    """Return DescribeStacks' description of a stack, or None when there is no such stack."""
    try:
        stack: dict[str, Any] = cloudformation.describe_stacks(StackName=stack_name)["Stacks"][0]
    except ClientError as error:
        if "does not exist" not in str(error):
            raise
        return None
    return stack


def change_set_type(stack_name: str, status: str | None, where: str) -> str:
    """Return the type of the change set to create, CREATE or UPDATE.

    Args:
        stack_name: Name of the stack, for messages.
        status: The stack's status; None when there is no such stack.
        where: The options that `aws` commands in hints need.

    Raises:
        InputError: CloudFormation accepts no change set in this status.
    """
    if status is None or status == "REVIEW_IN_PROGRESS":  # the latter: named, but never made
        return "CREATE"
    if status in COMPLETE:
        return "UPDATE"
    events = f"aws cloudformation describe-stack-events {where}"
    if status.endswith("_IN_PROGRESS"):
        hint = f"wait for the end of the current operation: {events}"
    elif status == "UPDATE_ROLLBACK_FAILED":
        hint = f"aws cloudformation continue-update-rollback {where}"
    else:
        hint = (
            f"`{events}` shows the reason; then delete it with .venv/bin/python build/teardown.py"
        )
    raise InputError(f"stack {stack_name}: its status is {status}: it cannot be updated", hint)


def changes_table(changes: Sequence[dict[str, Any]]) -> str:
    """Return a line for each resource: the change, the logical id and the type."""
    resources = [change["ResourceChange"] for change in changes]
    width = max((len(resource["LogicalResourceId"]) for resource in resources), default=0)
    lines = [
        f"  {resource['Action']:<7} {resource['LogicalResourceId']:<{width}}  "
        f"{resource['ResourceType']}{REPLACED.get(resource.get('Replacement'), '')}"
        for resource in resources
    ]
    return "\n".join(lines) or "  no resources, only outputs, metadata or tags"


def outputs(cloudformation: Any, stack_id: str) -> str:
    """Return a line for each output: its name and its value."""
    stack = cloudformation.describe_stacks(StackName=stack_id)["Stacks"][0]
    values = {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}
    width = max(map(len, values), default=0)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in values.items())


def _create_change_set(
    cloudformation: Any,
    stack_name: str,
    kind: str,
    template: str,
    parameters: Mapping[str, str],
    tags: Sequence[dict[str, str]],
) -> tuple[str, str]:
    """Create it; return its id and the stack's. Raises InputError for a wrong template."""
    try:
        answer = cloudformation.create_change_set(
            StackName=stack_name,
            ChangeSetName=f"deploy-{uuid.uuid4().hex}",
            ChangeSetType=kind,
            TemplateBody=template,
            Parameters=[
                {"ParameterKey": name, "ParameterValue": value}
                for name, value in parameters.items()
            ],
            Tags=list(tags),  # CloudFormation puts them on every resource
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "ValidationError":
            raise
        raise InputError(
            f"{TEMPLATE.name}: {error.response['Error']['Message']}",
            f"`cfn-lint {TEMPLATE}` may show more",
        ) from None
    return answer["Id"], answer["StackId"]


def _wait_for_change_set(cloudformation: Any, change_set_id: str, sleep: Sleep) -> dict[str, Any]:
    """Wait until the change set is ready or has failed; return it with all its changes."""
    while True:
        change_set: dict[str, Any] = cloudformation.describe_change_set(ChangeSetName=change_set_id)
        if change_set["Status"] not in ("CREATE_PENDING", "CREATE_IN_PROGRESS"):
            break
        sleep(POLL_SECONDS)
    changes, page = list(change_set.get("Changes", [])), change_set
    while "NextToken" in page:
        page = cloudformation.describe_change_set(
            ChangeSetName=change_set_id, NextToken=page["NextToken"]
        )
        changes += page["Changes"]
    return change_set | {"Changes": changes}


def _nothing_to_change(change_set: dict[str, Any]) -> bool:
    reason = change_set.get("StatusReason", "")
    return change_set["Status"] == "FAILED" and any(words in reason for words in NO_CHANGES)


def _discard(cloudformation: Any, change_set_id: str, stack_id: str, sleep: Sleep) -> None:
    """Delete a change set that is not executed, and the stack if it was created only for it."""
    _wait_for_change_set(
        cloudformation, change_set_id, sleep
    )  # one that is being made cannot be deleted
    cloudformation.delete_change_set(ChangeSetName=change_set_id)
    stack = find_stack(cloudformation, stack_id)
    if stack and stack["StackStatus"] == "REVIEW_IN_PROGRESS":
        cloudformation.delete_stack(StackName=stack_id)


if __name__ == "__main__":
    raise SystemExit(main())
