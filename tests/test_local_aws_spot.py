"""Spot jobs of local AWS: interrupted on request, and finished by other instances all the same."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from container import contract
from local_aws import cli
from local_aws.errors import JobFailed
from local_aws.sagemaker.checkpoint_sync import CheckpointSync
from local_aws.tests.waiting import wait_for
from pipeline.data import Dataset
from pipeline.local import ProjectAws
from pipeline.settings import load_settings

import container_engine
import pytest
from botocore.exceptions import ClientError
from conftest import Environment, WriteConfig, serving
from test_local_aws_training import SLOW_TEXT, Jobs, estimator_of

# A training of some seconds.
SECONDS = {"num_round": "4000", "early_stopping_rounds": "1000", "eta": "0.001", "max_depth": "6"}
ONE_THREAD = {"OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def jobs(local_aws: ProjectAws, dataset: Dataset) -> Jobs:
    return Jobs(local_aws, dataset)


def spot(jobs: Jobs, **changes: Any) -> str:
    return jobs.start(
        EnableManagedSpotTraining=True,
        StoppingCondition={"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 60}
        | changes.pop("StoppingCondition", {}),
        CheckpointConfig={
            "S3Uri": f"s3://{jobs.stack.bucket}/spot-tests/checkpoints",
            "LocalPath": contract.CHECKPOINT_PATH,
        },
        HyperParameters=changes.pop("HyperParameters", SECONDS),
        Environment=ONE_THREAD,
        **changes,
    )


def stored(jobs: Jobs) -> list[str]:
    """The checkpoints in S3."""
    found = jobs.s3.list_objects_v2(Bucket=jobs.stack.bucket, Prefix="spot-tests/checkpoints/")
    return [item["Key"] for item in found.get("Contents", [])]


def statuses(job: dict[str, Any]) -> list[str]:
    return [each["Status"] for each in job["SecondaryStatusTransitions"]]


def model(jobs: Jobs, job: dict[str, Any]) -> bytes:
    return jobs.archive(job["ModelArtifacts"]["S3ModelArtifacts"])[contract.MODEL_FILE]


ATTEMPT = ["Starting", "Downloading", "Training"]


@pytest.mark.parametrize("grace", ["120", "0"])
def test_an_interrupted_job_ends_with_the_artifact_of_one_that_never_was(
    grace: str, jobs: Jobs, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the two minutes, and without them: from what had been copied to S3 before."""
    whole = jobs.wait(jobs.start(HyperParameters=SECONDS, Environment=ONE_THREAD))
    name = spot(jobs)
    wait_for(lambda: stored(jobs))
    assert cli.main(["interrupt", name, "--grace", grace]) == 0
    assert capsys.readouterr().err == f"interrupted {name}\n"
    job = jobs.wait(name)
    assert job["TrainingJobStatus"] == "Completed", job
    assert statuses(job) == [*ATTEMPT, "Interrupted", *ATTEMPT, "Uploading", "Completed"]
    resumed = re.findall(r"checkpoint: goes on after round (\d+)", "\n".join(jobs.log(name)))
    assert len(resumed) == 1
    assert int(resumed[0]) > 0
    assert model(jobs, job) == model(jobs, whole)
    assert stored(jobs) == [], "what the program deletes is deleted in S3"
    between = job["TrainingEndTime"] - job["TrainingStartTime"]
    assert 0 < job["TrainingTimeInSeconds"] <= between.total_seconds() + 1


def test_no_other_instance_in_time_ends_the_job(jobs: Jobs) -> None:
    name = spot(jobs, StoppingCondition={"MaxRuntimeInSeconds": 8, "MaxWaitTimeInSeconds": 8})
    wait_for(lambda: stored(jobs))
    assert cli.main(["interrupt", "--capacity-after", "3600"]) == 0
    job = jobs.wait(name)
    assert job["TrainingJobStatus"] == "Stopped"
    assert job["SecondaryStatus"] == "MaxWaitTimeExceeded"
    assert "ModelArtifacts" not in job
    assert stored(jobs), "for the next try"


def test_the_next_job_of_the_same_training_goes_on_and_of_another_does_not(jobs: Jobs) -> None:
    assert stored(jobs), "left by the test before"
    other = spot(jobs, HyperParameters=SECONDS | {"num_round": "10"})
    assert jobs.wait(other)["TrainingJobStatus"] == "Completed"
    assert not any("goes on" in line for line in jobs.log(other))
    assert any("those found are of other data" in line for line in jobs.log(other))
    name = spot(jobs)
    assert jobs.wait(name)["TrainingJobStatus"] == "Completed"
    assert any("goes on after round" in line for line in jobs.log(name))
    assert stored(jobs) == []


def test_the_longest_run_time_is_of_all_instances_together(jobs: Jobs) -> None:
    name = spot(jobs, HyperParameters=SLOW_TEXT, StoppingCondition={"MaxRuntimeInSeconds": 4})
    wait_for(lambda: stored(jobs))
    assert cli.main(["interrupt", name]) == 0
    job = jobs.wait(name)
    assert job["SecondaryStatus"] == "MaxRuntimeExceeded"
    assert job["TrainingTimeInSeconds"] < 8


def test_a_job_can_be_stopped_while_it_waits_for_capacity(jobs: Jobs) -> None:
    name = spot(jobs)
    wait_for(lambda: jobs.describe(name)["SecondaryStatus"] == "Training" and jobs.log(name))
    assert cli.main(["interrupt", "--capacity-after", "30"]) == 0
    wait_for(lambda: jobs.describe(name)["SecondaryStatus"] == "Interrupted")
    jobs.sagemaker.stop_training_job(TrainingJobName=name)
    job = jobs.wait(name)
    assert job["TrainingJobStatus"] == job["SecondaryStatus"] == "Stopped"


def test_what_cannot_be_interrupted_is_said(
    jobs: Jobs, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli.main(["interrupt", "no-such-job"]) == 2
    assert "error: not interrupted: running training jobs: none\nhint: " in capsys.readouterr().err
    name = jobs.start(HyperParameters=SECONDS, Environment=ONE_THREAD)
    assert cli.main(["interrupt"]) == 2
    assert f"{name} has no spot instance" in capsys.readouterr().err
    jobs.sagemaker.stop_training_job(TrainingJobName=name)
    jobs.wait(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://sagemaker.us-east-1.amazonaws.com")
    assert cli.main(["interrupt"]) == 2
    assert "not that of a local AWS" in capsys.readouterr().err
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert cli.main(["interrupt"]) == 2
    assert "Could not connect to the endpoint URL" in capsys.readouterr().err


def test_checkpoints_elsewhere_in_the_container_are_not_supported(jobs: Jobs) -> None:
    with pytest.raises(ClientError, match=r"CheckpointConfig.LocalPath '/tmp', only '/opt/ml"):
        jobs.start(CheckpointConfig={"S3Uri": "s3://a/b", "LocalPath": "/tmp"})


def test_the_estimator_keeps_checkpoints_with_spot_alone(
    jobs: Jobs, write_config: WriteConfig
) -> None:
    """In the request of the SDK itself, which is carried out."""
    for on in (True, False):
        settings = load_settings(write_config(spot=on))
        estimator = estimator_of(jobs, settings, num_round=10)
        estimator.fit(jobs.uris, wait=False)
        job = jobs.wait(str(estimator._current_job_name))
        assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
        config = {
            "S3Uri": f"s3://{jobs.stack.bucket}/checkpoints/{settings.prefix}",
            "LocalPath": "/opt/ml/checkpoints",
        }
        assert job.get("CheckpointConfig") == (config if on else None)


def test_each_host_has_what_s3_had_and_what_any_of_them_writes_is_in_s3(
    jobs: Jobs, tmp_path: Path
) -> None:
    roots = {name: tmp_path / name for name in "ab"}
    for root in roots.values():
        root.mkdir()
    uri = f"s3://{jobs.stack.bucket}/sync-tests/folder/"
    for key in ("folder/old", "folder-of-another/x"):
        jobs.s3.put_object(Bucket=jobs.stack.bucket, Key=f"sync-tests/{key}", Body=b"old")
    sync = CheckpointSync(jobs.s3, uri, roots)
    sync.fill()
    for root in roots.values():
        assert [path.name for path in (root / "checkpoints").rglob("*")] == ["old"]
    with sync.running():
        (roots["a"] / "checkpoints" / "deep").mkdir()
        (roots["a"] / "checkpoints" / "deep" / "new").write_bytes(b"new")
        (roots["a"] / "checkpoints" / "old").unlink()
    found = jobs.s3.list_objects_v2(Bucket=jobs.stack.bucket, Prefix="sync-tests/")["Contents"]
    assert [item["Key"] for item in found] == [
        "sync-tests/folder-of-another/x",
        "sync-tests/folder/deep/new",
    ]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """A local AWS that refuses what no policy allows."""
    with serving(tmp_path_factory.mktemp("guarded"), "--enforce-iam") as environment:
        yield environment


@pytest.mark.parametrize("action", ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"])
def test_without_a_permission_of_its_role_a_spot_job_fails_and_names_it(
    action: str, guarded: Environment, tmp_path: Path
) -> None:
    administrator = container_engine.administrator(guarded)
    iam = administrator.client("iam")
    (role,) = (r for r in iam.list_roles()["Roles"] if r["RoleName"].endswith("-training"))
    policy = {"RoleName": role["RoleName"], "PolicyName": "train"}
    document = iam.get_role_policy(**policy)["PolicyDocument"]
    less = json.loads(json.dumps(document))
    (keep,) = (each for each in less["Statement"] if each["Sid"] == "KeepCheckpoints")
    keep["Action"].remove(action)
    bucket = administrator.client("s3").list_buckets()["Buckets"][0]["Name"]
    key = "checkpoints/titanic/old"
    administrator.client("s3").put_object(Bucket=bucket, Key=key, Body=b"")

    def keep_checkpoints() -> None:
        s3 = administrator.as_role(role["Arn"]).client("s3")
        (tmp_path / "host").mkdir(exist_ok=True)
        sync = CheckpointSync(s3, f"s3://{bucket}/checkpoints/titanic", {"a": tmp_path / "host"})
        sync.fill()
        with sync.running():
            (tmp_path / "host" / "checkpoints" / "new").write_bytes(b"new")
            (tmp_path / "host" / "checkpoints" / "old").unlink()

    iam.put_role_policy(**policy, PolicyDocument=json.dumps(less))
    try:
        with pytest.raises(JobFailed, match=f"Checkpoint (down|up)load failed: .*({action}|403)"):
            keep_checkpoints()
    finally:
        iam.put_role_policy(**policy, PolicyDocument=json.dumps(document))
