"""The command, and what it does for `upsert_and_start.py`, on local AWS."""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline import preflight, upsert_and_start
from pipeline.local import ProjectAws
from pipeline.source_image import put_source_image

import container_engine
import pytest
from conftest import ROOT, Enter, Environment, WriteConfig, serving
from present_image import BASE_IMAGE, TAG

SCRIPT = ROOT / "pipeline" / "preflight.py"


@pytest.fixture(scope="module")
def enforcing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    with serving(tmp_path_factory.mktemp("enforcing"), "--enforce-iam") as environment:
        yield environment


@pytest.fixture
def one_class(tmp_path: Path) -> str:
    """A file in which everybody drowned."""
    path = tmp_path / "drowned.csv"
    source = ROOT / "pipeline" / "titanic" / "titanic.csv"
    with source.open(encoding="utf-8", newline="") as rows, path.open("w", newline="") as out:
        reader = csv.DictReader(rows)
        writer = csv.DictWriter(out, reader.fieldnames or [])
        writer.writeheader()
        writer.writerows(row for row in reader if row["survived"] == "0")
    return str(path)


def checks(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in json.loads(capsys.readouterr().out)}


def statuses(found: dict[str, dict[str, Any]]) -> dict[str, set[str]]:
    """Status -> names."""
    return {
        status: {name for name, each in found.items() if each["status"] == status}
        for status in {each["status"] for each in found.values()}
    }


@contextmanager
def without(environment: Environment, action: str) -> Iterator[None]:
    """Meanwhile the operator's policy lacks it."""
    iam = container_engine.administrator(environment).client("iam")
    (attached,) = iam.list_attached_user_policies(UserName="operator")["AttachedPolicies"]
    arn = attached["PolicyArn"]
    before = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    document = iam.get_policy_version(PolicyArn=arn, VersionId=before)["PolicyVersion"]["Document"]
    text = json.dumps(document).replace(f'"{action}"', '"none:Nothing"')
    made = iam.create_policy_version(PolicyArn=arn, PolicyDocument=text, SetAsDefault=True)
    try:
        yield
    finally:
        iam.set_default_policy_version(PolicyArn=arn, VersionId=before)
        iam.delete_policy_version(PolicyArn=arn, VersionId=made["PolicyVersion"]["VersionId"])


@contextmanager
def distrusting(local_aws: ProjectAws) -> Iterator[str]:
    """Meanwhile the training role is for EC2; its ARN."""
    iam, arn = local_aws.clients.client("iam"), local_aws.stack.training_role_arn
    name = arn.rpartition("/")[2]
    before = json.dumps(iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"])
    iam.update_assume_role_policy(
        RoleName=name, PolicyDocument=before.replace("sagemaker.amazonaws", "ec2.amazonaws")
    )
    try:
        yield arn
    finally:
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=before)


def test_with_the_operator_policy_nothing_is_wrong(
    enforcing: Environment, enter: Enter, capsys: pytest.CaptureFixture[str]
) -> None:
    enter(enforcing)
    assert preflight.main(["--json"]) == 0
    found = checks(capsys)
    assert statuses(found) == {
        "ok": (preflight.CHECKS | preflight.DRIFT).keys()
        - {"image scan", "base image", "smallest"},
        "not checked": {"image scan", "base image", "smallest"},
    }
    assert found["identity"]["message"] == "arn:aws:iam::123456789012:user/operator"
    assert found["image scan"]["message"] == "the image has not been scanned"
    assert found["drift"]["message"] == "titanic-pipeline-survival is not deployed yet"


@pytest.mark.parametrize(
    ("action", "lost"),
    [
        ("iam:GetRole", {"roles"}),
        (
            "iam:SimulatePrincipalPolicy",
            {"operator permissions", "pipeline permissions", "training permissions"},
        ),
        ("ecr:DescribeImageScanFindings", {"image scan"}),
        ("sagemaker:DescribePipeline", {"drift"}),
        ("servicequotas:ListServiceQuotas", {"quota"}),
        ("ec2:DescribeInstanceTypes", {"memory", "accelerator"}),
    ],
)
def test_what_only_a_check_needs_is_a_warning_that_names_it(
    action: str,
    lost: set[str],
    enforcing: Environment,
    enter: Enter,
    capsys: pytest.CaptureFixture[str],
) -> None:
    enter(enforcing)
    with without(enforcing, action):
        assert preflight.main(["--json"]) == 0
    found = checks(capsys)
    assert statuses(found)["warning"] == lost
    for name in lost:
        assert found[name]["message"].startswith("not checked: An error occurred (AccessDenied")
        assert f"not authorized to perform: {action}" in found[name]["message"]


def test_what_the_run_needs_is_refused_before_it_starts(
    enforcing: Environment, enter: Enter, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    enter(enforcing)
    with without(enforcing, "sagemaker:StartPipelineExecution"):
        assert upsert_and_start.main([]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        "error: operator permissions: arn:aws:iam::123456789012:user/operator may not: "
        "sagemaker:StartPipelineExecution on "
        "arn:aws:sagemaker:us-east-1:123456789012:pipeline/titanic-pipeline-survival\n"
        "hint: ask for the policy OperatorPolicyArn of stack titanic-pipeline\n"
        "preflight: 20 ok, 1 failure, 3 not checked\n"
    )
    assert not (here / "runs").exists()


def test_a_bucket_that_may_not_be_listed_is_a_failure(
    enforcing: Environment, enter: Enter, capsys: pytest.CaptureFixture[str]
) -> None:
    enter(enforcing)
    with without(enforcing, "s3:ListBucket"):
        assert preflight.main(["--json"]) == 3
    found = checks(capsys)
    assert statuses(found)["failure"] == {"bucket", "operator permissions"}
    assert found["bucket"]["message"].endswith(" may not be listed")


@pytest.mark.usefixtures("local_aws")
def test_without_the_stack_what_needs_it_is_not_checked(
    write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write_config(stack_name="no-such-stack")
    assert preflight.main(["--config", str(config)]) == 2
    lines = capsys.readouterr().out.splitlines()
    assert (
        "failure      stack                 stack no-such-stack: not in region us-east-1" in lines
    )
    assert f"             hint: .venv/bin/python build/deploy.py --config {config}" in lines
    assert "not checked  bucket                no stack" in lines
    assert "not checked  definition            no stack" in lines
    assert "ok           quota                 1 of 15 ml.m5.large on demand" in lines


@pytest.mark.usefixtures("local_aws")
def test_data_of_one_class_is_a_failure(
    one_class: str, write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    config = str(write_config(data_file=one_class))
    assert preflight.main(["--json", "--config", config]) == 2
    found = checks(capsys)
    assert statuses(found)["failure"] == {"data"}
    assert "is 0 in 809 rows and 1 in 0: nothing can be learned" in found["data"]["message"]
    assert found["data"]["hint"] == "give at least 10 rows of each label"
    assert found["definition"]["message"] == "no data"


def test_an_image_that_was_not_pushed_is_a_failure(
    local_aws: ProjectAws, capsys: pytest.CaptureFixture[str]
) -> None:
    ecr, name = local_aws.clients.client("ecr"), local_aws.stack.repository_uri.partition("/")[2]
    ecr.batch_delete_image(repositoryName=name, imageIds=[{"imageTag": TAG}])
    try:
        assert preflight.main(["--json"]) == 2
    finally:
        put_source_image(ecr, local_aws.stack.repository_uri, BASE_IMAGE)
    found = checks(capsys)
    assert statuses(found)["failure"] == {"image"}
    assert f":{TAG}: not in ECR" in found["image"]["message"]
    assert found["image"]["hint"] == ".venv/bin/python build/push_image.py"
    assert found["drift"]["message"] == "no definition"


def test_an_account_without_the_quota_is_told_how_to_ask_for_it(
    new_account: Environment,
    enter: Enter,
    here: Path,
    write_config: WriteConfig,
    capsys: pytest.CaptureFixture[str],
) -> None:
    enter(new_account)
    assert upsert_and_start.main([]) == 2
    err = capsys.readouterr().err
    assert err.startswith(
        "error: quota: the account may have 0 ml.m5.large on demand, 1 is needed\n"
        "hint: aws service-quotas request-service-quota-increase "
    )
    assert not (here / "runs").exists()
    assert preflight.main(["--config", str(write_config(spot=True))]) == 0
    assert preflight.main(["--config", str(write_config(instance_type="smallest"))]) == 2
    out = capsys.readouterr().out
    assert "1 of 4 ml.m5.large spot" in out
    assert "failure      quota                 no instance type can train on demand" in out
    assert "not checked  definition            no instance type" in out


def test_the_smallest_type_is_found_first(
    local_aws: ProjectAws,  # noqa: ARG001
    write_config: WriteConfig,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = str(write_config(instance_type="smallest"))
    assert preflight.main(["--json", "--config", config]) == 0
    assert checks(capsys)["quota"]["message"] == "1 of 15 ml.m5.large on demand"


def test_what_another_start_would_change_is_shown_as_a_difference(
    local_aws: ProjectAws,
    here: Path,  # noqa: ARG001
    write_config: WriteConfig,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = "titanic-pipeline-drift"
    assert upsert_and_start.main(["--config", str(write_config(pipeline_name=name))]) == 0
    assert "\npreflight: 21 ok, 3 not checked\n" in f"\n{capsys.readouterr().err}"
    changed = str(write_config(pipeline_name=name, max_run_seconds=600))
    assert preflight.main(["--config", changed]) == 0
    out, err = capsys.readouterr()
    local_aws.clients.client("sagemaker").delete_pipeline(
        PipelineName=name, ClientRequestToken="x" * 32
    )
    assert err == "preflight: 21 ok, 1 warning, 3 not checked\n"
    assert (
        "warning      drift                 the deployed titanic-pipeline-drift has another "
        "definition" in out
    )
    assert '\n             -          "MaxRuntimeInSeconds": 900\n' in out
    assert '\n             +          "MaxRuntimeInSeconds": 600\n' in out


@pytest.mark.parametrize("dry_run", [[], ["--dry-run"]])
def test_a_start_that_would_fail_sends_nothing(
    dry_run: list[str],
    local_aws: ProjectAws,
    here: Path,
    write_config: WriteConfig,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = str(write_config(prefix="never", pipeline_name="titanic-pipeline-never"))
    with distrusting(local_aws) as arn:
        assert upsert_and_start.main(["--config", config, *dry_run]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(
        f"error: roles: {arn} does not trust sagemaker.amazonaws.com for account "
    )
    assert "preflight: 20 ok, 1 failure, 3 not checked\n" in err
    assert not (here / "runs").exists()
    sent = local_aws.clients.client("s3").list_objects_v2(
        Bucket=local_aws.stack.bucket, Prefix="data/never/"
    )
    assert sent["KeyCount"] == 0
    pipelines = local_aws.clients.client("sagemaker").list_pipelines()["PipelineSummaries"]
    assert "titanic-pipeline-never" not in [each["PipelineName"] for each in pipelines]


def test_without_credentials_it_is_said_once(tmp_path: Path) -> None:
    job = subprocess.run(
        [sys.executable, str(SCRIPT)],
        env={"PATH": os.defpath, "HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert job.returncode == 3, job.stderr
    lines = job.stdout.splitlines()
    assert lines[0] == "failure      identity              Unable to locate credentials"
    assert lines[1].startswith("             hint: log in with `aws configure`")
    assert [line for line in lines if line.startswith("failure")] == lines[:1]
    assert "not checked  stack                 no identity" in lines
    assert "Traceback" not in job.stderr
