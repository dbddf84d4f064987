"""Approve -> rule -> project -> deploy_model.py from packed sources, where IAM is enforced."""

import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pipeline.settings import Settings
from pipeline.stack import read_stack

import project_archive
import pytest
import yaml
from conftest import ROOT, serving
from container_engine import write_settings
from least_privilege import Call, Permission, Rehearsal
from test_build_template import EVERYTHING, listed, policies
from test_least_privilege import CODEBUILD

PROJECT, ENDPOINT = "titanic-pipeline-deploy", "titanic-pipeline-endpoint"
STAYS = {
    Permission("deploy", "ReadTheSource", "s3:GetObjectVersion"): CODEBUILD,
    Permission("deploy", "CheckTheBucket", "s3:GetBucketAcl"): CODEBUILD,
    Permission("deploy", "CheckTheBucket", "s3:GetBucketLocation"): CODEBUILD,
}
# In place of the one that installs the locked requirements: it takes those of this environment.
MAKE = """#!/bin/sh
[ "$*" = .venv/ready ] || exit 2
mkdir -p .venv/bin
printf '#!/bin/sh\\nPYTHONPATH="%s" exec "{python}" "$@"\\n' "$PWD" > .venv/bin/python
chmod +x .venv/bin/python
"""


@dataclass
class Account:
    rehearsal: Rehearsal
    begun: datetime

    def client(self, service: str) -> Any:
        return self.rehearsal.administrator.client(service)

    def calls(self) -> list[Call]:
        return self.rehearsal.calls(self.begun)

    def builds(self) -> int:
        return sum(call.action == "codebuild:StartBuild" for call in self.calls())


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory, settings: Settings) -> Iterator[Account]:
    """An account whose stack deploys on approval, with one version that waits for it."""
    folder = tmp_path_factory.mktemp("approval")
    write_settings(folder / "pipeline.yaml", settings.base_image)
    config = yaml.safe_load((ROOT / "local_aws.yaml").read_text(encoding="utf-8"))
    config["stack"] |= {
        "template": str(ROOT / config["stack"]["template"]),
        "parameters": {"DeployOnApproval": "true"},
    }
    for image in config["images"]:
        image["source"] = str(ROOT / image["source"])
    (folder / "local_aws.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    make = folder / "bin" / "make"
    make.parent.mkdir()
    make.write_text(MAKE.replace("{python}", sys.executable), encoding="utf-8")
    make.chmod(0o755)
    path = {"PATH": f"{make.parent}{os.pathsep}{os.environ['PATH']}"}
    options = ("--config", str(folder / "local_aws.yaml"), "--enforce-iam", "--builds")
    with serving(folder, *options, variables=path) as environment:
        begun = datetime.now(UTC)
        account = Account(Rehearsal(environment, folder, "pipeline.yaml"), begun)
        bucket = read_stack(account.client("cloudformation"), "titanic-pipeline").bucket
        packed = project_archive.pack_project(folder / "pipeline.yaml")
        account.client("s3").put_object(Bucket=bucket, Key=project_archive.KEY, Body=packed)
        assert account.rehearsal.train().code == 0
        yield account


def set_status(account: Account, status: str) -> None:
    sagemaker = account.client("sagemaker")
    listed_ = sagemaker.list_model_packages(ModelPackageGroupName="titanic-pipeline")
    (version,) = listed_["ModelPackageSummaryList"]
    sagemaker.update_model_package(
        ModelPackageArn=version["ModelPackageArn"], ModelApprovalStatus=status
    )


def wait_for_build(account: Account) -> dict[str, Any]:
    """Return the one build of the project at its end; a rule starts it in the background."""
    codebuild, deadline = account.client("codebuild"), time.monotonic() + 120
    while time.monotonic() < deadline:
        for build_id in codebuild.list_builds_for_project(projectName=PROJECT)["ids"]:
            build: dict[str, Any] = codebuild.batch_get_builds(ids=[build_id])["builds"][0]
            if build["buildComplete"]:
                return build
        time.sleep(0.1)
    raise AssertionError("the build does not end")


def log_of(account: Account, build: dict[str, Any]) -> str:
    place = build["logs"]
    answer = account.client("logs").get_log_events(
        logGroupName=place["groupName"], logStreamName=place["streamName"]
    )
    return "\n".join(event["message"] for event in answer["events"])


def test_an_approved_version_is_served_and_no_other_starts_anything(account: Account) -> None:
    for _ in range(50):
        set_status(account, "Rejected")
        set_status(account, "PendingManualApproval")
    set_status(account, "Approved")
    build = wait_for_build(account)
    assert account.builds() == 1
    assert build["buildStatus"] == "SUCCEEDED", log_of(account, build)
    assert f"endpoint  {ENDPOINT}: version 1 since " in log_of(account, build)
    rows = {"pclass": 1, "sex": "female", "age": 30, "sibsp": 0, "parch": 0, "fare": 80}
    answer = account.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=ENDPOINT,
        ContentType="application/json",
        Body=json.dumps([rows | dict.fromkeys(("name", "ticket", "cabin", "embarked"), "")]),
    )
    assert json.loads(answer["Body"].read())


def test_the_roles_of_the_rule_and_the_project_need_what_they_have(account: Account) -> None:
    calls = account.calls()
    assert {(c.principal, c.action) for c in calls if not c.allowed} <= {
        ("operator", "s3:ListBucket")  # the SBOM of an image that no build has made
    }
    unused = [
        Permission(principal, statement["Sid"], action)
        for principal, role in {"deploy": "DeployRole", "start": "StartRole"}.items()
        for statement in policies(role, EVERYTHING)
        for action in listed(statement["Action"])
        if not any((call.principal, call.action) == (principal, action) for call in calls)
    ]
    assert [each for each in unused if each not in STAYS] == []
