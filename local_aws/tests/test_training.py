"""Training jobs whose requests, data or programs are odd: each ends with its own reason."""

import re
from pathlib import Path
from typing import Any

from local_aws import cli
from local_aws.runners.process import no_namespace
from local_aws.sagemaker.s3 import path_below
from local_aws.tests.jobs import Jobs
from local_aws.tests.waiting import wait_for

import pytest
from botocore.exceptions import ClientError

SPOT = {
    "EnableManagedSpotTraining": True,
    "StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 60},
}
LIST = "print(sorted(str(p.relative_to(root)) for p in (root / '{}').rglob('*')), flush=True)"


def test_a_spot_job_says_that_it_waits_and_how_long_it_may(
    jobs: Jobs, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    job = jobs.start("import time; print('begun', flush=True); time.sleep(600)", **SPOT)
    wait_for(lambda: jobs.log(job) == ["begun"])
    assert cli.main(["interrupt", job, "--grace", "3", "--capacity-after", "3600"]) == 0
    wait_for(lambda: len(jobs.log(job)) == 3)
    _, taken, waiting = jobs.log(job)
    assert taken == "local AWS: the spot instances are taken back: SIGTERM now, SIGKILL in 3 s"
    message = r"Waiting for spot instances, for at most \d\d seconds, the longest wait of the job"
    assert re.fullmatch(rf"local AWS: Interrupted: {message}", waiting)
    described = jobs.sagemaker.describe_training_job(TrainingJobName=job)
    last = described["SecondaryStatusTransitions"][-1]
    assert last["Status"] == "Interrupted"
    assert re.fullmatch(message, last["StatusMessage"])
    jobs.sagemaker.stop_training_job(TrainingJobName=job)
    assert jobs.wait(job)["TrainingJobStatus"] == "Stopped"


def test_what_is_accepted_and_not_carried_out_is_named_once(jobs: Jobs) -> None:
    changes: dict[str, Any] = {
        "DebugHookConfig": {"S3OutputPath": "s3://a/b"},
        "RetryStrategy": {"MaximumRetryAttempts": 2},
        "ExperimentConfig": {"ExperimentName": "mine"},
    }
    job = jobs.wait(name := jobs.start(**changes))
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert {key: job[key] for key in changes} == changes
    (line,) = jobs.log(name)
    assert line.startswith("local AWS: not carried out here: ")
    assert set(line.partition("here: ")[2].split(", ")) == set(changes)


def test_an_artifact_without_compression_is_stored_file_by_file(jobs: Jobs) -> None:
    output = {"S3OutputPath": f"s3://{jobs.bucket}/plain", "CompressionType": "NONE"}
    job = jobs.wait(name := jobs.start("(root / 'model/deep').mkdir()", OutputDataConfig=output))
    assert (
        job["ModelArtifacts"]["S3ModelArtifacts"]
        == f"s3://{jobs.bucket}/plain/{name}/output/model/"
    )
    found = jobs.s3.get_object(Bucket=jobs.bucket, Key=f"plain/{name}/output/model/model.txt")
    assert found["Body"].read() == b"a model"


def test_the_first_preference_is_the_instance_type(jobs: Jobs) -> None:
    preferences = [
        {"InstanceType": "ml.m5.large", "InstanceCount": 1},
        {"InstanceType": "ml.m5.xlarge"},
    ]
    resources = {"InstancePreferences": preferences, "VolumeSizeInGB": 1}
    do = "print((root / 'input/config/resourceconfig.json').read_text())"
    job = jobs.wait(name := jobs.start(do, ResourceConfig=resources))
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert job["ResourceConfig"]["SelectedInstanceType"] == "ml.m5.large"
    assert '"current_instance_type": "ml.m5.large"' in jobs.log(name)[0]


@pytest.mark.parametrize("name", ["AlgorithmSpecification", "ResourceConfig"])
def test_what_a_job_cannot_do_without_is_named(name: str, jobs: Jobs) -> None:
    request = jobs.request()
    del request[name]
    with pytest.raises(ClientError, match=f"CreateTrainingJob: {name} is missing"):
        jobs.sagemaker.create_training_job(**request)


def test_a_job_without_a_stopping_condition_may_run_a_day(jobs: Jobs) -> None:
    request = jobs.request()
    del request["StoppingCondition"]
    jobs.sagemaker.create_training_job(**request)
    job = jobs.wait(request["TrainingJobName"])
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert job["StoppingCondition"] == {"MaxRuntimeInSeconds": 86_400}


@pytest.mark.skipif(bool(no_namespace()), reason=no_namespace() or "-")
def test_jobs_that_run_at_the_same_time_have_a_tree_each(jobs: Jobs, tmp_path: Path) -> None:
    do = (
        f"import time; met = pathlib.Path({str(tmp_path)!r}); "
        "who = pathlib.Path('/opt/ml/model/who'); "
        "name = os.environ['TRAINING_JOB_NAME']; who.write_text(name); (met / name).touch(); "
        "exec('while len(list(met.iterdir())) < 3: time.sleep(0.05)'); "
        "assert who.read_text() == name"
    )
    for job in [jobs.wait(name) for name in [jobs.start(do) for _ in range(3)]]:
        assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")


def checkpoints(jobs: Jobs, prefix: str) -> dict[str, Any]:
    return {"CheckpointConfig": {"S3Uri": f"s3://{jobs.bucket}/{prefix}"}} | SPOT


@pytest.mark.parametrize("key", ["../x", "a/../../x", "..", "a/./b", "", "/", "a\0b"])
def test_a_key_that_is_no_path_below_the_folder_is_none(key: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is not the path of a file below a folder"):
        path_below(tmp_path, key)


@pytest.mark.parametrize(
    ("key", "path"), [("a", "a"), ("a/b", "a/b"), ("/a", "a"), ("a//b", "a/b"), ("..a", "..a")]
)
def test_any_other_key_is_a_path_below_the_folder(key: str, path: str, tmp_path: Path) -> None:
    assert path_below(tmp_path, key) == tmp_path / path


def test_a_checkpoint_is_written_below_its_folder_only(jobs: Jobs, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    jobs.s3.put_object(Bucket=jobs.bucket, Key=f"absolute/{outside}", Body=b"x")
    job = jobs.wait(name := jobs.start(LIST.format("checkpoints"), **checkpoints(jobs, "absolute")))
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert str(Path(*outside.parts[1:])) in jobs.log(name)[0]
    assert not outside.exists()


@pytest.mark.parametrize("kind", ["checkpoint", "channel"])
def test_a_key_that_leads_out_of_its_folder_fails_the_job(kind: str, jobs: Jobs) -> None:
    prefix = f"climbing-{kind}"
    jobs.s3.put_object(Bucket=jobs.bucket, Key=f"{prefix}/../../up", Body=b"x")
    changes = checkpoints(jobs, prefix)
    if kind == "channel":
        changes = {"InputDataConfig": [jobs.channel("train", prefix)]}
    job = jobs.wait(jobs.start(**changes))
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: ")
    assert job["FailureReason"].endswith("'../../up' is not the path of a file below a folder")


def test_the_marker_of_a_folder_is_no_checkpoint(jobs: Jobs) -> None:
    for key in ("marked/", "marked/deep/", "marked/deep/file"):
        jobs.s3.put_object(Bucket=jobs.bucket, Key=key, Body=b"")
    job = jobs.wait(name := jobs.start(LIST.format("checkpoints"), **checkpoints(jobs, "marked")))
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert jobs.log(name) == ["['checkpoints/deep', 'checkpoints/deep/file']"]


def test_a_link_out_of_the_tree_is_not_followed(jobs: Jobs, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("of this machine")
    do = (
        f"(root / 'checkpoints/link').symlink_to({str(secret)!r}); "
        "(root / 'checkpoints/real').write_text('x'); "
        "(root / 'output/data').rmdir(); "
        f"(root / 'output/data').symlink_to({str(tmp_path)!r}); "
        f"(root / 'output/failure').symlink_to({str(secret)!r})"
    )
    job = jobs.wait(jobs.start(do, **checkpoints(jobs, "links")))
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    keys = [each["Key"] for each in jobs.s3.list_objects_v2(Bucket=jobs.bucket)["Contents"]]
    assert [key for key in keys if key.startswith("links/")] == ["links/real"]
    assert not [key for key in keys if key == f"models/{job['TrainingJobName']}/output.tar.gz"]
    failed = jobs.wait(jobs.start(f"{do}; os._exit(1)", **checkpoints(jobs, "links-of-failed")))
    assert failed["FailureReason"] == "AlgorithmError: , exit code: 1"


def metric(jobs: Jobs, pattern: str) -> dict[str, Any]:
    specification = jobs.request()["AlgorithmSpecification"]
    definitions = [{"Name": "odd", "Regex": pattern}, {"Name": "loss", "Regex": "loss=([0-9.]+)"}]
    return {"AlgorithmSpecification": specification | {"MetricDefinitions": definitions}}


def test_a_metric_whose_expression_is_none_is_refused_at_once(jobs: Jobs) -> None:
    with pytest.raises(ClientError, match="regular expression of the metric odd: missing") as error:
        jobs.start(**metric(jobs, "("))
    assert error.value.response["Error"]["Code"] == "ValidationException"


@pytest.mark.parametrize(("pattern", "given_up"), [("^(.+)+x$", False), ("^(a|aa)+$", True)])
def test_an_expression_that_takes_for_ever_hangs_no_job(
    pattern: str, given_up: bool, jobs: Jobs
) -> None:
    """The first one would, with `re`."""
    do = "print('a' * 80 + 'b'); print('loss=0.5')"
    job = jobs.wait(name := jobs.start(do, **metric(jobs, pattern)))
    assert job["TrainingJobStatus"] == "Completed"
    assert [each["Value"] for each in job["FinalMetricDataList"]] == [0.5]
    warned = any("metric odd took longer than 1 s" in line for line in jobs.log(name))
    assert warned is given_up


def test_a_channel_given_twice_is_refused(jobs: Jobs) -> None:
    twice = [jobs.channel("train", "a"), jobs.channel("train", "b")]
    with pytest.raises(ClientError, match="the channel train is given twice"):
        jobs.start(InputDataConfig=twice)


def test_a_null_character_in_the_environment_is_refused(jobs: Jobs) -> None:
    with pytest.raises(ClientError, match="variable 'NAME' holds a null character"):
        jobs.start(Environment={"NAME": "a\0b"})


@pytest.mark.parametrize("bucket", ["NoSuchBucket", "a_b", "no-such-bucket-here"])
def test_a_bucket_that_cannot_be_is_the_users_error(bucket: str, jobs: Jobs) -> None:
    channel = jobs.channel("train", "x")
    channel["DataSource"]["S3DataSource"]["S3Uri"] = f"s3://{bucket}/x"
    for changes in (
        {"InputDataConfig": [channel]},
        {"OutputDataConfig": {"S3OutputPath": f"s3://{bucket}/x"}},
        {"CheckpointConfig": {"S3Uri": f"s3://{bucket}/x"}} | SPOT,
    ):
        job = jobs.wait(jobs.start(**changes))
        assert job["TrainingJobStatus"] == "Failed"
        assert job["FailureReason"].startswith("ClientError: ")
