"""Approve -> rule -> project -> deploy_model.py from packed sources: as processes where IAM is
enforced, and in containers up to the rollback."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from container.predict import read_csv, write_csv
from pipeline.evidence.scoring import load_artifact
from pipeline.serving.versions import Version, find_version
from pipeline.settings import Settings

import pytest
from conftest import serving
from container_engine import Image, write_settings
from deploying import (
    ENDPOINT,
    GROUP,
    log_of,
    serve_options,
    upload_project,
    wait_for_build,
    wait_for_execution,
)
from least_privilege import Call, Permission, Rehearsal
from test_build_template import EVERYTHING, listed, policies
from test_least_privilege import CODEBUILD

STAYS = {
    Permission("deploy", "ReadTheSource", "s3:GetObjectVersion"): CODEBUILD,
    Permission("deploy", "CheckTheBucket", "s3:GetBucketAcl"): CODEBUILD,
    Permission("deploy", "CheckTheBucket", "s3:GetBucketLocation"): CODEBUILD,
}


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
    options, variables = serve_options(folder)
    with serving(folder, *options, "--enforce-iam", "--builds", variables=variables) as environment:
        begun = datetime.now(UTC)
        account = Account(Rehearsal(environment, folder, "pipeline.yaml"), begun)
        upload_project(account.rehearsal.administrator, folder / "pipeline.yaml")
        assert account.rehearsal.train().code == 0
        yield account


def set_status(account: Account, status: str) -> None:
    sagemaker = account.client("sagemaker")
    listed_ = sagemaker.list_model_packages(ModelPackageGroupName=GROUP)
    (version,) = listed_["ModelPackageSummaryList"]
    sagemaker.update_model_package(
        ModelPackageArn=version["ModelPackageArn"], ModelApprovalStatus=status
    )


def test_an_approved_version_is_served_and_no_other_starts_anything(account: Account) -> None:
    for _ in range(50):
        set_status(account, "Rejected")
        set_status(account, "PendingManualApproval")
    set_status(account, "Approved")
    clients = account.rehearsal.administrator
    build = wait_for_build(clients)
    assert account.builds() == 1
    assert build["buildStatus"] == "SUCCEEDED", log_of(clients, build)
    assert f"endpoint  {ENDPOINT}: version 1 since " in log_of(clients, build)
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


@pytest.fixture
def in_containers(image: Image) -> Iterator[Image]:
    """The local AWS with containers; no endpoint is left there."""
    upload_project(image.clients(), image.folder / "good.yaml")
    yield image
    image.clients().client("sagemaker").delete_endpoint(EndpointName=ENDPOINT)


@pytest.mark.container_engine
@pytest.mark.timeout(900)
def test_in_containers_two_approved_versions_are_served_and_a_rollback_goes_back(
    in_containers: Image, settings: Settings
) -> None:
    image, clients = in_containers, in_containers.clients()
    sagemaker = clients.client("sagemaker")
    rows = b"".join(settings.data_file.read_bytes().splitlines(keepends=True)[:20])

    def run(script: str, *arguments: str) -> str:
        done = image.python(f"pipeline/{script}", "--config", "good.yaml", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(trees: int) -> str:
        values = ("--no-preflight", "--no-cache", "--no-wait", "--parameter", f"num_round={trees}")
        return run("upsert_and_start.py", *values).strip()

    def check_answers(version: Version) -> None:
        answer = clients.client("sagemaker-runtime").invoke_endpoint(
            EndpointName=ENDPOINT, ContentType="text/csv", Body=rows
        )
        artifact = load_artifact(image.archive(version.model_uri))
        expected = write_csv(artifact.score(read_csv(rows)).tolist())
        assert answer["Body"].read().decode() == expected

    for execution in [start(5), start(20)]:
        wait_for_execution(sagemaker, execution)
    newest = find_version(sagemaker, GROUP).number
    versions = [find_version(sagemaker, GROUP, number) for number in (newest - 1, newest)]
    for number, version in enumerate(versions, start=1):
        run("approve.py", str(version.number), "--yes", "--reason", "a test")
        build = wait_for_build(clients, number)
        assert build["buildStatus"] == "SUCCEEDED", log_of(clients, build)
        assert f"{ENDPOINT}: version {version.number} since " in log_of(clients, build)
        check_answers(version)
    assert f"{ENDPOINT}: version {versions[0].number} since " in run(
        "deploy_model.py", "--rollback"
    )
    check_answers(versions[0])
