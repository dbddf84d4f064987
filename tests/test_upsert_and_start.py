"""The command that users run, with real training on local AWS."""

import hashlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from container import contract
from pipeline.data import Dataset, split_uri
from pipeline.image import image_tag, resolve_image
from pipeline.local import ProjectAws
from pipeline.source_image import put_source_image
from pipeline.upsert_and_start import main

import pytest
from conftest import ROOT, SLOW, WriteConfig
from present_image import BASE_IMAGE, TAG
from test_pipeline_data import kaggle_file

SCRIPT = ROOT / "pipeline" / "upsert_and_start.py"

Main = Callable[..., int]


@pytest.fixture
def start(here: Path, write_config: WriteConfig, local_aws: ProjectAws) -> Iterator[Main]:  # noqa: ARG001
    """Calls the command with a pipeline of this test's own on the running local AWS."""

    def call(*arguments: str, **settings: Any) -> int:
        path = write_config(
            pipeline_name=f"titanic-pipeline-{here.parent.name[:40].replace('_', '-')}", **settings
        )
        return main(["--config", str(path), *arguments])

    yield call
    assert not list(here.glob("runs/.unfinished-*"))


def only_run(folder: Path) -> Path:
    (run,) = (folder / "runs").iterdir()
    return run


def record_of(folder: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((only_run(folder) / "run.json").read_text("utf-8"))
    return record


def test_a_run_leaves_its_record_its_artifact_and_its_summary(
    start: Main,
    here: Path,
    local_aws: ProjectAws,
    dataset: Dataset,
    capsys: pytest.CaptureFixture[str],
) -> None:
    parameters = ("--parameter", "num_round=120", "--parameter", "InstanceType=ml.m5.xlarge")
    assert start("--verbose", *parameters) == 0
    out, err = capsys.readouterr()
    run, record = only_run(here), record_of(here)
    assert sorted(path.name for path in run.iterdir() if not path.name.endswith(".ko.png")) == [
        "metrics.json",
        "model.tar.gz",
        "report.ko.md",
        "report.md",
        "report.zip",
        "results.png",
        "run.json",
    ]

    stack, region = local_aws.stack, "us-east-1"
    ecr = local_aws.clients.client("ecr")
    assert record["region"] == region
    assert record["account"] == stack.account
    assert record["endpoint"] == local_aws.clients.endpoint
    assert record["status"] == "Succeeded"
    assert record["execution_arn"].rpartition("/")[2] == run.name
    assert record["image_uri"] == resolve_image(ecr, stack.repository_uri, TAG)
    assert re.fullmatch(r".*@sha256:[0-9a-f]{64}", record["image_uri"])
    definition = local_aws.clients.client("sagemaker").describe_pipeline(
        PipelineName=record["pipeline_arn"].rpartition("/")[2]
    )["PipelineDefinition"]
    assert record["definition_sha256"] == hashlib.sha256(definition.encode()).hexdigest()
    assert record["instance_type"] == record["parameters"]["InstanceType"] == "ml.m5.xlarge"
    assert record["model_package_arn"].rpartition("/")[0].endswith(f"/{stack.model_package_group}")
    assert f"registered    {record['model_package_arn']}\n" in out
    assert record["instance_count"] == 1
    assert record["parameters"]["num_round"] == "120"
    assert record["training_seconds"] >= 1
    assert record["cost_estimate"] == {
        "usd": round(record["billable_seconds"] * 0.23 / 3600, 6),
        "usd_per_hour": 0.23,
        "source": "AWS Price List API, AmazonSageMaker, USE1-Train:ml.m5.xlarge, on demand",
        "as_of": "2026-08-20T00:00:00Z",
    }
    assert 0 < record["peak_memory_mib"] < 1024
    phases = ["Starting", "Downloading", "Training", "Uploading"]
    assert [name for name, _ in record["phase_seconds"]] == phases
    assert re.findall(r"phase (\w+): \d+ s$", err, re.MULTILINE) == phases
    assert err.index("phase Downloading") < err.index("hyperparameter") < err.index("phase Train")
    assert record["failure_reason"] is None
    made = record["image_build"]
    assert made["tag"] == TAG
    assert {made[name] for name in ("sbom", "packages", "build_id", "base_image")} == {None}, (
        "no build made this image"
    )
    for channel, content in dataset.channels.items():
        assert record["data"][channel] == {
            "uri": dataset.uris(stack.bucket, "titanic")[channel],
            "sha256": {f"{channel}.csv": hashlib.sha256(content).hexdigest()},
        }

    bucket, key = split_uri(record["model_artifact"]["uri"])
    stored = local_aws.clients.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    assert (run / "model.tar.gz").read_bytes() == stored
    assert record["model_artifact"]["bytes"] == len(stored)
    with tarfile.open(fileobj=io.BytesIO(stored)) as archive:
        member = archive.extractfile("metrics.json")
        assert member is not None
        assert (run / "metrics.json").read_bytes() == member.read()
    metrics = json.loads((run / "metrics.json").read_text("utf-8"))
    assert record["metrics"] == {contract.metric_name(m): metrics[m] for m in contract.METRICS}
    assert metrics["auc"] >= 0.84

    for fact in (
        record["pipeline_arn"],
        record["execution_arn"],
        record["image_uri"],
        f"runs/{run.name}",
    ):
        assert fact in out
    assert f"auc={metrics['auc']:.4f}" in out
    assert f"peak memory   {record['peak_memory_mib']} MiB\n" in out
    assert (
        f"cost          about {record['cost_estimate']['usd']:.6f} USD, at 0.23 USD an hour" in out
    )
    assert record["model_artifact"]["uri"] in out
    assert re.search(r"\d\d:\d\d:\d\d step Train: Executing\n", err)
    assert re.search(r"  metric validation:auc=0\.\d+\n(.*\n)*.* step Train: Succeeded\n", err)
    assert "step CheckValidationAuc: Succeeded" in err
    report = (run / "report.md").read_text("utf-8")
    assert report.startswith("# titanic-pipeline-test-a-run-leaves")
    assert record["model_artifact"]["uri"] in report


def test_the_same_settings_give_the_same_model(start: Main, here: Path) -> None:
    assert start("--no-cache") == 0
    assert start("--no-cache") == 0
    models, jobs = [], set()
    for run in (here / "runs").iterdir():
        record = json.loads((run / "run.json").read_text("utf-8"))
        jobs.add(record["training_job_name"])
        assert record["reused_from"] is None
        with tarfile.open(run / "model.tar.gz") as archive:
            files = {m.name: archive.extractfile(m) for m in archive.getmembers()}
            models.append({name: file.read() for name, file in files.items() if file})
    assert len(jobs) == 2
    assert models[0] == models[1]


def test_kaggles_file_goes_through_the_same_command(
    start: Main, here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = kaggle_file(tmp_path / "train.csv", ROOT / "pipeline" / "titanic" / "titanic.csv")
    assert start(data_file=str(path)) == 0
    out = capsys.readouterr().out
    assert len(out.splitlines()) <= 8, "the end of a run is short"
    assert "arn:" not in out
    assert record_of(here)["metrics"]["validation:auc"] >= 0.84


def executions(sagemaker: Any) -> list[str]:
    return [
        execution["PipelineExecutionArn"]
        for pipeline in sagemaker.list_pipelines()["PipelineSummaries"]
        for execution in sagemaker.list_pipeline_executions(PipelineName=pipeline["PipelineName"])[
            "PipelineExecutionSummaries"
        ]
    ]


@pytest.mark.parametrize(
    ("parameter", "problem"),
    [
        ("max_dept=3", "--parameter max_dept: unknown (did you mean max_depth?)"),
        ("max_depth=99", "--parameter max_depth: '99' is not an integer from 1 to 16"),
        ("InstanceType=ml.m5.lrge", "is not a training instance type (did you mean ml.m5.large?)"),
        ("InstanceType=smallest", "InstanceType: 'smallest' is not one of the"),
        ("InstanceCount=two", "parameter InstanceCount: 'two' is not of type Integer"),
        ("max_depth", "--parameter max_depth: has no value; write max_depth=VALUE"),
        ("InstanceCount=0", "--parameter instance_count: 0: "),
        ("MinValidationAuc=nan", "--parameter min_validation_auc: "),
        ("TrainDataUri=here", "S3Uri: 'here' does not match"),
    ],
)
def test_a_wrong_parameter_is_refused_before_anything_is_sent(
    parameter: str,
    problem: str,
    start: Main,
    here: Path,
    local_aws: ProjectAws,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = executions(local_aws.clients.client("sagemaker"))
    assert start("--parameter", parameter) == 2
    out, err = capsys.readouterr()
    assert problem in err
    similar = "similar parameters: max_depth\n"
    assert f"\nhint: {similar if 'unknown' in problem else 'correct the value, or '}" in err
    assert out == ""
    assert executions(local_aws.clients.client("sagemaker")) == before
    assert not (here / "runs").exists()


def test_data_that_is_not_there_is_the_reason_and_the_run_is_recorded(
    start: Main, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = ("--parameter", "TrainDataUri=s3://no-such-bucket/x/")
    assert start(*missing) == 2, "the preflight sees it"
    assert not (here / "runs").exists()
    assert start("--no-preflight", *missing) == 1
    assert "step Train: ClientError: Data download failed for s3://no-such-bucket/x/" in (
        capsys.readouterr().err
    )
    record = record_of(here)
    assert record["data"]["train"] == {"uri": "s3://no-such-bucket/x/", "sha256": None}
    assert record["metrics"] is None
    assert record["peak_memory_mib"] is None
    assert record["spot"] is False


def test_a_runs_folder_that_cannot_be_written_is_said_before_anything_is_sent(
    start: Main, here: Path, local_aws: ProjectAws, capsys: pytest.CaptureFixture[str]
) -> None:
    before = executions(local_aws.clients.client("sagemaker"))
    (here / "runs").write_text("a file")
    assert start() == 2
    assert f"error: {here}/runs: cannot be written to: File exists\nhint: " in (
        capsys.readouterr().err
    )
    assert executions(local_aws.clients.client("sagemaker")) == before
    (here / "runs").unlink()


def test_a_run_that_could_cost_too_much_is_not_started(
    start: Main, local_aws: ProjectAws, capsys: pytest.CaptureFixture[str]
) -> None:
    sagemaker = local_aws.clients.client("sagemaker")
    before = len(sagemaker.list_pipelines()["PipelineSummaries"])
    assert start("--parameter", "InstanceType=ml.m5.xlarge", max_cost_usd=0.05) == 2
    assert "at 0.23 USD an hour could cost 0.0575 USD" in capsys.readouterr().err
    assert len(sagemaker.list_pipelines()["PipelineSummaries"]) == before


def test_a_dry_run_prints_the_definition_and_sends_nothing(
    start: Main, local_aws: ProjectAws, capsys: pytest.CaptureFixture[str]
) -> None:
    sagemaker, s3 = local_aws.clients.client("sagemaker"), local_aws.clients.client("s3")
    assert start("--dry-run", prefix="dry") == 0
    out, err = capsys.readouterr()
    definition = json.loads(out)
    defaults = {p["Name"]: p["DefaultValue"] for p in definition["Parameters"]}
    assert defaults["ImageUri"].startswith(local_aws.stack.repository_uri)
    assert defaults["TrainDataUri"].startswith(f"s3://{local_aws.stack.bucket}/data/dry/")
    assert "dry run: nothing was sent" in err
    names = [p["PipelineName"] for p in sagemaker.list_pipelines()["PipelineSummaries"]]
    assert not [name for name in names if name.startswith("titanic-pipeline-test-a-dry-run")]
    assert s3.list_objects_v2(Bucket=local_aws.stack.bucket, Prefix="data/dry/")["KeyCount"] == 0


def test_without_waiting_the_arn_is_all_of_the_output(
    start: Main, here: Path, local_aws: ProjectAws, capsys: pytest.CaptureFixture[str]
) -> None:
    assert start("--no-wait") == 0
    arn = capsys.readouterr().out.strip()
    assert arn in executions(local_aws.clients.client("sagemaker"))
    assert not (here / "runs").exists()


def test_an_image_that_was_not_pushed_is_named_with_its_tag(
    start: Main, local_aws: ProjectAws, capsys: pytest.CaptureFixture[str]
) -> None:
    ecr, tag = local_aws.clients.client("ecr"), TAG
    name = local_aws.stack.repository_uri.partition("/")[2]
    ecr.batch_delete_image(repositoryName=name, imageIds=[{"imageTag": tag}])
    try:
        assert start() == 2
    finally:
        put_source_image(ecr, local_aws.stack.repository_uri, BASE_IMAGE)
    err = capsys.readouterr().err
    assert err.startswith(f"error: image {local_aws.stack.repository_uri}:{tag}: not in ECR")
    assert "\nhint: " in err


def test_a_gpu_gets_the_image_that_is_made_for_it(
    start: Main, local_aws: ProjectAws, capsys: pytest.CaptureFixture[str]
) -> None:
    ecr, uri = local_aws.clients.client("ecr"), local_aws.stack.repository_uri
    images = {resolve_image(ecr, uri, image_tag(each, BASE_IMAGE)) for each in ("none", "cuda")}
    assert len(images) == 2
    assert start("--dry-run", accelerator="cuda") == 0
    parameters = json.loads(capsys.readouterr().out)["Parameters"]
    (used,) = [each["DefaultValue"] for each in parameters if each["Name"] == "ImageUri"]
    assert used == resolve_image(ecr, uri, image_tag("cuda", BASE_IMAGE))


def test_local_without_waiting_makes_no_sense(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--local", "--no-wait"])
    assert "--no-wait is not possible with --local" in capsys.readouterr().err


HOSTILE = {
    "AWS_ACCESS_KEY_ID": "AKIAREAL",
    "AWS_SECRET_ACCESS_KEY": "real",
    "AWS_SESSION_TOKEN": "real",
    "AWS_PROFILE": "work",
    "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "http_proxy": "http://127.0.0.1:9",
}


def test_local_works_in_any_environment_as_a_program(here: Path) -> None:
    """What `make local` runs: credentials, profiles, endpoints and proxies of the user's are
    neither used nor in the way."""
    job = subprocess.run(
        [sys.executable, str(SCRIPT), "--local"],
        env={"PATH": os.defpath, "HOME": str(here), **HOSTILE},
        capture_output=True,
        text=True,
        check=False,
    )
    assert job.returncode == 0, job.stderr
    assert "local AWS: jobs run as child processes, not in their image" in job.stderr
    assert "status        Succeeded" in job.stdout
    assert "Traceback" not in job.stderr
    assert record_of(here)["endpoint"].startswith("http://127.0.0.1:")
    (page,) = (here / "runs").glob("*/report.md")
    assert (
        "| pass | The job completed on ml.m5.large, the smallest usable type. |"
        in page.read_text("utf-8")
    ), "what only this local AWS could say was asked in time"
    again = subprocess.run(
        [sys.executable, str(ROOT / "pipeline" / "report.py"), "--local"],
        env={"PATH": os.defpath, "HOME": str(here)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert again.stdout.splitlines()[0] == str(page.relative_to(here)), again.stderr


def test_ctrl_c_stops_the_execution_and_says_so(here: Path, write_config: WriteConfig) -> None:
    config = write_config(hyperparameters=SLOW)
    with subprocess.Popen(
        [sys.executable, str(SCRIPT), "--local", "--config", str(config)],
        env={"PATH": os.defpath, "HOME": str(here)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as job:
        assert job.stderr is not None
        for line in job.stderr:
            if "[50]" in line:
                break
        job.send_signal(signal.SIGINT)
        out, err = job.communicate(timeout=60)
    assert job.returncode == 130
    assert "stopping the execution" in err
    assert "[50]" not in err, "what was told is not told again"
    assert "step Train: Stopped" in err
    assert "status        Stopped" in out
    assert record_of(here)["status"] == "Stopped"


def test_settings_that_are_wrong_end_it_at_once(
    write_config: WriteConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--config", str(write_config(instance_typ="x")), "--local"]) == 2
    assert "unknown key: instance_typ (did you mean instance_type?)" in capsys.readouterr().err
    assert main(["--config", str(tmp_path / "none.yaml")]) == 2
    assert "none.yaml: no such file\nhint: " in capsys.readouterr().err
