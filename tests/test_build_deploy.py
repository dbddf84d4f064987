import io
import sys
import zipfile
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from container.errors import InputError
from local_aws.stack import LEFT_OUT
from pipeline.data import Dataset, prepare
from pipeline.local import ProjectAws
from pipeline.settings import load_settings

import deploy
import pytest
from botocore.exceptions import ClientError
from company import BOUNDARY, EVERYTHING, KEY
from conftest import ROOT, WriteConfig

TEMPLATE = (ROOT / "build" / "infrastructure.yml").read_text(encoding="utf-8")
NAME = "deployed"
NUMBERS = count(1)
STACK_ID = "arn:aws:cloudformation:us-east-1:123456789012:stack/deployed/1"

ADDED = {
    "ResourceChange": {
        "Action": "Add",
        "LogicalResourceId": "Repository",
        "ResourceType": "AWS::ECR::Repository",
    }
}
# The events of an operation: logical id, status, reason.
FAILING = [
    ("Repository", "CREATE_IN_PROGRESS", ""),
    ("Repository", "CREATE_FAILED", "deployed already exists"),
    ("BuildLogs", "CREATE_FAILED", "Resource creation cancelled"),
    (NAME, "ROLLBACK_IN_PROGRESS", "The following resource(s) failed: [Repository]"),
    ("Repository", "DELETE_COMPLETE", ""),
    (NAME, "ROLLBACK_COMPLETE", ""),
]
UPDATING = [("Repository", "UPDATE_IN_PROGRESS", ""), (NAME, "UPDATE_COMPLETE", "")]

Script = list[tuple[str, str, str]]

pytestmark = [
    pytest.mark.filterwarnings(f"ignore:Tried to parse {kind.replace(':', '.')}")
    for kind in LEFT_OUT
]


@pytest.fixture
def name() -> str:
    """Of a stack that is not there: another one for each test, in the one local AWS."""
    return f"deployed-{next(NUMBERS)}"


@pytest.fixture
def cloudformation(local_aws: ProjectAws) -> Any:
    return local_aws.clients.client("cloudformation")


def stacks(client: Any) -> dict[str, str]:
    return {
        stack["StackName"]: stack["StackStatus"] for stack in client.describe_stacks()["Stacks"]
    }


def waiting_change_sets(client: Any, stack_name: str) -> list[str]:
    """moto answers with those of all stacks, and keeps those that were executed."""
    return [
        each["ChangeSetName"]
        for each in client.list_change_sets(StackName=stack_name)["Summaries"]
        if each["StackName"] == stack_name and each["ExecutionStatus"] != "EXECUTE_COMPLETE"
    ]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_new_stack_is_shown_made_and_its_outputs_printed(
    cloudformation: Any, name: str, write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--config", str(write_config(stack_name=name)), "--yes"]
    assert deploy.main(arguments) == 0
    out, err = capsys.readouterr()
    assert err.startswith(f"stack {name}: create\n")
    assert "  Add     Repository         AWS::ECR::Repository\n" in err
    assert f" CREATE_COMPLETE    {name}\n" in err
    assert stacks(cloudformation)[name] == "CREATE_COMPLETE"
    outputs = dict(line.split() for line in out.splitlines())
    assert outputs["BucketName"] == f"{name}-123456789012-us-east-1"
    assert outputs["OperatorPolicyArn"].endswith(f":policy/{name}-us-east-1-operator")

    assert deploy.main(arguments) == 0
    assert capsys.readouterr() == (out, f"stack {name}: nothing to change\n")
    assert waiting_change_sets(cloudformation, name) == []


def test_with_every_setting_of_a_company_the_stack_has_it(
    local_aws: ProjectAws,
    name: str,
    write_config: WriteConfig,
    tmp_path: Path,
    dataset: Dataset,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = write_config(stack_name=name, **EVERYTHING)
    assert deploy.main(["--config", str(path), "--yes"]) == 0
    out, err = capsys.readouterr()
    outputs = dict(line.split() for line in out.splitlines())
    assert outputs["NotifyTopicArn"].endswith(f":{name}-notify")
    client = local_aws.clients.client
    subscriptions = client("sns").list_subscriptions_by_topic(TopicArn=outputs["NotifyTopicArn"])
    assert [each["Endpoint"] for each in subscriptions["Subscriptions"]] == ["ml@example.com"]
    role = client("iam").get_role(RoleName=outputs["TrainingRoleArn"].rpartition("/")[2])["Role"]
    assert role["PermissionsBoundary"]["PermissionsBoundaryArn"] == BOUNDARY
    stack = client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
    assert {"Key": "cost-center", "Value": "4711"} in stack["Tags"]
    bucket = outputs["BucketName"]
    encryption = client("s3").get_bucket_encryption(Bucket=bucket)
    (rule,) = encryption["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"] == KEY
    rules = {each["Name"] for each in client("events").list_rules()["Rules"]}
    assert {f"{name}-{event}" for event in ("approved", "failed", "gate", "waiting")} <= rules

    key = "build/deploy.zip"
    assert f"s3://{bucket}/{key}" in err
    content = client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        packed = set(archive.namelist())
        archive.extractall(tmp_path / "unpacked")
    unpacked = load_settings(tmp_path / "unpacked" / "pipeline.yaml")
    assert unpacked == load_settings(path).model_copy(update={"data_file": unpacked.data_file})
    assert prepare(unpacked) == dataset, "a deployment there has no other data"
    assert {"requirements.lock", "pipeline/settings.py"} <= packed
    assert not any("__pycache__" in each or each.startswith("tests/") for each in packed)

    assert deploy.main(["--config", str(write_config(stack_name=name)), "--yes"]) == 0
    assert "NotifyTopicArn" not in capsys.readouterr().out


def test_without_a_terminal_and_without_yes_nothing_is_made_or_left(
    cloudformation: Any,
    name: str,
    write_config: WriteConfig,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert deploy.main(["--config", str(write_config(stack_name=name))]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "Add     Bucket" in err  # what it would have done is said all the same
    assert err.endswith(
        "error: not confirmed: there is no terminal for the question\nhint: confirm with --yes\n"
    )
    assert name not in stacks(cloudformation)
    assert waiting_change_sets(cloudformation, name) == []


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 1), ("\n", 1), ("", 1)])
def test_only_a_yes_at_the_terminal_is_a_yes(
    cloudformation: Any,
    name: str,
    write_config: WriteConfig,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    code: int,
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    assert deploy.main(["--config", str(write_config(stack_name=name))]) == code
    out, err = capsys.readouterr()
    assert "Change the stack? [y/N] " in err
    assert bool(out) == (code == 0)
    assert (name in stacks(cloudformation)) == (code == 0)


def test_a_refused_update_leaves_the_stack_as_it_was(
    cloudformation: Any, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert deploy.deploy(cloudformation, name, TEMPLATE, lambda: True) == 0
    capsys.readouterr()
    other = TEMPLATE.replace("RetentionInDays: 30 #", "RetentionInDays: 7 #")
    assert deploy.deploy(cloudformation, name, other, lambda: False) == 1
    assert capsys.readouterr() == (
        "",
        f"stack {name}: update\n  Modify  BuildLogs  AWS::Logs::LogGroup\nnothing was changed\n",
    )
    assert waiting_change_sets(cloudformation, name) == []
    assert stacks(cloudformation)[name] == "CREATE_COMPLETE"


class FakeCloudFormation:
    """One stack whose next operation goes as told: moto's never fail, and end at once."""

    def __init__(
        self, status: str | None, script: Script | None = None, *change_sets: dict[str, Any]
    ) -> None:
        self.status = status
        self.script = list(script or [])  # one event a look
        self.change_sets = list(change_sets) or [{"Status": "CREATE_COMPLETE", "Changes": [ADDED]}]
        self.events = [self._event("Repository", "UPDATE_FAILED", "of before")]
        self.calls: list[str] = []
        self.meta = SimpleNamespace(region_name="us-east-1")

    def _event(self, logical_id: str, status: str, reason: str) -> dict[str, str]:
        return {
            "EventId": f"{len(self.script)} {status}",
            "StackId": STACK_ID,
            "LogicalResourceId": logical_id,
            "PhysicalResourceId": STACK_ID if logical_id == NAME else logical_id.lower(),
            "ResourceType": "AWS::Some::Type",
            "ResourceStatus": status,
            **({"ResourceStatusReason": reason} if reason else {}),
        }

    def describe_stacks(self, **_: Any) -> dict[str, Any]:
        if self.status is None:
            error = {"Code": "ValidationError", "Message": "Stack with id x does not exist"}
            raise ClientError({"Error": error}, "DescribeStacks")
        return {"Stacks": [{"StackStatus": self.status}]}

    def create_change_set(self, **request: Any) -> dict[str, str]:
        self.calls.append(f"create_change_set {request['ChangeSetType']}")
        if "nonsense" in request["TemplateBody"]:
            error = {"Code": "ValidationError", "Message": "Template format error: nonsense"}
            raise ClientError({"Error": error}, "CreateChangeSet")
        self.status = self.status or "REVIEW_IN_PROGRESS"
        return {"Id": "change-set", "StackId": STACK_ID}

    def describe_change_set(self, **_: Any) -> dict[str, Any]:
        return self.change_sets.pop(0) if len(self.change_sets) > 1 else self.change_sets[0]

    def execute_change_set(self, *, ChangeSetName: str, RetainExceptOnCreate: bool) -> None:
        assert (ChangeSetName, RetainExceptOnCreate) == ("change-set", True)
        self.calls.append("execute_change_set")
        self.status = self.script[-1][1]

    def delete_change_set(self, **_: Any) -> None:
        self.calls.append("delete_change_set")

    def delete_stack(self, **_: Any) -> None:
        self.calls.append("delete_stack")
        self.status = None
        self.script.append((NAME, "DELETE_COMPLETE", ""))

    def get_paginator(self, _: str) -> "FakeCloudFormation":
        return self

    def paginate(self, **_: Any) -> list[dict[str, Any]]:
        if "execute_change_set" in self.calls and self.script:
            self.events.append(self._event(*self.script.pop(0)))
        return [{"StackEvents": [event]} for event in reversed(self.events)]


def no_sleep(_: float) -> None:
    pass


def test_a_failed_creation_names_the_resource_and_the_reason_and_leaves_no_stack(
    capsys: pytest.CaptureFixture[str],
) -> None:
    fake = FakeCloudFormation(None, FAILING)
    assert deploy.deploy(fake, NAME, TEMPLATE, lambda: True, no_sleep) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert (
        "error: stack deployed: Repository (AWS::Some::Type): deployed already exists\n"
        "hint: fix that, and run .venv/bin/python build/deploy.py again\n"
    ) in err
    assert err.count("error: ") == 1  # neither what was cancelled, nor what failed another time
    assert fake.calls == ["create_change_set CREATE", "execute_change_set", "delete_stack"]


def test_a_failed_update_that_was_rolled_back_keeps_the_stack(
    capsys: pytest.CaptureFixture[str],
) -> None:
    script = [
        ("Repository", "UPDATE_FAILED", "no permission"),
        ("BuildLogs", "UPDATE_FAILED", "no such key"),
        (NAME, "UPDATE_ROLLBACK_IN_PROGRESS", "The following resource(s) failed"),
        (NAME, "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", ""),
        (NAME, "UPDATE_ROLLBACK_COMPLETE", ""),
    ]
    fake = FakeCloudFormation("UPDATE_COMPLETE", script)
    assert deploy.deploy(fake, NAME, TEMPLATE, lambda: True, no_sleep) == 1
    err = capsys.readouterr().err
    assert "error: stack deployed: Repository (AWS::Some::Type): no permission\n" in err
    assert "error: stack deployed: BuildLogs (AWS::Some::Type): no such key\n" in err
    assert fake.calls == ["create_change_set UPDATE", "execute_change_set"]


def test_without_a_failed_resource_the_stacks_own_reason_is_given(
    capsys: pytest.CaptureFixture[str],
) -> None:
    script = [
        (NAME, "UPDATE_ROLLBACK_IN_PROGRESS", "User Initiated"),
        (NAME, "UPDATE_ROLLBACK_COMPLETE", ""),
    ]
    fake = FakeCloudFormation("CREATE_COMPLETE", script)
    assert deploy.deploy(fake, NAME, TEMPLATE, lambda: True, no_sleep) == 1
    assert "error: stack deployed: User Initiated\n" in capsys.readouterr().err


def test_the_end_is_the_stacks_event_and_not_its_status_of_before(
    capsys: pytest.CaptureFixture[str],
) -> None:
    fake = FakeCloudFormation("UPDATE_COMPLETE", UPDATING)
    assert deploy.deploy(fake, NAME, TEMPLATE, lambda: True, no_sleep) == 0
    err = capsys.readouterr().err
    assert err.splitlines()[-2:] == [
        "00:00:00 UPDATE_IN_PROGRESS Repository",
        "00:00:00 UPDATE_COMPLETE    deployed",
    ]


def test_a_change_set_is_waited_for_and_read_to_its_last_page(
    capsys: pytest.CaptureFixture[str],
) -> None:
    removed = {
        "ResourceChange": ADDED["ResourceChange"]
        | {"Action": "Modify", "LogicalResourceId": "Bucket", "Replacement": "True"}
    }
    maybe = {"ResourceChange": removed["ResourceChange"] | {"Replacement": "Conditional"}}
    fake = FakeCloudFormation(
        "CREATE_COMPLETE",
        UPDATING,
        {"Status": "CREATE_PENDING"},
        {"Status": "CREATE_IN_PROGRESS"},
        {"Status": "CREATE_COMPLETE", "Changes": [ADDED], "NextToken": "2"},
        {"Status": "CREATE_COMPLETE", "Changes": [removed, maybe]},
    )
    sleeps: list[float] = []
    assert deploy.deploy(fake, NAME, TEMPLATE, lambda: True, sleeps.append) == 0
    assert len(sleeps) >= 2
    assert (
        "  Add     Repository  AWS::ECR::Repository\n"
        "  Modify  Bucket      AWS::ECR::Repository, replaced\n"
        "  Modify  Bucket      AWS::ECR::Repository, may be replaced\n"
    ) in capsys.readouterr().err


@pytest.mark.parametrize(
    "reason",
    [
        "The submitted information didn't contain changes. Submit different information.",
        "No updates are to be performed.",
    ],
)
def test_no_changes_is_a_success_and_leaves_no_change_set(
    capsys: pytest.CaptureFixture[str], reason: str
) -> None:
    failed = {"Status": "FAILED", "StatusReason": reason}
    fake = FakeCloudFormation("CREATE_COMPLETE", None, failed)
    assert deploy.deploy(fake, NAME, TEMPLATE, lambda: True, no_sleep) == 0
    assert capsys.readouterr().err == "stack deployed: nothing to change\n"
    assert fake.calls == ["create_change_set UPDATE", "delete_change_set"]


def test_a_change_set_that_cannot_be_made_says_why_and_is_removed_with_its_stack() -> None:
    failed = {"Status": "FAILED", "StatusReason": "Circular dependency"}
    fake = FakeCloudFormation(None, None, failed)
    with pytest.raises(InputError, match="stack deployed: Circular dependency\nhint: correct"):
        deploy.deploy(fake, NAME, TEMPLATE, lambda: True, no_sleep)
    assert fake.calls == ["create_change_set CREATE", "delete_change_set", "delete_stack"]


def test_a_template_that_cloudformation_cannot_read_is_an_error_of_the_template() -> None:
    fake = FakeCloudFormation(None)
    with pytest.raises(InputError, match=r"^infrastructure.yml: Template format error: nonsense"):
        deploy.deploy(fake, NAME, "nonsense", lambda: True, no_sleep)
    assert fake.calls == ["create_change_set CREATE"]


def test_an_interruption_before_the_execution_leaves_nothing() -> None:
    def interrupt() -> bool:
        raise KeyboardInterrupt

    fake = FakeCloudFormation(None)
    with pytest.raises(KeyboardInterrupt):
        deploy.deploy(fake, NAME, TEMPLATE, interrupt, no_sleep)
    assert fake.calls == ["create_change_set CREATE", "delete_change_set", "delete_stack"]


def test_an_interruption_while_waiting_says_that_the_operation_goes_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    fake = FakeCloudFormation("CREATE_COMPLETE", UPDATING)
    with pytest.raises(KeyboardInterrupt):
        deploy.deploy(fake, NAME, TEMPLATE, lambda: True, interrupt)
    assert capsys.readouterr().err.endswith(
        "CloudFormation continues the operation without this command\n"
    )
    assert "delete_stack" not in fake.calls


@pytest.mark.parametrize(
    ("status", "hint"),
    [
        ("ROLLBACK_COMPLETE", "then delete it with .venv/bin/python build/teardown.py"),
        ("DELETE_FAILED", "then delete it with .venv/bin/python build/teardown.py"),
        ("UPDATE_IN_PROGRESS", "describe-stack-events --stack-name deployed --region us-east-1"),
        ("UPDATE_ROLLBACK_FAILED", "continue-update-rollback --stack-name deployed --region us-"),
    ],
)
def test_a_stack_that_cannot_be_updated_is_not_touched(status: str, hint: str) -> None:
    fake = FakeCloudFormation(status)
    with pytest.raises(InputError, match=f"its status is {status}") as raised:
        deploy.deploy(fake, NAME, TEMPLATE, lambda: True, no_sleep)
    assert hint in raised.value.hint
    assert fake.calls == []


def test_a_stack_that_was_named_but_never_made_is_made() -> None:
    script = [(NAME, "CREATE_IN_PROGRESS", ""), (NAME, "CREATE_COMPLETE", "")]
    fake = FakeCloudFormation("REVIEW_IN_PROGRESS", script)
    assert deploy.deploy(fake, NAME, TEMPLATE, lambda: True, no_sleep) == 0
    assert fake.calls == ["create_change_set CREATE", "execute_change_set"]


def test_a_change_of_outputs_alone_is_made(capsys: pytest.CaptureFixture[str]) -> None:
    change_set = {"Status": "CREATE_COMPLETE", "Changes": []}
    fake = FakeCloudFormation("CREATE_COMPLETE", UPDATING, change_set)
    assert deploy.deploy(fake, NAME, TEMPLATE, lambda: True, no_sleep) == 0
    assert "update\n  no resources, only outputs, metadata or tags\n" in capsys.readouterr().err
    assert "execute_change_set" in fake.calls
