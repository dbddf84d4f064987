"""From the registry to predictions, by the commands, with the image's own server on local AWS."""

import contextlib
import csv
import dataclasses
import gzip
import io
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from container.contract import VALIDATION_CHANNEL
from container.errors import InputError
from container.predict import COLUMNS
from local_aws.faults.injection import NO_CAPACITY, THROTTLING
from pipeline import approve, cli, deploy_model, score, upsert_and_start
from pipeline.data import Dataset, split_uri
from pipeline.execution.archive import download_artifact
from pipeline.local import ProjectAws
from pipeline.runs import RUNS
from pipeline.serving import batch
from pipeline.serving.comparison import compare
from pipeline.serving.configuration import make_configuration, make_model
from pipeline.serving.endpoint import (
    NotServed,
    deploy,
    endpoint_name,
    find_served,
    move,
    wait,
)
from pipeline.serving.smoke import make_smoke_test
from pipeline.serving.versions import APPROVED, REJECTED, Version, describe_version, find_version
from pipeline.settings import Settings

import boto3
import pandas as pd
import pytest
from botocore.exceptions import BotoCoreError, ClientError, ConnectionClosedError
from conftest import ROOT, WriteConfig
from explained import explained, says
from generated import assert_sample_current
from program import ENVIRONMENT
from test_container_reading import write_parquet

NAME, CANDIDATE = "titanic-pipeline-endpoint", "titanic-pipeline-candidate"


@pytest.fixture(scope="module")
def sagemaker(local_aws: ProjectAws) -> Any:
    return local_aws.clients.client("sagemaker")


@pytest.fixture(scope="module")
def train(
    local_aws: ProjectAws,  # noqa: ARG001
    tmp_path_factory: pytest.TempPathFactory,
    sagemaker: Any,
) -> Callable[..., Version]:
    """Train by the main command, and return the version that it registers."""
    folder = tmp_path_factory.mktemp("runs")

    def call(*arguments: str) -> Version:
        with contextlib.chdir(folder):
            assert upsert_and_start.main(["--no-cache", "--no-preflight", *arguments]) == 0
        return find_version(sagemaker, "titanic-pipeline")

    return call


@pytest.fixture(scope="module")
def versions(train: Callable[..., Version], sagemaker: Any) -> Iterator[list[Version]]:
    """Two versions that are not approved yet: those of docs/serving.md."""
    yield [train(), train("--parameter", "max_depth=2")]
    for name in (NAME, CANDIDATE):
        if find_served(sagemaker, name):
            sagemaker.delete_endpoint(EndpointName=name)


def number_served(sagemaker: Any) -> int | None:
    served = find_served(sagemaker, NAME)
    return served.version.number if served else None


def set_status(sagemaker: Any, version: Version, status: str) -> None:
    sagemaker.update_model_package(ModelPackageArn=version.arn, ModelApprovalStatus=status)


def register(sagemaker: Any, like: Version, **container: Any) -> Version:
    """Approve another version with the image and the artifact of one."""
    whole = {"Image": like.image_uri, "ModelDataUrl": like.model_uri, **container}
    created = sagemaker.create_model_package(
        ModelPackageGroupName="titanic-pipeline",
        ModelApprovalStatus=APPROVED,
        InferenceSpecification={
            "Containers": [whole],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        },
    )
    return describe_version(sagemaker, created["ModelPackageArn"])


def predicted(s3: Any, version: Version, rows: bytes, folder: Path) -> str:
    """Return what `container.predict` says of the rows."""
    for name, content in download_artifact(s3, version.model_uri).items():
        (folder / name).write_bytes(content)
    command = [sys.executable, "-m", "container.predict", str(folder)]
    done = subprocess.run(command, env=ENVIRONMENT, input=rows, capture_output=True, check=True)
    return done.stdout.decode()


@pytest.mark.generated
def test_only_approved_versions_are_served_and_a_rollback_goes_back(
    versions: list[Version],
    sagemaker: Any,
    local_aws: ProjectAws,
    tmp_path: Path,
    dataset: Dataset,
    capsys: pytest.CaptureFixture[str],
) -> None:
    first, second = (str(each.number) for each in versions)
    rows = dataset.channels[VALIDATION_CHANNEL]

    # Nothing is approved: refused by name, with the command that approves.
    assert deploy_model.main(["--version", first]) == 2
    refused = capsys.readouterr().err
    assert f"model group titanic-pipeline: no Approved version {first} (" in refused
    assert f"{first} PendingManualApproval" in refused
    assert f"hint: .venv/bin/python pipeline/approve.py {first} --reason TEXT" in refused
    assert number_served(sagemaker) is None

    assert approve.main([first, "--yes", "--reason", "good enough"]) == 0
    assert deploy_model.main([]) == 0
    told = capsys.readouterr().out
    assert f"endpoint  {NAME}: version {first} since " in told
    sample = told[told.index("endpoint  ") :].strip()
    assert_sample_current(ROOT / "docs" / "serving.md", "deploy", sample)
    answer = local_aws.clients.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=NAME, ContentType="text/csv", Body=rows
    )
    csv_rows = predicted(local_aws.clients.client("s3"), versions[0], rows, tmp_path)
    expected = [line.partition(",")[0] for line in csv_rows.splitlines()[1:]]
    assert answer["Body"].read().decode().splitlines() == expected

    # The second is compared with the one that is served, on the same rows.
    assert approve.main([second, "--yes", "--reason", "better"]) == 0
    told = capsys.readouterr().out
    assert_sample_current(ROOT / "docs" / "serving.md", "approve", told.strip("\n"))
    assert number_served(sagemaker) == int(first)
    assert deploy_model.main([]) == 0
    assert number_served(sagemaker) == int(second)
    with pytest.raises(ClientError, match="Could not find"):
        sagemaker.describe_endpoint(EndpointName=CANDIDATE)

    assert deploy_model.main(["--rollback", "--version", second]) == 2
    assert "hint: give one of the two" in capsys.readouterr().err
    assert deploy_model.main(["--rollback"]) == 0
    assert number_served(sagemaker) == int(first)
    assert deploy_model.main(["--rollback"]) == 2
    assert "no version was served before" in capsys.readouterr().err


def test_a_version_that_is_rejected_in_between_is_not_deployed(
    versions: list[Version], sagemaker: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    set_status(sagemaker, versions[1], APPROVED)
    assert (
        approve.main([str(versions[1].number), "--reject", "--yes", "--reason", "biased\nnow"]) == 0
    )
    assert deploy_model.main(["--version", str(versions[1].number)]) == 2
    assert f"{versions[1].number} {REJECTED}" in capsys.readouterr().err
    package = sagemaker.describe_model_package(ModelPackageName=versions[1].arn)
    assert package["ApprovalDescription"] == "biased now"


def test_the_version_that_is_served_can_be_rejected_and_is_served_on(
    before: int, versions: list[Version], sagemaker: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert approve.main([str(before), "--reject", "--yes", "--reason", "it drifts"]) == 0
    told = capsys.readouterr().err
    assert f"version {before} is served until another one is deployed: .venv/bin/python" in told
    assert number_served(sagemaker) == before
    set_status(sagemaker, versions[0], APPROVED)


@pytest.mark.parametrize("reason", ["", " ", "x" * 1025])
def test_a_reason_that_cannot_be_kept_is_refused(
    reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        approve.main(["1", "--yes", "--reason", reason])
    assert "1 to 1,024 characters are needed\nhint: " in capsys.readouterr().err


def test_a_version_that_scores_otherwise_than_in_its_image_is_told(
    versions: list[Version], local_aws: ProjectAws
) -> None:
    s3 = local_aws.clients.client("s3")
    told = "in its own image: 0.950000; this container/ is another revision"
    changed = {**versions[0].properties, "validation:auc": "0.95"}
    assert told in compare(s3, dataclasses.replace(versions[0], properties=changed), None)
    assert "in its own image" not in compare(s3, versions[0], None)


def test_nothing_is_approved_without_a_yes(
    versions: list[Version], sagemaker: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    set_status(sagemaker, versions[1], REJECTED)
    assert approve.main([str(versions[1].number), "--reason", "in a pipe"]) == 2
    assert "hint: confirm with --yes" in capsys.readouterr().err
    assert find_version(sagemaker, "titanic-pipeline", versions[1].number).status == REJECTED


@pytest.fixture
def before(versions: list[Version], sagemaker: Any, settings: Settings) -> int:
    """The first version is served, and the second one approved."""
    for version in versions:
        set_status(sagemaker, version, APPROVED)
    if number_served(sagemaker) != versions[0].number:
        assert deploy_model.main(["--version", str(versions[0].number)]) == 0
    assert endpoint_name(settings) == NAME
    return versions[0].number


def test_the_gate_can_ask_for_more_than_the_version_that_is_served(
    before: int,
    versions: list[Version],
    write_config: WriteConfig,
    here: Path,  # noqa: ARG001
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = str(write_config(better_than_served=True, min_validation_auc=0.5))
    given = ["--config", config, "--no-cache", "--no-preflight", "--parameter"]
    served_auc = versions[0].properties["validation:auc"]
    assert before == versions[0].number
    assert upsert_and_start.main([*given, "num_round=1"]) == 1
    told = capsys.readouterr().err
    assert f"minimum validation AUC: {float(served_auc)}" in told
    assert "is below MinValidationAuc" in told
    shutil.rmtree(RUNS)
    assert upsert_and_start.main([*given, "max_depth=3"]) == 0  # as good is enough

    # Its pages name the version that is served at their time.
    (record,) = RUNS.glob("*/run.json")
    served = json.loads(record.read_text("utf-8"))["served"]
    assert (served["version"], served["status"]) == (before, "InService")
    assert (
        f"| Served now | version {before} since {served['since']}, by `{NAME}` (InService) |"
        in (record.with_name("report.md").read_text("utf-8"))
    )
    assert f"| 현재 서빙 | 버전 {before}, {served['since']}부터, 엔드포인트 `{NAME}` (" in (
        record.with_name("report.ko.md").read_text("utf-8")
    )


def test_a_model_that_changes_once_it_was_tried_is_not_served(
    before: int,
    versions: list[Version],
    sagemaker: Any,
    settings: Settings,
    local_aws: ProjectAws,
    dataset: Dataset,
) -> None:
    configuration = make_configuration(sagemaker, settings, local_aws.stack, versions[1])
    session, s3 = boto3.Session(), local_aws.clients.client("s3")
    smoke = make_smoke_test(session, versions[1], dataset)
    archives = [
        s3.get_object(**dict(zip(("Bucket", "Key"), split_uri(each.model_uri), strict=True)))
        for each in versions
    ]
    first, second = (each["Body"].read() for each in archives)
    bucket, key = split_uri(versions[1].model_uri)

    def replace_after(name: str) -> None:
        smoke(name)
        s3.put_object(Bucket=bucket, Key=key, Body=first)

    with pytest.raises(NotServed, match=f"^{NAME} answers .*, the artifact says ") as error:
        deploy(sagemaker, settings, configuration, replace_after)
    s3.put_object(Bucket=bucket, Key=key, Body=second)
    assert says("endpoint-answer", explained(str(error.value)))
    assert number_served(sagemaker) == before
    assert find_served(sagemaker, CANDIDATE) is None


def interrupted(**_: Any) -> None:
    raise KeyboardInterrupt


def disconnected(request_dict: dict[str, Any] | None = None, **_: Any) -> None:
    raise ConnectionClosedError(endpoint_url=(request_dict or {}).get("url", ""))


def throttled(http_response: Any, parsed: dict[str, Any], **_: Any) -> None:
    http_response.status_code = 400
    parsed["Error"] = {"Code": "ThrottlingException", "Message": "Rate exceeded"}


@pytest.mark.parametrize(
    ("operation", "failure"),
    [
        ("CreateEndpoint", interrupted),
        ("UpdateEndpoint", interrupted),
        ("UpdateEndpoint", disconnected),
        ("UpdateEndpoint", throttled),
    ],
)
def test_whatever_fails_once_it_has_begun_leaves_the_version_before_serving(
    operation: str,
    failure: Callable[..., None],
    before: int,
    versions: list[Version],
    settings: Settings,
    local_aws: ProjectAws,
    sagemaker: Any,
) -> None:
    """The next look at the endpoint, which is Creating or Updating then, fails."""
    configuration = make_configuration(sagemaker, settings, local_aws.stack, versions[1])
    client = boto3.Session().client("sagemaker")
    begins, looks = f"after-call.sagemaker.{operation}", "after-call.sagemaker.DescribeEndpoint"

    def begun(**_: Any) -> None:
        client.meta.events.unregister(begins, begun)
        client.meta.events.register(looks, fail)

    def fail(**details: Any) -> None:
        client.meta.events.unregister(looks, fail)
        failure(**details)

    client.meta.events.register(begins, begun)
    with pytest.raises((KeyboardInterrupt, BotoCoreError, ClientError)):
        deploy(client, settings, configuration, lambda _: None)
    wait(sagemaker, NAME)
    assert number_served(sagemaker) == before
    assert find_served(sagemaker, CANDIDATE) is None


def test_going_back_outlasts_throttling(
    before: int,
    versions: list[Version],
    settings: Settings,
    local_aws: ProjectAws,
    sagemaker: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    configuration = make_configuration(sagemaker, settings, local_aws.stack, versions[1])
    client = boto3.Session().client("sagemaker")
    refused: list[int] = []

    with contextlib.ExitStack() as faults:

        def differ(name: str) -> None:
            client.meta.events.register("after-call.sagemaker.UpdateEndpoint", refuse_twice)
            faults.enter_context(local_aws.faults.on(THROTTLING))
            raise NotServed(f"{name} does not answer")

        def refuse_twice(http_response: Any, **_: Any) -> None:
            refused.append(http_response.status_code)
            if len(refused) == 2:
                faults.close()

        with pytest.raises(NotServed, match="does not answer"):
            move(client, NAME, configuration, differ)
    assert refused == [400, 400, 200]
    assert number_served(sagemaker) == before


@pytest.mark.usefixtures("before")
def test_the_cost_is_that_of_what_is_served_not_of_the_settings(
    write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    config = ["--config", str(write_config(endpoint={"instance_type": "ml.m5.large"}))]
    assert deploy_model.main(config) == 0
    assert "an hour for ml.m5.large, also while idle" in capsys.readouterr().out
    assert deploy_model.main([*config, "--rollback"]) == 0
    assert "0 USD while idle; 0.0400 USD for 1,000 requests" in capsys.readouterr().out


def test_a_version_that_is_rejected_while_it_is_tried_is_not_served(
    before: int,
    versions: list[Version],
    sagemaker: Any,
    settings: Settings,
    local_aws: ProjectAws,
) -> None:
    configuration = make_configuration(sagemaker, settings, local_aws.stack, versions[1])

    def reject(_: str) -> None:
        set_status(sagemaker, versions[1], REJECTED)

    with pytest.raises(NotServed, match="its status is Rejected, not Approved") as error:
        deploy(sagemaker, settings, configuration, reject)
    assert says("version-not-approved", explained(f"version 2: {error.value}"))
    assert number_served(sagemaker) == before
    assert find_served(sagemaker, CANDIDATE) is None


@pytest.mark.parametrize(
    ("fault", "endpoint", "code", "name"),
    [
        (THROTTLING, {}, cli.AWS_REFUSED, "throttled"),
        (NO_CAPACITY, {"instance_type": "ml.m5.large"}, cli.NOT_SUCCEEDED, "no-capacity"),
    ],
)
def test_what_aws_refuses_leaves_the_version_before_serving(
    fault: str,
    endpoint: dict[str, str],
    code: int,
    name: str,
    before: int,
    sagemaker: Any,
    local_aws: ProjectAws,
    write_config: WriteConfig,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with local_aws.faults.on(fault):
        assert deploy_model.main(["--config", str(write_config(endpoint=endpoint))]) == code
    assert says(name, capsys.readouterr().err)
    assert number_served(sagemaker) == before
    assert find_served(sagemaker, CANDIDATE) is None


@pytest.mark.parametrize("name", ["endpoint-health", "endpoint-answer"])
def test_a_server_that_is_not_that_of_the_artifact_leaves_the_version_before_serving(
    name: str,
    before: int,
    versions: list[Version],
    sagemaker: Any,
    local_aws: ProjectAws,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It finds no model, or that of another version."""
    if name == "endpoint-answer":
        (tmp_path / "model").mkdir()
        s3 = local_aws.clients.client("s3")
        for file, content in download_artifact(s3, versions[0].model_uri).items():
            (tmp_path / "model" / file).write_bytes(content)
    created = register(sagemaker, versions[1], Environment={"SAGEMAKER_BASE_DIR": str(tmp_path)})
    assert deploy_model.main([]) == 1
    told = capsys.readouterr().err
    assert f"version {before} is still served" in told
    assert says(name, told)
    assert number_served(sagemaker) == before
    sagemaker.delete_model_package(ModelPackageName=created.arn)


def test_nothing_is_changed_while_another_command_changes_the_endpoint(
    before: int,
    versions: list[Version],
    sagemaker: Any,
    settings: Settings,
    local_aws: ProjectAws,
) -> None:
    configuration = make_configuration(sagemaker, settings, local_aws.stack, versions[1])
    served = find_served(sagemaker, NAME)
    assert served
    sagemaker.update_endpoint(EndpointName=NAME, EndpointConfigName=configuration)
    with pytest.raises(NotServed, match="its status is Updating") as refused:
        deploy(sagemaker, settings, configuration, lambda _: None)
    with pytest.raises(ClientError) as kept:  # as build/teardown.py asks
        sagemaker.delete_endpoint(EndpointName=NAME)
    for error in (refused.value, kept.value):
        assert says("endpoint-in-progress", explained(str(error)))
    assert find_served(sagemaker, CANDIDATE) is None
    wait(sagemaker, NAME)
    move(sagemaker, NAME, served.configuration, lambda _: None)
    assert number_served(sagemaker) == before


def test_a_served_version_that_was_deleted_can_be_replaced(
    before: int,
    versions: list[Version],
    sagemaker: Any,
    write_config: WriteConfig,
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = register(sagemaker, versions[1])
    assert approve.main([str(other.number), "--yes", "--reason", "by hand"]) == 2
    assert "it has no record of its validation data\nhint: " in capsys.readouterr().err
    replaced = find_served(sagemaker, NAME)
    assert replaced
    assert deploy_model.main(["--version", str(other.number)]) == 0
    sagemaker.delete_model_package(ModelPackageName=other.arn)
    sagemaker.delete_endpoint_config(EndpointConfigName=replaced.configuration)
    assert number_served(sagemaker) == other.number

    assert approve.main([str(before), "--yes", "--reason", "alone"]) == 0
    assert "which is served" not in capsys.readouterr().out
    config = str(write_config(better_than_served=True))
    assert upsert_and_start.main(["--config", config, "--no-preflight"]) == 2
    assert f"version {other.number}, which is served, was deleted" in capsys.readouterr().err
    assert deploy_model.main(["--rollback"]) == cli.AWS_REFUSED
    assert says("serving-deleted", capsys.readouterr().err)
    assert deploy_model.main(["--version", str(before)]) == 0
    assert number_served(sagemaker) == before


def test_an_artifact_that_is_gone_is_named(
    before: int, versions: list[Version], sagemaker: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    uri = versions[1].model_uri + ".gone"
    gone = register(sagemaker, dataclasses.replace(versions[1], model_uri=uri))
    assert deploy_model.main([]) == 2
    assert f"{uri}: there is no such object\nhint: " in capsys.readouterr().err
    sagemaker.delete_model_package(ModelPackageName=gone.arn)
    assert number_served(sagemaker) == before


@pytest.mark.usefixtures("before")
def test_a_batch_that_fails_is_explained(
    settings: Settings, here: Path, local_aws: ProjectAws, capsys: pytest.CaptureFixture[str]
) -> None:
    with local_aws.faults.on(NO_CAPACITY):
        assert score.main([str(settings.data_file), "--output", str(here / "scored.csv")]) == 1
    assert says("no-capacity", capsys.readouterr().err)
    assert list(here.iterdir()) == []


def test_a_number_that_is_given_again_is_another_model(
    versions: list[Version], sagemaker: Any, settings: Settings, local_aws: ProjectAws
) -> None:
    """As here, where the number of a deleted version is that of the next one."""
    other = dataclasses.replace(versions[1], container=versions[0].container)
    one, again, another = (
        make_model(sagemaker, settings, local_aws.stack, version)
        for version in (versions[1], versions[1], other)
    )
    assert one == again != another


def test_a_scored_file_has_its_rows_in_order_with_the_digits_of_predict(
    before: int,  # noqa: ARG001
    versions: list[Version],
    local_aws: ProjectAws,
    settings: Settings,
    here: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = settings.data_file.read_bytes()
    assert score.main([str(settings.data_file), "--output", str(here / "scored.csv")]) == 0
    number = versions[1].number
    assert f"1309 rows, scored by version {number}" in capsys.readouterr().out
    folder = tmp_path / "artifact"
    folder.mkdir()
    answers = predicted(local_aws.clients.client("s3"), versions[1], given, folder)
    expected = [line.partition(",")[0] for line in answers.splitlines()[1:]]
    scored = list(csv.reader(io.StringIO((here / "scored.csv").read_text("utf-8"))))
    rows = list(csv.reader(io.StringIO(given.decode())))
    assert [record[:-1] for record in scored] == rows
    assert [record[-1] for record in scored] == ["probability", *expected]

    # An object in S3 is scored as a file is.
    s3 = local_aws.clients.client("s3")
    s3.put_object(Bucket=local_aws.stack.bucket, Key="scoring/given.csv", Body=given)
    uri = f"s3://{local_aws.stack.bucket}/scoring/given.csv"
    assert score.main([uri, "--version", str(versions[0].number)]) == 0
    assert (here / "given-scored.csv").exists()


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["no.csv"], "no.csv: no such file"),
        (["s3://bucket"], "s3://bucket: no such file; name a local CSV file or s3://BUCKET/KEY"),
        ([__file__, "--output", "no/scored.csv"], "no/scored.csv: is a folder, or its folder"),
        ([__file__, "--output", "."], ".: is a folder, or its folder does not exist"),
    ],
)
def test_a_file_that_cannot_be_is_refused_before_a_rehearsal_trains(
    arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        score.main([*arguments, "--local"])
    told = capsys.readouterr().err
    assert problem in told
    assert "\nhint: " in told


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "no rows"),
        (b"name,age\nA,1\n", "missing columns"),
        (b"\x1f\x8b\x08\x04", "not a whole gzip file"),
    ],
)
def test_a_file_that_cannot_be_scored_is_refused_before_anything_is_sent(
    content: bytes,
    problem: str,
    here: Path,
    local_aws: ProjectAws,  # noqa: ARG001
    capsys: pytest.CaptureFixture[str],
) -> None:
    (here / "rows.csv").write_bytes(content)
    assert score.main([str(here / "rows.csv")]) == 2
    told = capsys.readouterr().err
    assert problem in told
    assert "hint: " in told
    assert not (here / "rows-scored.csv").exists()


def test_parquet_cannot_be_scored_and_says_so(here: Path, rows: pd.DataFrame) -> None:
    write_parquet(here / "rows.parquet", rows)
    with pytest.raises(InputError, match=r"rows\.parquet: is Parquet, not CSV\nhint: "):
        batch.write_json_lines(here / "rows.parquet", here / "rows.jsonl", "rows.parquet")


def score_with(here: Path, content: bytes, scores: Callable[[list[str]], list[str]]) -> bytes:
    """Return a scored file; `scores` makes a transform job's output of its lines."""
    rows, lines, output, scored = (here / name for name in ("given", "lines", "output", "scored"))
    rows.write_bytes(content)
    batch.write_json_lines(rows, lines, "given")
    output.write_text("\n".join(scores(lines.read_text("utf-8").splitlines())), "utf-8")
    batch.write_scored(rows, output, scored)
    return scored.read_bytes()


def joined(lines: list[str]) -> list[str]:
    answers = (f'"SageMakerOutput": {{"probability": 0.{n}0}}' for n in range(len(lines)))
    return [f"{line[:-1]}, {answer}}}" for line, answer in zip(lines, answers, strict=True)]


def test_scored_rows_keep_every_cell_as_it_was(here: Path) -> None:
    header = ["note", "note", "", "probability", "SageMakerOutput", *COLUMNS]
    passenger = ["1", "0.30000000000000004", "0", "0", "7.5", "B, A", "m", "007", "NA", ""]
    given = [
        header,
        ["NA", " 007 ", 'a "b"', "1e-400", "null", *passenger],
        ["two\r\nlines", "1.50", "é, ü", "", "?", *passenger],
    ]
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(given)
    content = f"\ufeff{text.getvalue()}\r\n".encode()
    for each in (content, gzip.compress(content)):
        scored = list(csv.reader(io.StringIO(score_with(here, each, joined).decode(), newline="")))
        assert [record[:-1] for record in scored] == given
        assert [record[-1] for record in scored] == ["probability", "0.00", "0.10"]
    sent = [json.loads(line) for line in (here / "lines").read_text("utf-8").splitlines()]
    assert float(sent[0]["age"]) == 0.30000000000000004


@pytest.mark.parametrize(
    "scores",
    [
        lambda lines: joined(lines)[:-1],
        lambda lines: joined([*lines, lines[0]]),
        lambda lines: lines,
    ],
    ids=["too few", "too many", "without probabilities"],
)
def test_scores_that_do_not_fit_are_refused_and_nothing_is_left(
    scores: Callable[[list[str]], list[str]], here: Path, settings: Settings
) -> None:
    with pytest.raises(InputError, match=r"the scores do not fit the rows: .*\nhint: score again"):
        score_with(here, settings.data_file.read_bytes(), scores)
    assert sorted(path.name for path in here.iterdir()) == ["given", "lines", "output"]


def test_a_group_without_approved_versions_says_what_there_is(sagemaker: Any) -> None:
    sagemaker.create_model_package_group(ModelPackageGroupName="empty")
    with pytest.raises(Exception, match=r"no Approved version \(it is empty\)"):
        find_version(sagemaker, "empty", status=APPROVED)
