"""An approval starts the build that a rule of EventBridge names; nothing else does."""

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from local_aws.clients import Clients
from local_aws.tests.conftest import clients_of, serving
from local_aws.tests.test_registry import register
from local_aws.tests.waiting import wait_for

import pytest

GROUP, PROJECT = "models", "deploy"
REJECTED = 50  # versions, and as many that wait
DEADLINE_SECONDS = 60


@pytest.fixture(scope="module")
def with_rule(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    """A local AWS with a rule that starts a build when a version is approved."""
    with serving(tmp_path_factory.mktemp("events"), "--builds") as environment:
        clients = clients_of(environment)
        role = make_role(clients)
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr(
                "buildspec.yml", "version: 0.2\nphases: {build: {commands: [echo yes]}}\n"
            )
        clients.client("s3").create_bucket(Bucket="sources")
        clients.client("s3").put_object(Bucket="sources", Key="s.zip", Body=archive.getvalue())
        arn = clients.client("codebuild").create_project(
            name=PROJECT,
            source={"type": "S3", "location": "sources/s.zip", "buildspec": "buildspec.yml"},
            artifacts={"type": "NO_ARTIFACTS"},
            environment={
                "type": "LINUX_CONTAINER",
                "image": "aws/codebuild/amazonlinux-x86_64-standard:5.0",
                "computeType": "BUILD_GENERAL1_SMALL",
            },
            serviceRole=role,
            timeoutInMinutes=5,
        )["project"]["arn"]
        clients.client("logs").create_log_group(logGroupName=f"/aws/codebuild/{PROJECT}")
        events = clients.client("events")
        pattern = {
            "source": ["aws.sagemaker"],
            "detail-type": ["SageMaker Model Package State Change"],
            "detail": {"ModelPackageGroupName": [GROUP], "ModelApprovalStatus": ["Approved"]},
        }
        events.put_rule(Name="approved", EventPattern=json.dumps(pattern))
        events.put_targets(Rule="approved", Targets=[{"Id": "d", "Arn": arn, "RoleArn": role}])
        for group in (GROUP, "of-others"):
            clients.client("sagemaker").create_model_package_group(ModelPackageGroupName=group)
        yield clients


def make_role(clients: Clients) -> str:
    trust = {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Principal": {"Service": ["events.amazonaws.com", "codebuild.amazonaws.com"]},
            "Action": "sts:AssumeRole",
        },
    }
    created = clients.client("iam").create_role(
        RoleName="everything", AssumeRolePolicyDocument=json.dumps(trust)
    )
    return str(created["Role"]["Arn"])


def builds(clients: Clients) -> list[Any]:
    codebuild = clients.client("codebuild")
    ids = codebuild.list_builds_for_project(projectName=PROJECT)["ids"]
    return list(codebuild.batch_get_builds(ids=ids)["builds"]) if ids else []


def test_only_an_approval_in_the_group_starts_the_build(with_rule: Clients) -> None:
    sagemaker = with_rule.client("sagemaker")
    for _ in range(REJECTED):
        arn = register(sagemaker, GROUP)
        sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Rejected")
        register(sagemaker, GROUP)
    other = register(sagemaker, "of-others")
    sagemaker.update_model_package(ModelPackageArn=other, ModelApprovalStatus="Approved")
    approved = register(sagemaker, GROUP)
    assert builds(with_rule) == []
    sagemaker.update_model_package(ModelPackageArn=approved, ModelApprovalStatus="Approved")
    wait_for(lambda: any(each["buildComplete"] for each in builds(with_rule)))
    assert [each["buildStatus"] for each in builds(with_rule)] == ["SUCCEEDED"]


def test_where_builds_are_not_allowed_the_approval_succeeds_all_the_same(
    tmp_path: Path,
) -> None:
    with serving(tmp_path) as environment:
        sagemaker = clients_of(environment).client("sagemaker")
        sagemaker.create_model_package_group(ModelPackageGroupName=GROUP)
        arn = register(sagemaker, GROUP)
        sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved")
        found = sagemaker.describe_model_package(ModelPackageName=arn)
        assert found["ModelApprovalStatus"] == "Approved"
