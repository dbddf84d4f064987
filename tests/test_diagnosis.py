"""Failures, really produced on local AWS, and what the commands say of them. Those that need a
container are in test_diagnosis_containers.py."""

import contextlib
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import threading
import time
import unittest.mock
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from local_aws.ecr.images import put_image
from local_aws.faults.injection import NO_BUILDS, NO_CAPACITY, SPOT_INTERRUPTION, THROTTLING
from pipeline import cli, preflight
from pipeline.data import Dataset, upload
from pipeline.definition import RETRIES
from pipeline.diagnosis import CATALOGUE, START, Entry, catalogue, diagnose, page
from pipeline.local import ProjectAws
from pipeline.settings import Settings
from pipeline.source_image import CONFIG
from pipeline.upsert_and_start import main

import boto3
import container_engine
import push_image
import pytest
from conftest import ROOT, SLOW, WriteConfig, serving, small_file_system
from explained import explained, foreseen, says
from generated import assert_current
from least_privilege import OPERATOR, PIPELINE, TRAINING, Permission, Rehearsal
from test_local_aws_training import Jobs, channel

PAGE = ROOT / "docs" / "troubleshooting.md"
SCRIPT = ROOT / "pipeline" / "upsert_and_start.py"
PREFLIGHT = ROOT / "pipeline" / "preflight.py"
KEYS = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
NOBODY = "http://127.0.0.1:9"

Start = Callable[..., tuple[int, str]]
Look = Callable[..., str]
Command = Callable[[list[str]], int]


# The catalogue itself.


@pytest.mark.parametrize("entry", catalogue(), ids=lambda entry: entry.id)
def test_an_entry_is_found_by_what_its_source_quotes(entry: Entry) -> None:
    found = diagnose(entry.seen)
    assert found is not None
    assert found.id == entry.id
    assert "None" not in str(found)
    assert f"docs: docs/troubleshooting.md#{entry.id}\n" in str(found)
    assert f"\n### {entry.id}\n" in page()
    assert re.fullmatch(r"https://(github|docs\.aws\.amazon)\.com/\S+", entry.source)


@pytest.mark.parametrize("entry", catalogue(), ids=lambda entry: entry.id)
def test_the_texts_name_what_the_pattern_finds_and_nothing_else(entry: Entry) -> None:
    texts = f"{entry.cause} {entry.check} {entry.fix}".replace("{{", "").replace("}}", "")
    assert set(re.findall(r"{(\w+)}", texts)) == set(re.compile(entry.pattern).groupindex)


def test_every_entry_is_produced_by_a_test() -> None:
    others = (
        "test_containers_broken.py",
        "test_approved_served.py",
        "test_least_privilege.py",
    )
    tests = [*(ROOT / "tests").glob("test_diagnosis*.py"), *(ROOT / "tests" / n for n in others)]
    produced = set(re.findall(r'"([a-z0-9-]+)"', "".join(path.read_text() for path in tests)))
    names = [entry.id for entry in catalogue()]
    assert len(names) == len(set(names)) >= 30
    assert sorted(set(names) - produced) == []


def test_what_sees_an_entry_before_a_run_is_a_check() -> None:
    for entry in catalogue():
        assert set(entry.preflight) <= preflight.CHECKS.keys() | {START}, entry.id


@pytest.mark.generated
def test_the_page_is_that_of_the_catalogue() -> None:
    assert_current(PAGE, page())
    done = subprocess.run(
        [sys.executable, str(CATALOGUE.with_suffix(".py"))], capture_output=True, text=True
    )
    assert done.stdout == page()


# Before anything is reached: credentials and network.


def alone(home: Path, environment: dict[str, str]) -> dict[str, str]:
    """The whole environment of a user who has set these variables."""
    quick = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_MAX_ATTEMPTS": "1"}
    return {"PATH": os.defpath, "HOME": str(home)} | quick | environment


def call(home: Path, environment: dict[str, str], command: Command) -> str:
    """What the command says, in this process."""
    said = io.StringIO()
    with (
        unittest.mock.patch.dict(os.environ, alone(home, environment), clear=True),
        contextlib.chdir(home),
        contextlib.redirect_stdout(said),
        contextlib.redirect_stderr(said),
    ):
        code = command([])
    assert code in (cli.WRONG_INPUT, cli.AWS_REFUSED)
    return said.getvalue()


def run(home: Path, environment: dict[str, str], script: Path) -> str:
    """What the command says that a user has just called."""
    done = subprocess.run(
        [sys.executable, str(script)],
        env=alone(home, environment),
        cwd=home,
        capture_output=True,
        text=True,
    )
    assert done.returncode in (cli.WRONG_INPUT, cli.AWS_REFUSED)
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def explained_and_foreseen(name: str, home: Path, environment: dict[str, str]) -> bool:
    """By the command that starts a run, and by the preflight."""
    started = call(home, environment, main)
    assert started.startswith("error: ")
    return says(name, started) and foreseen(name, call(home, environment, preflight.main))


def explained_by_programs(name: str, home: Path, environment: dict[str, str]) -> bool:
    """The same, where something is read when the programs import it."""
    started = run(home, environment, SCRIPT)
    assert started.startswith("error: ")
    return says(name, started) and foreseen(name, run(home, environment, PREFLIGHT))


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        ({}, "no-credentials"),
        ({"AWS_PROFILE": "nobody"}, "unknown-profile"),
        ({"AWS_ENDPOINT_URL": "localhost:9"}, "endpoint-without-scheme"),
        ({"AWS_ACCESS_KEY_ID": "x"}, "partial-credentials"),
        (KEYS | {"AWS_ENDPOINT_URL": NOBODY}, "endpoint-unreachable"),
        (
            KEYS | {"AWS_ENDPOINT_URL": NOBODY, "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE\n"},
            "invalid-header",
        ),
        (KEYS | {"AWS_ENDPOINT_URL": NOBODY, "HTTP_PROXY": NOBODY}, "proxy-unreachable"),
    ],
)
def test_what_keeps_the_command_from_aws(
    environment: dict[str, str], name: str, tmp_path: Path
) -> None:
    assert explained_and_foreseen(name, tmp_path, environment)


def test_who_has_no_certificate_that_is_trusted(local_aws: ProjectAws, tmp_path: Path) -> None:
    endpoint = local_aws.clients.endpoint.replace("http://", "https://")
    environment = KEYS | {"AWS_ENDPOINT_URL": endpoint}
    assert explained_and_foreseen("certificate", tmp_path, environment)


def write_aws_config(home: Path, text: str) -> Path:
    path = home / ".aws" / "config"
    path.parent.mkdir()
    path.write_text(text)
    return path


SSO = (
    "[default]\nsso_session = work\nsso_account_id = 111122223333\nsso_role_name = me\n"
    "[sso-session work]\nsso_region = us-east-1\nsso_start_url = https://work.awsapps.com/\n"
)


def test_a_configuration_of_aws_that_is_broken(tmp_path: Path) -> None:
    write_aws_config(tmp_path, "[default\nregion = us-east-1\n")
    assert explained_and_foreseen("config-file", tmp_path, {})


def test_a_login_that_nobody_has_made_and_one_whose_time_is_over(tmp_path: Path) -> None:
    config = write_aws_config(tmp_path, SSO)
    assert explained_by_programs("no-sso-login", tmp_path, {})
    token = {"accessToken": "x", "expiresAt": "2020-01-01T00:00:00Z", "region": "us-east-1"}
    cache = config.parent / "sso" / "cache" / f"{hashlib.sha1(b'work').hexdigest()}.json"
    cache.parent.mkdir(parents=True)
    cache.write_text(json.dumps(token))
    assert explained_by_programs("expired-credentials", tmp_path, {})


def test_a_refusal_that_nobody_knows_says_how_to_go_on(
    capsys: pytest.CaptureFixture[str], local_aws: ProjectAws
) -> None:
    sagemaker = local_aws.clients.client("sagemaker")
    err = refused(sagemaker.describe_training_job, capsys, TrainingJobName="nobody")
    assert "(ValidationException) when calling the DescribeTrainingJob operation" in err
    assert err.endswith(f"\nhint: {cli.UNKNOWN}\n")
    assert "cause: " not in err


def test_credentials_that_ec2_does_not_take(
    capsys: pytest.CaptureFixture[str], local_aws: ProjectAws
) -> None:
    unknown = {"aws_access_key_id": "AKIAUNKNOWNUNKNOWN12", "aws_secret_access_key": "x"}
    ec2 = boto3.client("ec2", region_name=local_aws.clients.region, **unknown)
    err = refused(ec2.describe_instance_types, capsys)
    assert says("auth-failure", err)


def test_an_account_that_may_run_no_builds(
    local_aws: ProjectAws, write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write_config(base_image="127.0.0.1:9/another:base")
    with local_aws.faults.on(NO_BUILDS):
        assert push_image.main(["--config", str(config)]) == cli.AWS_REFUSED
    assert says("build-queue", capsys.readouterr().err)


# Permissions, enforced.


@pytest.fixture(scope="module")
def rehearsal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    folder = tmp_path_factory.mktemp("enforced")
    (folder / "pipeline.yaml").write_text(
        (ROOT / "pipeline.yaml")
        .read_text()
        .replace("pipeline/titanic/", f"{ROOT}/pipeline/titanic/")
    )
    with serving(folder, "--enforce-iam") as environment:
        yield Rehearsal(environment, folder, "pipeline.yaml")


@pytest.mark.parametrize(
    ("permission", "name"),
    [
        (Permission(OPERATOR, "GiveThePipelineRole", "iam:PassRole"), "pass-role"),
        (Permission(PIPELINE, "GiveTheTrainingRole", "iam:PassRole"), "pass-role"),
        (Permission(PIPELINE, "TrainingJobsOfPipelines", "sagemaker:AddTags"), "add-tags"),
        (
            Permission(OPERATOR, "RunThePipeline", "sagemaker:StartPipelineExecution"),
            "access-denied",
        ),
        (Permission(TRAINING, "WriteTheResults", "s3:PutObject"), "access-denied"),
        (Permission(OPERATOR, "UploadTheData", "s3:GetObject"), "s3-forbidden"),
        (Permission(TRAINING, "ReadTheData", "s3:GetObject"), "data-denied"),
        (Permission(TRAINING, "FindTheData", "s3:ListBucket"), "data-denied"),
    ],
)
def test_a_permission_that_is_missing(
    permission: Permission, name: str, rehearsal: Rehearsal
) -> None:
    with rehearsal.without(permission):
        outcome = rehearsal.train()
        looked = rehearsal.train("--no-cache")
    assert outcome.code in (cli.NOT_SUCCEEDED, cli.AWS_REFUSED)
    assert says(name, outcome.stderr)
    assert outcome.facts.get("diagnosis", name) == name
    assert looked.code == cli.AWS_REFUSED, "the preflight sees it before the start"
    assert foreseen(name, looked.stderr)
    assert permission.action in looked.stderr
    assert looked.facts == {}


def test_a_policy_that_denies(rehearsal: Rehearsal) -> None:
    deny = {"Effect": "Deny", "Action": "sagemaker:StartPipelineExecution", "Resource": "*"}
    iam = rehearsal.administrator.client("iam")
    policy = {"Version": "2012-10-17", "Statement": [deny]}
    iam.put_user_policy(UserName="operator", PolicyName="deny", PolicyDocument=json.dumps(policy))
    try:
        outcome, looked = rehearsal.train(), rehearsal.check()
    finally:
        iam.delete_user_policy(UserName="operator", PolicyName="deny")
    assert says("explicit-deny", outcome.stderr)
    assert foreseen("explicit-deny", looked.stdout + looked.stderr)


@pytest.mark.parametrize(
    ("keys", "name"),
    [
        ({"AWS_ACCESS_KEY_ID": "AKIAUNKNOWNUNKNOWN12"}, "unknown-key"),
        ({"AWS_SECRET_ACCESS_KEY": "of another key"}, "wrong-secret"),
        ({"AWS_ACCESS_KEY_ID": "AKIA IOSFODNN7EXAMPLE"}, "incomplete-signature"),
    ],
)
def test_a_key_that_is_not_right(
    keys: dict[str, str], name: str, rehearsal: Rehearsal, tmp_path: Path
) -> None:
    assert explained_and_foreseen(name, tmp_path, rehearsal.environment | keys)


# A module that Python imports at its start: the clock of the process is wrong from then on.
CLOCK = """
import datetime

import pandas  # its compiled modules must meet the class that they were built for

right = datetime.datetime


class Any(type):
    def __instancecheck__(cls, value):
        return isinstance(value, right)


class Wrong(right, metaclass=Any):
    @classmethod
    def now(cls, tz=None):
        return right.now(tz) + datetime.timedelta(hours={hours})


datetime.datetime = Wrong
"""


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_is_wrong(hours: int, rehearsal: Rehearsal, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(CLOCK.format(hours=hours))
    environment = rehearsal.environment | {"PYTHONPATH": str(tmp_path)}
    assert explained_by_programs("wrong-clock", tmp_path, environment)


def test_a_key_of_the_bucket_that_the_roles_may_not_use(
    rehearsal: Rehearsal, dataset: Dataset, settings: Settings
) -> None:
    s3 = rehearsal.administrator.client("s3")
    (bucket,) = s3.list_buckets()["Buckets"]
    before = s3.get_bucket_encryption(Bucket=bucket["Name"])["ServerSideEncryptionConfiguration"]
    key = rehearsal.administrator.client("kms").create_key()["KeyMetadata"]["Arn"]
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    rules = {"Rules": [{"ApplyServerSideEncryptionByDefault": default}]}
    upload(s3, dataset, bucket["Name"], settings.prefix)  # there already, without the key
    s3.put_bucket_encryption(Bucket=bucket["Name"], ServerSideEncryptionConfiguration=rules)
    try:
        outcome, looked = rehearsal.train(), rehearsal.check()
    finally:
        s3.put_bucket_encryption(Bucket=bucket["Name"], ServerSideEncryptionConfiguration=before)
    assert outcome.code == cli.NOT_SUCCEEDED
    assert says("kms-key", outcome.stderr)
    assert outcome.facts["diagnosis"] == "kms-key"
    assert "must both allow kms:GenerateDataKey" in outcome.stderr
    assert foreseen("kms-key", looked.stdout + looked.stderr)


def test_a_build_that_fails_after_its_smoke_training_is_not_said_to_fail_in_it() -> None:
    seen = {entry.id: entry.seen for entry in catalogue()}
    log = f"{seen['smoke-training']}\nmetric validation:auc=0.9\nSBOM of titanic:0123\n"
    found = diagnose(log + seen["access-denied"])
    assert found is not None
    assert found.id == "access-denied"


# A pipeline's run, from the start to the model.


@pytest.fixture
def command(
    tmp_path: Path,
    write_config: WriteConfig,
    local_aws: ProjectAws,  # noqa: ARG001
    here: Path,  # noqa: ARG001
    capsys: pytest.CaptureFixture[str],
) -> Start:
    """Calls the command with a pipeline of this test's own: the exit code, and what it said."""
    name = f"titanic-pipeline-d-{hashlib.sha1(str(tmp_path).encode()).hexdigest()[:12]}"

    def call(*arguments: str, **settings: Any) -> tuple[int, str]:
        code = main(["--config", str(write_config(pipeline_name=name, **settings)), *arguments])
        return code, capsys.readouterr().err

    return call


@pytest.fixture
def start(command: Start) -> Start:
    """Without looking for what would fail."""
    return lambda *arguments, **settings: command("--no-preflight", *arguments, **settings)


@pytest.fixture
def look(command: Start) -> Look:
    """Looks for what would fail, and starts nothing."""
    return lambda *arguments, **settings: command("--dry-run", *arguments, **settings)[1]


@pytest.fixture
def fail(start: Start, tmp_path: Path) -> Look:
    """Starts a run that fails: the failure is explained and recorded. Returns what was said."""

    def call(name: str, *arguments: str, **settings: Any) -> str:
        code, err = start(*arguments, **settings)
        assert code == cli.NOT_SUCCEEDED
        assert says(name, err)
        assert diagnosed(tmp_path) == [name]
        return err

    return call


def diagnosed(folder: Path) -> list[str]:
    """What the records of the runs keep, the oldest first."""
    paths = sorted(
        (folder / "here" / "runs").glob("*/run.json"), key=lambda path: path.stat().st_mtime_ns
    )
    return [json.loads(path.read_text("utf-8"))["diagnosis"] for path in paths]


def test_a_model_that_is_not_good_enough(fail: Look, tmp_path: Path) -> None:
    err = fail("quality-gate", "--parameter", "MinValidationAuc=0.99")
    assert "error: execution Failed: step ValidationAucTooLow: validation:auc 0.9" in err
    assert re.search(r"its validation AUC 0\.9\d+ is below the minimum 0\.99", err)
    (run,) = (tmp_path / "here" / "runs").iterdir()
    assert f"\ncheck: cat runs/{run.name}/metrics.json\n" in err, "of this run"
    assert (run / "model.tar.gz").exists(), "the model was trained: it can be looked at"


def test_a_result_that_was_reused_is_no_failure_but_said(start: Start, tmp_path: Path) -> None:
    assert start()[0] == cli.SUCCEEDED
    code, err = start()
    assert code == cli.SUCCEEDED
    assert "\nnote: the result was reused from arn:aws:sagemaker:" in err
    assert says("result-reused", err)
    assert diagnosed(tmp_path)[-1] == "result-reused"


def test_a_run_that_takes_too_long(fail: Look, tmp_path: Path) -> None:
    err = fail("max-runtime", max_run_seconds=1, hyperparameters=SLOW)
    assert "step Train: ClientError: the job was stopped: MaxRuntimeExceeded" in err
    (run,) = (tmp_path / "here" / "runs").iterdir()
    kept = ["report.ko.md", "report.md", "report.zip", "run.json"]
    assert sorted(path.name for path in run.iterdir()) == kept


@pytest.mark.parametrize("name", ["job-stopped", "execution-stopped"])
def test_a_run_that_someone_stops(name: str, fail: Look, local_aws: ProjectAws) -> None:
    sagemaker = local_aws.clients.client("sagemaker")
    before = {
        job["TrainingJobName"] for job in sagemaker.list_training_jobs()["TrainingJobSummaries"]
    }

    def stop() -> None:
        while True:
            jobs = sagemaker.list_training_jobs()["TrainingJobSummaries"]
            new = [job["TrainingJobName"] for job in jobs if job["TrainingJobName"] not in before]
            if new and status(new[0]) == "Training":
                break
            time.sleep(0.1)
        if name == "job-stopped":
            sagemaker.stop_training_job(TrainingJobName=new[0])
            return
        (arn,) = [
            execution["PipelineExecutionArn"]
            for pipeline in sagemaker.list_pipelines()["PipelineSummaries"]
            for execution in sagemaker.list_pipeline_executions(
                PipelineName=pipeline["PipelineName"]
            )["PipelineExecutionSummaries"]
            if execution["PipelineExecutionStatus"] == "Executing"
        ]
        sagemaker.stop_pipeline_execution(PipelineExecutionArn=arn, ClientRequestToken="x" * 32)

    def status(job: str) -> str:
        described = sagemaker.describe_training_job(TrainingJobName=job)
        return str(described["SecondaryStatus"])

    stopper = threading.Thread(target=stop)
    stopper.start()
    err = fail(name, hyperparameters=SLOW)
    stopper.join()
    ended = "Stopped" if name == "execution-stopped" else "Failed"
    assert f"error: execution {ended}: " in err


def one_class(content: bytes) -> bytes:
    header, *rows = content.splitlines()
    return b"\n".join([header, *(row for row in rows if row.startswith(b"1,"))])


@pytest.mark.parametrize(
    ("key", "change", "name"),
    [
        ("_SUCCESS", lambda _: b"", "no-file"),
        ("train.csv", lambda content: content.replace(b"fare", b"price"), "missing-columns"),
        ("train.csv", lambda content: content.replace(b",3,", b",three,", 1), "invalid-cell"),
        ("train.csv", one_class, "one-class"),
    ],
)
def test_data_that_is_not_what_the_program_needs(
    key: str,
    change: Callable[[bytes], bytes],
    name: str,
    fail: Look,
    look: Look,
    local_aws: ProjectAws,
    dataset: Dataset,
) -> None:
    bucket, prefix = local_aws.stack.bucket, f"diagnosis/data/{name}/"
    local_aws.clients.client("s3").put_object(
        Bucket=bucket, Key=f"{prefix}{key}", Body=change(dataset.channels["train"])
    )
    parameter = f"TrainDataUri=s3://{bucket}/{prefix}"
    fail(name, "--parameter", parameter)
    assert foreseen(name, look("--parameter", parameter))


@pytest.mark.parametrize(
    ("parameter", "name"),
    [
        ("TrainDataUri=s3://no-such-bucket-anywhere/x/", "no-bucket"),
        ("TrainDataUri=s3://{bucket}/nothing/here/", "no-objects"),
        ("ImageUri={repository}@sha256:" + "0" * 64, "no-image"),
    ],
)
def test_a_parameter_that_leads_nowhere(
    parameter: str, name: str, fail: Look, look: Look, local_aws: ProjectAws
) -> None:
    stack = local_aws.stack
    value = parameter.format(bucket=stack.bucket, repository=stack.repository_uri)
    fail(name, "--parameter", value)
    assert foreseen(name, look("--parameter", value))


def test_data_in_another_region(
    fail: Look, look: Look, local_aws: ProjectAws, dataset: Dataset
) -> None:
    s3, bucket, key = local_aws.clients.client("s3"), "diagnosis-far-away", "data/train.csv"
    where = {"LocationConstraint": "eu-west-1"}
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=where)
    s3.put_object(Bucket=bucket, Key=key, Body=dataset.channels["train"])
    parameter = f"TrainDataUri=s3://{bucket}/data/"
    try:
        fail("other-region", "--parameter", parameter)
        assert foreseen("other-region", look("--parameter", parameter))
    finally:
        s3.delete_object(Bucket=bucket, Key=key)
        s3.delete_bucket(Bucket=bucket)


def test_an_image_that_was_pushed_as_an_index(
    fail: Look, look: Look, local_aws: ProjectAws
) -> None:
    ecr, uri = local_aws.clients.client("ecr"), local_aws.stack.repository_uri
    kind, name = "application/vnd.oci.image.index.v1+json", uri.partition("/")[2]
    index = {"schemaVersion": 2, "mediaType": kind, "manifests": []}
    image = ecr.put_image(repositoryName=name, imageManifest=json.dumps(index), imageTag="index")[
        "image"
    ]["imageId"]
    parameter = f"ImageUri={uri}@{image['imageDigest']}"
    try:
        fail("manifest-format", "--parameter", parameter)
        assert foreseen("manifest-format", look("--parameter", parameter))
    finally:
        ecr.batch_delete_image(repositoryName=name, imageIds=[image])


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"architecture": "arm64"}, "wrong-architecture"),
        ({"config": {}}, "no-entrypoint"),
    ],
)
def test_an_image_whose_configuration_tells_that_it_will_not_run(
    change: dict[str, Any], name: str, look: Look, local_aws: ProjectAws
) -> None:
    """That it does not is in test_diagnosis_containers.py."""
    ecr, uri = local_aws.clients.client("ecr"), local_aws.stack.repository_uri
    digest = put_image(ecr, uri, name, name.encode(), CONFIG | change)
    looked = look("--parameter", f"ImageUri={uri}@{digest}")
    ecr.batch_delete_image(repositoryName=uri.partition("/")[2], imageIds=[{"imageDigest": digest}])
    assert foreseen(name, looked)


# What AWS does now and then.


def test_an_operation_that_is_called_too_often(
    fail: Look, local_aws: ProjectAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with local_aws.faults.on(THROTTLING):
        fail("throttled")


def test_a_region_without_a_free_instance(
    fail: Look, local_aws: ProjectAws, tmp_path: Path
) -> None:
    sagemaker = local_aws.clients.client("sagemaker")
    with local_aws.faults.on(NO_CAPACITY):
        fail("no-capacity", "--no-cache")
    (run,) = (tmp_path / "here" / "runs").iterdir()
    jobs = sagemaker.list_training_jobs()["TrainingJobSummaries"]
    tried = [job for job in jobs if run.name in job["TrainingJobName"]]
    assert len(tried) == 1 + RETRIES, "it was tried again"


def test_no_spot_instance_within_the_longest_wait(fail: Look, local_aws: ProjectAws) -> None:
    with local_aws.faults.on(NO_CAPACITY):
        fail("max-wait", "--no-cache", spot=True, max_run_seconds=1, max_wait_seconds=1)


def test_a_spot_instance_that_is_taken_away(fail: Look, local_aws: ProjectAws) -> None:
    short = {"max_run_seconds": 10, "max_wait_seconds": 10}
    with local_aws.faults.on(SPOT_INTERRUPTION):
        err = fail("spot-interrupted", "--no-cache", spot=True, **short, hyperparameters=SLOW)
    assert "  phase Interrupted: " in err


def test_an_execution_that_reaches_the_cost_that_is_allowed(
    fail: Look, local_aws: ProjectAws, dataset: Dataset
) -> None:
    """A second of training is; loading many files is billed too, and was not foreseen."""
    s3, bucket, prefix = local_aws.clients.client("s3"), local_aws.stack.bucket, "diagnosis/data/c/"
    s3.put_object(Bucket=bucket, Key=f"{prefix}train.csv", Body=dataset.channels["train"])
    for number in range(100):
        s3.put_object(Bucket=bucket, Key=f"{prefix}_{number}", Body=b"")
    parameter = f"TrainDataUri=s3://{bucket}/{prefix}"
    limits = {"max_run_seconds": 1, "max_cost_usd": 0.000032}
    err = fail("cost-ceiling", "--parameter", parameter, **limits, hyperparameters=SLOW)
    assert "stopping the execution" in err
    assert "execution: Stopped" in err


def test_a_bucket_whose_policy_denies(fail: Look, local_aws: ProjectAws) -> None:
    s3, bucket = local_aws.clients.client("s3"), local_aws.stack.bucket
    deny = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/*",
    }
    policy = {"Version": "2012-10-17", "Statement": [deny]}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    try:
        fail("data-denied", "--no-cache")
    finally:
        s3.delete_bucket_policy(Bucket=bucket)


def test_a_role_that_does_not_trust_sagemaker(
    start: Start, look: Look, local_aws: ProjectAws
) -> None:
    iam = local_aws.clients.client("iam")
    role = local_aws.stack.pipeline_role_arn.rpartition("/")[2]
    trust = iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]
    stranger = json.dumps(trust).replace("sagemaker.amazonaws.com", "ec2.amazonaws.com")
    iam.update_assume_role_policy(RoleName=role, PolicyDocument=stranger)
    try:
        code, err = start()
        looked = look()
    finally:
        iam.update_assume_role_policy(RoleName=role, PolicyDocument=json.dumps(trust))
    assert code == cli.AWS_REFUSED
    assert says("role-not-assumed", err)
    assert foreseen("role-not-assumed", looked)


def test_what_nobody_knows_comes_with_the_end_of_the_log(
    start: Start, local_aws: ProjectAws, dataset: Dataset, tmp_path: Path
) -> None:
    bucket, key = local_aws.stack.bucket, "diagnosis/data/unknown/train.csv"
    content = dataset.channels["train"].replace(b"Mr.", "Mé".encode("latin-1"), 1)
    local_aws.clients.client("s3").put_object(Bucket=bucket, Key=key, Body=content)
    code, err = start("--parameter", f"TrainDataUri=s3://{bucket}/{key}")
    assert code == cli.NOT_SUCCEEDED
    assert re.search(
        r"\nerror: execution Failed: step Train: AlgorithmError: \S+train\.csv: not in UTF-8.*\n"
        r"(.*\n)?training job (\S+): Failed; the end of its log:\n"
        r"  hyperparameter num_round=100\n(  .*\n)+  error: \S+train\.csv: not in UTF-8.*\n"
        r"(  .*\n)?hint: the whole log is in CloudWatch Logs, /aws/sagemaker/TrainingJobs: "
        r"\2/\.\.\.; "
        r"`aws sagemaker describe-training-job --training-job-name \2` has the rest\n$",
        err,
    )
    assert "\ncause: " not in err
    assert diagnosed(tmp_path) == [None]


# What comes by another way than the command: SageMaker Studio, boto3, the SDK.


@pytest.fixture(scope="module")
def jobs(local_aws: ProjectAws, dataset: Dataset) -> Jobs:
    return Jobs(local_aws, dataset)


@pytest.mark.parametrize(
    ("hyperparameters", "name"),
    [
        ({"num_round": "1", "depth": "3"}, "unknown-hyperparameter"),
        ({"num_round": "1", "max_depth": "99"}, "hyperparameter-value"),
        ({"num_round": "many"}, "hyperparameter-value"),
    ],
)
def test_a_hyperparameter_that_the_program_refuses(
    hyperparameters: dict[str, str], name: str, jobs: Jobs
) -> None:
    job = jobs.wait(jobs.start(HyperParameters=hyperparameters))
    assert says(name, explained(job["FailureReason"]))


def test_a_channel_of_another_name(jobs: Jobs) -> None:
    """`training` is what the SDK calls a single one."""
    job = jobs.wait(jobs.start(InputDataConfig=[channel("training", jobs.uris["train"])]))
    assert says("no-channel", explained(job["FailureReason"]))


def refused(call: Callable[..., object], capsys: pytest.CaptureFixture[str], **request: Any) -> str:
    """What a command of this project says of a request that is refused."""

    def command() -> int:
        call(**request)
        return cli.SUCCEEDED

    assert cli.run(command) == cli.AWS_REFUSED
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("instance_type", "name", "what"),
    [
        ("ml.t3.large", "quota", "the quota `ml.t3.large for training job usage` is 0, which"),
        ("ml.p3.2xlarge", "not-in-region", "training-job/ml.p3.2xlarge is not available in this"),
    ],
)
def test_an_instance_that_the_account_or_the_region_does_not_have(
    instance_type: str,
    name: str,
    what: str,
    jobs: Jobs,
    look: Look,
    capsys: pytest.CaptureFixture[str],
) -> None:
    resources = jobs.request()["ResourceConfig"] | {"InstanceType": instance_type}
    request = jobs.request(ResourceConfig=resources)
    err = refused(jobs.sagemaker.create_training_job, capsys, **request)
    assert says(name, err)
    assert what in err
    assert foreseen(name, look("--parameter", f"InstanceType={instance_type}"))


@pytest.mark.parametrize(
    ("arguments", "changes", "name"),
    [
        (["--parameter", "max_dept=3"], {}, "unknown-parameter"),
        (["--parameter", "max_depth=deep"], {}, "parameter-type"),
        ([], {"hyperparameters": {"depth": 3}}, "unknown-hyperparameter"),
        ([], {"hyperparameters": {"max_depth": 99}}, "hyperparameter-value"),
        ([], {"spot": True, "max_wait_seconds": 1}, "spot-wait"),
    ],
)
def test_what_the_command_refuses_before_it_asks_anyone(
    arguments: list[str], changes: dict[str, Any], name: str, look: Look
) -> None:
    assert foreseen(name, look(*arguments, **changes))


def test_a_value_that_is_longer_than_the_api_takes(
    jobs: Jobs, capsys: pytest.CaptureFixture[str]
) -> None:
    request = jobs.request(HyperParameters={"columns": "x" * 2501})
    err = refused(jobs.sagemaker.create_training_job, capsys, **request)
    assert "failed to satisfy constraint: length 2501 is more than 2500" in err
    assert says("constraint", err)


def test_a_vpc_from_which_s3_cannot_be_reached(jobs: Jobs, local_aws: ProjectAws) -> None:
    ec2 = local_aws.clients.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.1.0.0/24")["Subnet"]
    place = {"Subnets": [subnet["SubnetId"]], "SecurityGroupIds": ["sg-12345678"]}
    job = jobs.wait(jobs.start(VpcConfig=place))
    assert says("vpc-without-s3", explained(job["FailureReason"]))
    (table,) = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [subnet["VpcId"]]}])[
        "RouteTables"
    ]
    ec2.create_vpc_endpoint(
        VpcId=vpc, ServiceName="com.amazonaws.us-east-1.s3", RouteTableIds=[table["RouteTableId"]]
    )
    job = jobs.wait(jobs.start(VpcConfig=place))
    assert job["TrainingJobStatus"] == "Completed", "as the fix says"


def test_a_longest_wait_without_spot(jobs: Jobs, capsys: pytest.CaptureFixture[str]) -> None:
    stopping = {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 60}
    request = jobs.request(StoppingCondition=stopping)
    assert says("spot-wait", refused(jobs.sagemaker.create_training_job, capsys, **request))


def test_a_definition_that_is_none(jobs: Jobs, capsys: pytest.CaptureFixture[str]) -> None:
    err = refused(
        jobs.sagemaker.create_pipeline,
        capsys,
        PipelineName="titanic-pipeline-no-definition",
        PipelineDefinition='{"Version": "2020-12-01"}',
        ClientRequestToken="x" * 32,
        RoleArn=jobs.stack.pipeline_role_arn,
    )
    assert says("definition", err)


@pytest.mark.parametrize(
    ("parameter", "value", "name"),
    [
        ("max_dept", "3", "unknown-parameter"),
        ("max_depth", "deep", "parameter-type"),
    ],
)
def test_a_form_of_studio_filled_in_wrongly(
    parameter: str,
    value: str,
    name: str,
    start: Start,
    jobs: Jobs,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert start("--no-wait", "--parameter", "num_round=1")[0] == cli.SUCCEEDED
    pipeline = f"titanic-pipeline-d-{hashlib.sha1(str(tmp_path).encode()).hexdigest()[:12]}"
    err = refused(
        jobs.sagemaker.start_pipeline_execution,
        capsys,
        PipelineName=pipeline,
        PipelineParameters=[{"Name": parameter, "Value": value}],
        ClientRequestToken="x" * 32,
    )
    assert says(name, err)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with small_file_system(tmp_path / "small", "3m") as folder:
        yield folder


def test_a_disk_that_is_full(small_disk: Path, tmp_path: Path, write_config: WriteConfig) -> None:
    (tmp_path / "home").mkdir()
    with serving(tmp_path / "home", variables={"TMPDIR": str(small_disk)}) as environment:
        s3 = container_engine.administrator(environment).client("s3")
        (bucket,) = s3.list_buckets()["Buckets"]
        body = os.urandom(4 * 2**20)
        s3.put_object(Bucket=bucket["Name"], Key="big/data/train.csv", Body=body)
        parameter = f"TrainDataUri=s3://{bucket['Name']}/big/data/"
        arguments = [f"--config={write_config()}", "--no-preflight", "--parameter", parameter]
        done = subprocess.run(
            [sys.executable, SCRIPT, *arguments],
            env=environment,
            cwd=tmp_path / "home",
            capture_output=True,
            text=True,
        )
    assert done.returncode == cli.NOT_SUCCEEDED
    assert says("disk", done.stderr)
