"""The rehearsal behind docs/permissions.md: the whole flow with the policies of the stack alone.

It runs on a local AWS that enforces IAM, and then once more without each single permission.
"""

import contextlib
import io
import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from local_aws.clients import Clients
from local_aws.environment import aws_environment
from local_aws.iam.users import ADMINISTRATOR
from pipeline import preflight, smallest_instance, tune, upsert_and_start

import container_engine
import push_image
from conftest import SLOW
from container_engine import docker
from test_build_template import listed

OPERATOR, BUILD, PIPELINE, TRAINING = "operator", "build", "pipeline", "training"

# Ends soon, and never, as seen from a test. The preflight would say what is missing before it is
# missed.
SHORT = ("--no-preflight", "--no-cache", "--parameter=num_round=1")
LONG = (
    "--no-preflight",
    "--no-cache",
    *(f"--parameter={name}={value}" for name, value in SLOW.items()),
)


@dataclass(frozen=True, order=True)
class Permission:
    principal: str  # operator, build, pipeline or training
    sid: str  # of the statement
    action: str


@dataclass(frozen=True)
class Statement:
    principal: str
    sid: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]

    @property
    def permissions(self) -> list[Permission]:
        return [Permission(self.principal, self.sid, action) for action in self.actions]


@dataclass(frozen=True)
class Call:
    principal: str
    action: str
    resource: str
    allowed: bool

    def matches(self, statement: Statement, resource: str) -> bool:
        return (
            self.principal == statement.principal
            and self.action in statement.actions
            and fnmatchcase(self.resource, resource.replace("${aws:username}", "operator"))
        )


@dataclass
class Outcome:
    """How a program ended."""

    program: str
    code: int
    stdout: str
    stderr: str
    facts: dict[str, Any] = field(default_factory=dict)  # run.json
    calls: list[Call] = field(default_factory=list)  # by whomever, meanwhile

    def lost(self, whole: "Outcome") -> str | None:
        """What the user does not get, compared with the whole flow; None when that is nothing."""
        if self.code != whole.code:
            return f"`{self.program}` fails"
        missing = [
            name for name, value in self.facts.items() if _empty(value) and whole.facts[name]
        ]
        if missing:
            file = "tuning.json" if self.program == "tune.py" else "run.json"
            return f"`{file}` lacks {', '.join(missing)}"
        if "AccessDenied" in self.stdout:
            return f"`{self.program}` warns that it cannot check this"
        return None


def _empty(value: Any) -> bool:
    """null, or an object with a null in it."""
    return value is None or (isinstance(value, dict) and any(_empty(v) for v in value.values()))


class Rehearsal:
    def __init__(
        self,
        environment: dict[str, str],
        folder: Path,
        config: str,
        stack: str = "titanic-pipeline",
    ) -> None:
        self.environment = environment
        self._stack = stack
        self._folder = folder
        self._config = config
        self.administrator = container_engine.administrator(environment)
        self.statements = list(self._read_policies())

    # The programs, as the operator runs them.

    def push(self, *, interrupt_at: str | None = None) -> Outcome:
        outcome = self._run(push_image.main, [], "push_image.py", interrupt_at)
        for build in re.findall("^build ([^ ]+)$", outcome.stderr, re.MULTILINE):
            self._wait_for_build(build)
        return outcome

    def train(self, *arguments: str, interrupt_at: str | None = None) -> Outcome:
        before = set(self._records())
        program = "upsert_and_start.py"
        outcome = self._run(upsert_and_start.main, arguments or SHORT, program, interrupt_at)
        for path in set(self._records()) - before:
            outcome.facts = json.loads(path.read_text("utf-8"))
        self._end_jobs()
        return outcome

    def tune(self, *arguments: str, interrupt_at: str | None = None) -> Outcome:
        before = set(self._folder.glob("runs/*/tuning.json"))
        given = ("--no-preflight", *arguments)
        outcome = self._run(tune.main, given, "tune.py", interrupt_at)
        for path in set(self._folder.glob("runs/*/tuning.json")) - before:
            outcome.facts = json.loads(path.read_text("utf-8"))
        self._end_jobs()
        return outcome

    def choose(self) -> Outcome:
        return self._run(smallest_instance.main, [], "smallest_instance.py", None)

    def check(self) -> Outcome:
        return self._run(preflight.main, [], "preflight.py", None)

    def _run(
        self,
        main: Callable[[list[str]], int],
        arguments: Any,
        program: str,
        interrupt_at: str | None,
    ) -> Outcome:
        begun = datetime.now(UTC)
        stdout, stderr = io.StringIO(), Interrupting(interrupt_at)
        with (
            aws_environment(self.environment),
            contextlib.chdir(self._folder),
            contextlib.redirect_stdout(stdout),
            contextlib.redirect_stderr(stderr),
        ):
            code = main(["--config", self._config, *arguments])
        return Outcome(program, code, stdout.getvalue(), stderr.getvalue(), calls=self.calls(begun))

    def _records(self) -> list[Path]:
        return list(self._folder.glob("runs/*/run.json"))

    # What an administrator sees and does.

    def calls(self, since: datetime) -> list[Call]:
        """What the principals of the template have asked for since then."""
        pages = self._client("cloudtrail").get_paginator("lookup_events").paginate(StartTime=since)
        events = [json.loads(e["CloudTrailEvent"]) for page in pages for e in page["Events"]]
        recent = [e for e in events if datetime.fromisoformat(e["eventTime"]) >= since]
        return [call for event in recent if (call := _call(event)) is not None]

    @contextmanager
    def without(self, permission: Permission) -> Iterator[None]:
        """Meanwhile the policy in the account lacks it."""

        def shrink(statement: dict[str, Any]) -> None:
            left = [a for a in listed(statement["Action"]) if a != permission.action]
            statement["Action"] = left or "none:Nothing"

        with self.changed(permission.principal, permission.sid, shrink):
            yield

    @contextmanager
    def changed(
        self, principal: str, sid: str, change: Callable[[dict[str, Any]], object]
    ) -> Iterator[None]:
        """Change one statement of the policy in the account for the duration of the block."""
        document = self._document(principal)
        other = json.loads(json.dumps(document))
        (statement,) = [each for each in other["Statement"] if each["Sid"] == sid]
        change(statement)
        self._write(principal, other)
        try:
            yield
        finally:
            self._write(principal, document)

    def clients(self, principal: str) -> Clients:
        """Return the clients of a principal of the template, with nothing but its policy."""
        if principal == OPERATOR:
            names = ("ENDPOINT_URL", "REGION", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY")
            return Clients(*(self.environment[f"AWS_{name}"] for name in names))
        role = self._client("iam").get_role(RoleName=self.role(principal))["Role"]
        return self.administrator.as_role(role["Arn"])

    def images(self) -> list[dict[str, Any]]:
        answer = self._client("ecr").describe_images(repositoryName=self._repository)
        images: list[dict[str, Any]] = answer["imageDetails"]
        return images

    def forget_images(self) -> None:
        ids = [{"imageDigest": image["imageDigest"]} for image in self.images()]
        if ids:
            self._client("ecr").batch_delete_image(repositoryName=self._repository, imageIds=ids)

    def forget_data(self) -> None:
        s3 = self._client("s3")
        buckets = s3.list_buckets()["Buckets"]
        (bucket,) = [b for b in buckets if b["Name"].startswith(f"{self._stack}-")]
        for item in s3.list_objects_v2(Bucket=bucket["Name"]).get("Contents", []):
            if item["Key"].startswith("data/"):
                s3.delete_object(Bucket=bucket["Name"], Key=item["Key"])

    def forget_pipeline(self) -> None:
        sagemaker = self._client("sagemaker")
        for pipeline in sagemaker.list_pipelines()["PipelineSummaries"]:
            sagemaker.delete_pipeline(
                PipelineName=pipeline["PipelineName"], ClientRequestToken="x" * 32
            )

    def clear_engine(self) -> None:
        """The next job must pull its image, as on a machine that has never seen it."""
        uri = self._client("ecr").describe_repositories()["repositories"][0]["repositoryUri"]
        for name in dict.fromkeys(docker("images", "--quiet", uri).split()):
            docker("rmi", "--force", name)

    @property
    def _repository(self) -> str:
        name: str = self._client("ecr").describe_repositories()["repositories"][0]["repositoryName"]
        return name

    def _wait_for_build(self, build_id: str) -> None:
        """One that the program has lost sight of goes on."""
        codebuild = self._client("codebuild")
        while not codebuild.batch_get_builds(ids=[build_id])["builds"][0]["buildComplete"]:
            time.sleep(0.2)

    def _end_jobs(self) -> None:
        sagemaker = self._client("sagemaker")
        for pipeline in sagemaker.list_pipelines()["PipelineSummaries"]:
            listed = sagemaker.list_pipeline_executions(PipelineName=pipeline["PipelineName"])
            for execution in listed["PipelineExecutionSummaries"]:
                if execution["PipelineExecutionStatus"] == "Executing":
                    sagemaker.stop_pipeline_execution(
                        PipelineExecutionArn=execution["PipelineExecutionArn"],
                        ClientRequestToken="x" * 32,
                    )
        for job in sagemaker.list_hyper_parameter_tuning_jobs()["HyperParameterTuningJobSummaries"]:
            sagemaker.stop_hyper_parameter_tuning_job(
                HyperParameterTuningJobName=job["HyperParameterTuningJobName"]
            )
        for job in sagemaker.list_training_jobs()["TrainingJobSummaries"]:
            name = job["TrainingJobName"]
            while _status(sagemaker, name) not in ("Completed", "Failed", "Stopped"):
                sagemaker.stop_training_job(TrainingJobName=name)
                time.sleep(0.2)

    def _client(self, service: str) -> Any:
        return self.administrator.client(service)

    # The policies, as CloudFormation made them.

    def _read_policies(self) -> Iterator[Statement]:
        for principal in (OPERATOR, BUILD, PIPELINE, TRAINING):
            for statement in self._document(principal)["Statement"]:
                actions, resources = listed(statement["Action"]), listed(statement["Resource"])
                yield Statement(principal, statement["Sid"], tuple(actions), tuple(resources))

    def _document(self, principal: str) -> dict[str, Any]:
        iam = self._client("iam")
        if principal == OPERATOR:
            arn = self._operator_policy()
            version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
            answer = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]
            document: dict[str, Any] = answer["Document"]
            return document
        role = self.role(principal)
        (name,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
        of_role: dict[str, Any] = iam.get_role_policy(RoleName=role, PolicyName=name)
        return dict(of_role["PolicyDocument"])

    def _write(self, principal: str, document: dict[str, Any]) -> None:
        iam, text = self._client("iam"), json.dumps(document)
        if principal == OPERATOR:
            arn = self._operator_policy()
            before = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
            iam.create_policy_version(PolicyArn=arn, PolicyDocument=text, SetAsDefault=True)
            iam.delete_policy_version(PolicyArn=arn, VersionId=before)
            return
        role = self.role(principal)
        (name,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
        iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=text)

    def _operator_policy(self) -> str:
        attached = self._client("iam").list_attached_user_policies(UserName="operator")
        (policy,) = attached["AttachedPolicies"]
        arn: str = policy["PolicyArn"]
        return arn

    def role(self, principal: str) -> str:
        """Return the name of the role of a principal of the template."""
        roles = self._client("iam").list_roles()["Roles"]
        own = [r["RoleName"] for r in roles if r["RoleName"].startswith(f"{self._stack}-")]
        (name,) = [each for each in own if each.endswith(f"-{principal}")]
        return str(name)


class Interrupting(io.StringIO):
    """Presses Ctrl-C, once, when the program has written `marker`."""

    def __init__(self, marker: str | None) -> None:
        super().__init__()
        self._marker = marker

    def write(self, text: str) -> int:
        written = super().write(text)
        if self._marker and self._marker in text:
            self._marker = None
            os.kill(os.getpid(), signal.SIGINT)
        return written


def _status(sagemaker: Any, job: str) -> str:
    status: str = sagemaker.describe_training_job(TrainingJobName=job)["TrainingJobStatus"]
    return status


def _call(event: dict[str, Any]) -> Call | None:
    """None when it was the administrator's."""
    arn = event["userIdentity"]["arn"]
    if ":user/" in arn:
        principal = arn.rpartition("/")[2]
        if principal == ADMINISTRATOR:
            return None
    elif ":assumed-role/" in arn:
        principal = arn.split("/")[1].rpartition("-")[2]
    else:
        return None
    service = event["eventSource"].partition(".")[0]
    return Call(
        principal,
        f"{service}:{event['eventName']}",
        event["resources"][0]["ARN"],
        "errorCode" not in event,
    )
