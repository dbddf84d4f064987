"""Failures, really produced on local AWS, and what the commands say of them. Those that need a
container are in test_diagnosis_containers.py."""

import hashlib
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pipeline import cli
from pipeline.data import Dataset
from pipeline.diagnosis import CATALOGUE, Entry, catalogue, diagnose, page
from pipeline.local_aws.clients import Clients
from pipeline.local_aws.server import LocalAws
from pipeline.upsert_and_start import main

import pytest
from conftest import ROOT, SLOW, WriteConfig, serving, small_file_system
from explained import explained, says
from least_privilege import OPERATOR, PIPELINE, TRAINING, Permission, Rehearsal
from test_local_aws_training import Jobs, channel

PAGE = ROOT / "docs" / "troubleshooting.md"
SCRIPT = ROOT / "pipeline" / "upsert_and_start.py"
KEYS = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
NOBODY = "http://127.0.0.1:9"

Start = Callable[..., tuple[int, str]]


# The catalogue itself.


@pytest.mark.parametrize("entry", catalogue(), ids=lambda entry: entry.id)
def test_an_entry_is_found_by_what_its_source_quotes(entry: Entry) -> None:
    """For a recorded one this is all there is: local AWS cannot produce it."""
    found = diagnose(entry.seen)
    assert found is not None
    assert found.id == entry.id
    assert "None" not in str(found)
    assert re.fullmatch(r"https://(github|docs\.aws\.amazon)\.com/\S+", entry.source)


@pytest.mark.parametrize("entry", catalogue(), ids=lambda entry: entry.id)
def test_the_texts_name_what_the_pattern_finds_and_nothing_else(entry: Entry) -> None:
    texts = f"{entry.cause} {entry.check} {entry.cure}".replace("{{", "").replace("}}", "")
    assert set(re.findall(r"{(\w+)}", texts)) == set(re.compile(entry.pattern).groupindex)


def test_every_entry_is_produced_by_a_test_or_marked_as_recorded() -> None:
    tests = [*(ROOT / "tests").glob("test_diagnosis*.py"), ROOT / "tests/test_containers_broken.py"]
    produced = set(re.findall(r'"([a-z0-9-]+)"', "".join(path.read_text() for path in tests)))
    names = [entry.id for entry in catalogue()]
    assert len(names) == len(set(names)) >= 30
    assert [e.id for e in catalogue() if not e.recorded and e.id not in produced] == []
    assert [e.id for e in catalogue() if e.recorded and e.id in produced] == []


def test_the_page_is_that_of_the_catalogue() -> None:
    assert PAGE.read_text("utf-8") == page()
    done = subprocess.run(
        [sys.executable, str(CATALOGUE.with_suffix(".py"))], capture_output=True, text=True
    )
    assert done.stdout == page()


# Before anything is reached: credentials and network.


def run(home: Path, environment: dict[str, str]) -> str:
    """What the command says that a user has just called."""
    done = subprocess.run(
        [sys.executable, str(SCRIPT)],
        env={"PATH": os.defpath, "HOME": str(home), "AWS_EC2_METADATA_DISABLED": "true"}
        | {"AWS_MAX_ATTEMPTS": "1"}
        | environment,
        cwd=home,
        capture_output=True,
        text=True,
    )
    assert done.returncode in (cli.WRONG_INPUT, cli.AWS_REFUSED)
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        ({}, "no-credentials"),
        ({"AWS_PROFILE": "nobody"}, "unknown-profile"),
        ({"AWS_ENDPOINT_URL": "localhost:9"}, "endpoint-without-scheme"),
        (KEYS | {"AWS_ENDPOINT_URL": NOBODY}, "endpoint-unreachable"),
        (KEYS | {"AWS_ENDPOINT_URL": NOBODY, "HTTP_PROXY": NOBODY}, "proxy-unreachable"),
    ],
)
def test_what_keeps_the_command_from_aws(
    environment: dict[str, str], name: str, tmp_path: Path
) -> None:
    assert says(name, run(tmp_path, environment))


def test_who_has_no_certificate_that_is_trusted(local_aws: LocalAws, tmp_path: Path) -> None:
    endpoint = local_aws.clients.endpoint.replace("http://", "https://")
    assert says("certificate", run(tmp_path, KEYS | {"AWS_ENDPOINT_URL": endpoint}))


def test_a_login_whose_time_is_over(tmp_path: Path) -> None:
    config = tmp_path / ".aws" / "config"
    config.parent.mkdir()
    config.write_text(
        "[default]\nsso_session = work\nsso_account_id = 111122223333\nsso_role_name = me\n"
        "[sso-session work]\nsso_region = us-east-1\nsso_start_url = https://work.awsapps.com/\n"
    )
    token = {"accessToken": "x", "expiresAt": "2020-01-01T00:00:00Z", "region": "us-east-1"}
    cache = config.parent / "sso" / "cache" / f"{hashlib.sha1(b'work').hexdigest()}.json"
    cache.parent.mkdir(parents=True)
    cache.write_text(json.dumps(token))
    assert says("expired-credentials", run(tmp_path, {}))


def test_a_refusal_that_nobody_knows_says_how_to_go_on(
    capsys: pytest.CaptureFixture[str], local_aws: LocalAws
) -> None:
    sagemaker = local_aws.clients.client("sagemaker")
    err = refused(sagemaker.describe_training_job, capsys, TrainingJobName="nobody")
    assert "(ValidationException) when calling the DescribeTrainingJob operation" in err
    assert err.endswith(f"\nhint: {cli.UNKNOWN}\n")
    assert "cause: " not in err


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
    assert permission.action in looked.stderr
    assert looked.facts == {}


def test_a_policy_that_denies(rehearsal: Rehearsal) -> None:
    deny = {"Effect": "Deny", "Action": "sagemaker:StartPipelineExecution", "Resource": "*"}
    iam = rehearsal.administrator.client("iam")
    policy = {"Version": "2012-10-17", "Statement": [deny]}
    iam.put_user_policy(UserName="operator", PolicyName="deny", PolicyDocument=json.dumps(policy))
    try:
        outcome = rehearsal.train()
    finally:
        iam.delete_user_policy(UserName="operator", PolicyName="deny")
    assert says("explicit-deny", outcome.stderr)


@pytest.mark.parametrize(
    ("keys", "name"),
    [
        ({"AWS_ACCESS_KEY_ID": "AKIAUNKNOWNUNKNOWN12"}, "unknown-key"),
        ({"AWS_SECRET_ACCESS_KEY": "of another key"}, "wrong-secret"),
    ],
)
def test_a_key_that_is_not_right(
    keys: dict[str, str], name: str, rehearsal: Rehearsal, tmp_path: Path
) -> None:
    assert says(name, run(tmp_path, rehearsal.environment | keys))


# A pipeline's run, from the start to the model.


@pytest.fixture
def start(
    tmp_path: Path,
    write_config: WriteConfig,
    local_aws: LocalAws,  # noqa: ARG001
    here: Path,  # noqa: ARG001
    capsys: pytest.CaptureFixture[str],
) -> Start:
    """Calls the command with a pipeline of this test's own, without looking for what would fail:
    the exit code, and what it said."""
    name = f"d-{hashlib.sha1(str(tmp_path).encode()).hexdigest()[:12]}"

    def call(*arguments: str, **settings: Any) -> tuple[int, str]:
        config = str(write_config(pipeline_name=name, **settings))
        code = main(["--config", config, "--no-preflight", *arguments])
        return code, capsys.readouterr().err

    return call


def diagnosed(folder: Path) -> list[str]:
    """What the records of the runs keep, the oldest first."""
    paths = sorted(
        (folder / "here" / "runs").glob("*/run.json"), key=lambda path: path.stat().st_mtime_ns
    )
    return [json.loads(path.read_text("utf-8"))["diagnosis"] for path in paths]


def test_a_model_that_is_not_good_enough(start: Start, tmp_path: Path) -> None:
    code, err = start("--parameter", "MinValidationAuc=0.99")
    assert code == cli.NOT_SUCCEEDED
    assert says("quality-gate", err)
    assert re.search(r"its validation AUC of 0\.9\d+ is below the 0\.99 that was asked for", err)
    assert diagnosed(tmp_path) == ["quality-gate"]


def test_a_result_that_was_reused_is_no_failure_but_said(start: Start, tmp_path: Path) -> None:
    assert start()[0] == cli.SUCCEEDED
    code, err = start()
    assert code == cli.SUCCEEDED
    assert "\nnote: the result was reused from arn:aws:sagemaker:" in err
    assert says("result-reused", err)
    assert diagnosed(tmp_path)[-1] == "result-reused"


def test_a_run_that_takes_too_long(start: Start, tmp_path: Path) -> None:
    code, err = start(max_run_seconds=1, hyperparameters=SLOW)
    assert code == cli.NOT_SUCCEEDED
    assert says("max-runtime", err)
    assert diagnosed(tmp_path) == ["max-runtime"]


@pytest.mark.parametrize("name", ["job-stopped", "execution-stopped"])
def test_a_run_that_someone_stops(
    name: str, start: Start, local_aws: LocalAws, tmp_path: Path
) -> None:
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
    code, err = start(hyperparameters=SLOW)
    stopper.join()
    assert code == cli.NOT_SUCCEEDED
    assert says(name, err)
    assert diagnosed(tmp_path) == [name]


def one_class(content: bytes) -> bytes:
    header, *rows = content.splitlines()
    return b"\n".join([header, *(row for row in rows if row.startswith(b"1,"))])


@pytest.mark.parametrize(
    ("key", "change", "name"),
    [
        ("_SUCCESS", lambda _: b"", "no-file"),
        ("train.csv", lambda content: content.replace(b"fare", b"price"), "missing-columns"),
        ("train.csv", lambda content: content.replace(b",3,", b",three,", 1), "not-a-number"),
        ("train.csv", one_class, "one-class"),
    ],
)
def test_data_that_is_not_what_the_program_needs(
    key: str,
    change: Callable[[bytes], bytes],
    name: str,
    start: Start,
    local_aws: LocalAws,
    dataset: Dataset,
    tmp_path: Path,
) -> None:
    bucket, prefix = local_aws.stack.bucket, f"diagnosis/data/{name}/"
    local_aws.clients.client("s3").put_object(
        Bucket=bucket, Key=f"{prefix}{key}", Body=change(dataset.channels["train"])
    )
    code, err = start("--parameter", f"TrainDataUri=s3://{bucket}/{prefix}")
    assert code == cli.NOT_SUCCEEDED
    assert says(name, err)
    assert diagnosed(tmp_path) == [name]


@pytest.mark.parametrize(
    ("parameter", "name"),
    [
        ("TrainDataUri=s3://no-such-bucket-anywhere/x/", "no-bucket"),
        ("TrainDataUri=s3://{bucket}/nothing/here/", "no-objects"),
        ("ImageUri={repository}@sha256:" + "0" * 64, "no-image"),
    ],
)
def test_a_parameter_that_leads_nowhere(
    parameter: str, name: str, start: Start, local_aws: LocalAws, tmp_path: Path
) -> None:
    stack = local_aws.stack
    value = parameter.format(bucket=stack.bucket, repository=stack.repository_uri)
    code, err = start("--parameter", value)
    assert code == cli.NOT_SUCCEEDED
    assert says(name, err)
    assert diagnosed(tmp_path) == [name]


def test_a_bucket_whose_policy_denies(start: Start, local_aws: LocalAws) -> None:
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
        code, err = start("--no-cache")
    finally:
        s3.delete_bucket_policy(Bucket=bucket)
    assert code == cli.NOT_SUCCEEDED
    assert says("data-denied", err)


def test_a_role_that_does_not_trust_sagemaker(start: Start, local_aws: LocalAws) -> None:
    iam = local_aws.clients.client("iam")
    role = local_aws.stack.pipeline_role_arn.rpartition("/")[2]
    trust = iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]
    stranger = json.dumps(trust).replace("sagemaker.amazonaws.com", "ec2.amazonaws.com")
    iam.update_assume_role_policy(RoleName=role, PolicyDocument=stranger)
    try:
        code, err = start()
    finally:
        iam.update_assume_role_policy(RoleName=role, PolicyDocument=json.dumps(trust))
    assert code == cli.AWS_REFUSED
    assert says("role-not-assumed", err)


def test_what_nobody_knows_comes_with_the_end_of_the_log(
    start: Start, local_aws: LocalAws, dataset: Dataset, tmp_path: Path
) -> None:
    bucket, key = local_aws.stack.bucket, "diagnosis/data/unknown/train.csv"
    content = dataset.channels["train"] + "é".encode("latin-1")
    local_aws.clients.client("s3").put_object(Bucket=bucket, Key=key, Body=content)
    code, err = start("--parameter", f"TrainDataUri=s3://{bucket}/{key}")
    assert code == cli.NOT_SUCCEEDED
    assert re.search(
        r"\nerror: execution Failed: step Train: AlgorithmError: \S+train\.csv: not UTF-8.*\n"
        r"(.*\n)?training job (\S+): Failed; the end of its log:\n"
        r"  hyperparameter num_round=100\n(  .*\n)+  error: \S+train\.csv: not UTF-8.*\n"
        r"(  .*\n)?hint: all of it is in CloudWatch Logs, /aws/sagemaker/TrainingJobs: \2/\.\.\.; "
        r"`aws sagemaker describe-training-job --training-job-name \2` has the rest\n$",
        err,
    )
    assert "\ncause: " not in err
    assert diagnosed(tmp_path) == [None]


# What comes by another way than the command: SageMaker Studio, boto3, the SDK.


@pytest.fixture(scope="module")
def jobs(local_aws: LocalAws, dataset: Dataset) -> Jobs:
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


def test_a_job_beyond_the_quota(jobs: Jobs, capsys: pytest.CaptureFixture[str]) -> None:
    resources = jobs.request()["ResourceConfig"] | {"InstanceType": "ml.t3.large"}
    request = jobs.request(ResourceConfig=resources)
    err = refused(jobs.sagemaker.create_training_job, capsys, **request)
    assert says("quota", err)
    assert "may have 0 of `ml.t3.large for training job usage`" in err


def test_a_longest_wait_without_spot(jobs: Jobs, capsys: pytest.CaptureFixture[str]) -> None:
    stopping = {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 60}
    request = jobs.request(StoppingCondition=stopping)
    assert says("spot-wait", refused(jobs.sagemaker.create_training_job, capsys, **request))


def test_a_definition_that_is_none(jobs: Jobs, capsys: pytest.CaptureFixture[str]) -> None:
    err = refused(
        jobs.sagemaker.create_pipeline,
        capsys,
        PipelineName="no-definition",
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
    pipeline = f"d-{hashlib.sha1(str(tmp_path).encode()).hexdigest()[:12]}"
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
        names = ("AWS_ENDPOINT_URL", "AWS_REGION")
        s3 = Clients(*(environment[name] for name in names)).client("s3")
        (bucket,) = s3.list_buckets()["Buckets"]
        body = os.urandom(4 * 2**20)
        s3.put_object(Bucket=bucket["Name"], Key="big/data/train.csv", Body=body)
        parameter = f"TrainDataUri=s3://{bucket['Name']}/big/data/"
        done = subprocess.run(
            [
                sys.executable,
                SCRIPT,
                f"--config={write_config()}",
                "--no-preflight",
                "--parameter",
                parameter,
            ],
            env=environment,
            cwd=tmp_path / "home",
            capture_output=True,
            text=True,
        )
    assert done.returncode == cli.NOT_SUCCEEDED
    assert says("disk", done.stderr)
