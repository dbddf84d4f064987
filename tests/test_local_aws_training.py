"""Training jobs of local AWS, asked for with boto3 and with the SDK as anyone would."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from container import contract
from local_aws.account.account import Account
from local_aws.sagemaker import opt_ml_tree, transfer
from local_aws.service_model import violations
from local_aws.tests.jobs import JobCalls, training_request
from local_aws.tests.waiting import wait_for, wait_for_status
from pipeline.data import Dataset, split_uri, upload
from pipeline.image import resolve_image
from pipeline.local import ProjectAws
from pipeline.settings import Settings
from pipeline.workflow.estimator import build_estimator

import boto3
import pytest
from archive import files_of
from botocore.exceptions import ClientError
from conftest import SLOW
from present_image import TAG
from sagemaker.estimator import Estimator
from sagemaker.exceptions import UnexpectedStatusException
from sagemaker.session import Session
from sagemaker.utilities import search_expression

PREFIX = "training-tests"


class Jobs(JobCalls):
    """Jobs of the project's program on its data."""

    def __init__(self, local_aws: ProjectAws, dataset: Dataset) -> None:
        super().__init__(local_aws.clients)
        self.stack = local_aws.stack
        ecr = local_aws.clients.client("ecr")
        self.image = resolve_image(ecr, self.stack.repository_uri, TAG)
        upload(self.s3, dataset, self.stack.bucket, PREFIX)
        self.uris = dataset.uris(self.stack.bucket, PREFIX)

    def request(self, **changes: Any) -> dict[str, Any]:
        request = training_request(
            self.stack.training_role_arn,
            self.image,
            f"s3://{self.stack.bucket}/{PREFIX}/models",
            InputDataConfig=[channel(name, uri) for name, uri in self.uris.items()],
            StoppingCondition={"MaxRuntimeInSeconds": 600},
            HyperParameters={"num_round": "30"},
        )
        request["AlgorithmSpecification"]["MetricDefinitions"] = [
            {"Name": contract.metric_name(m), "Regex": contract.metric_regex(m)}
            for m in contract.METRICS
        ]
        return request | changes

    def start(self, **changes: Any) -> str:
        return self.create(self.request(**changes))

    def archive(self, uri: str) -> dict[str, bytes]:
        """The files of a tar.gz in S3."""
        bucket, key = split_uri(uri)
        content = self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        return files_of(content)


def channel(name: str, uri: str) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": uri, "S3DataDistributionType": "FullyReplicated"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}}


@pytest.fixture(scope="module")
def jobs(local_aws: ProjectAws, dataset: Dataset) -> Jobs:
    return Jobs(local_aws, dataset)


SLOW_TEXT = {name: str(value) for name, value in SLOW.items()}


def test_a_job_goes_from_data_in_s3_to_artifact_in_s3(jobs: Jobs) -> None:
    job = jobs.wait(jobs.start())
    assert job["TrainingJobStatus"] == job["SecondaryStatus"] == "Completed", job
    assert [t["Status"] for t in job["SecondaryStatusTransitions"]] == [
        "Starting",
        "Downloading",
        "Training",
        "Uploading",
        "Completed",
    ]
    times = [t[end] for t in job["SecondaryStatusTransitions"] for end in ("StartTime", "EndTime")]
    assert times == sorted(times)
    assert job["CreationTime"] <= job["TrainingStartTime"] <= job["TrainingEndTime"]
    assert job["BillableTimeInSeconds"] == job["TrainingTimeInSeconds"] >= 1

    uri = job["ModelArtifacts"]["S3ModelArtifacts"]
    model = jobs.archive(uri)
    assert sorted(model) == sorted([*contract.ARTIFACT_FILES, contract.METRICS_FILE])
    output = jobs.archive(uri.replace("model.tar.gz", "output.tar.gz"))
    assert sorted(output) == ["metrics.json", "resources.json"]
    assert output["metrics.json"] == model["metrics.json"]

    saved = json.loads(model["metrics.json"])
    reported = {m["MetricName"]: m["Value"] for m in job["FinalMetricDataList"]}
    assert reported == {contract.metric_name(m): saved[m] for m in contract.METRICS}
    log = jobs.log(job["TrainingJobName"])
    assert log[0] == "hyperparameter num_round=30"
    assert log[-1] == contract.metric_line("log_loss", saved["log_loss"])


def test_a_program_that_fails_gives_its_failure_file_as_the_reason(jobs: Jobs) -> None:
    job = jobs.wait(jobs.start(HyperParameters={"num_round": "1", "depth": "x"}))
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith(
        "AlgorithmError: hyperparameters: unknown hyperparameter depth (did you mean max_depth?)\n"
        "hint: the known ones are"
    )
    assert job["FailureReason"].endswith(", exit code: 1")
    assert "ModelArtifacts" not in job


def test_the_files_of_input_config_are_those_that_sagemaker_writes(
    jobs: Jobs, tmp_path: Path
) -> None:
    opt_ml_tree.write_config(jobs.request(), "algo-1", tmp_path)
    files = {
        path.name: json.loads(path.read_text(encoding="utf-8"))
        for path in (tmp_path / "input" / "config").iterdir()
    }
    of_a_channel = {
        "TrainingInputMode": "File",
        "S3DistributionType": "FullyReplicated",
        "RecordWrapperType": "None",
    }
    group = {
        "instance_group_name": "homogeneousCluster",
        "instance_type": "ml.m5.large",
        "hosts": ["algo-1"],
    }
    assert files == {
        "hyperparameters.json": {"num_round": "30"},
        "inputdataconfig.json": {"train": of_a_channel, "validation": of_a_channel},
        "resourceconfig.json": {
            "current_host": "algo-1",
            "current_instance_type": "ml.m5.large",
            "current_group_name": "homogeneousCluster",
            "hosts": ["algo-1"],
            "instance_groups": [group],
            "network_interface_name": "eth0",
        },
    }


def test_a_channel_without_objects_fails_before_anything_runs(jobs: Jobs) -> None:
    uri = f"s3://{jobs.stack.bucket}/nothing/here/"
    job = jobs.wait(jobs.start(InputDataConfig=[channel("train", uri)]))
    assert job["FailureReason"].startswith("ClientError: Data download failed: no S3 objects under")
    assert uri in job["FailureReason"]
    elsewhere = jobs.wait(jobs.start(InputDataConfig=[channel("train", "s3://no-such-bucket/a/")]))
    assert "NoSuchBucket" in elsewhere["FailureReason"]


def test_objects_become_files_below_their_prefix(jobs: Jobs, dataset: Dataset) -> None:
    """With and without a slash at the end, in folders, and when the URI names one object."""
    content = dataset.channels["train"]
    for key in ("shapes/a/x.csv", "shapes/a/deep/y.csv", "shapes/abc/z.csv"):
        jobs.s3.put_object(Bucket=jobs.stack.bucket, Key=key, Body=content)
    for uri, files in (("a/", 2), ("a", 3), ("abc/z.csv", 1)):
        train = channel("train", f"s3://{jobs.stack.bucket}/shapes/{uri}")
        name = jobs.start(InputDataConfig=[train, channel("validation", jobs.uris["validation"])])
        assert jobs.wait(name)["TrainingJobStatus"] == "Completed"
        assert f"channel train: {1047 * files} rows from {files} file(s)" in jobs.log(name)


def test_a_sharded_channel_is_divided_among_the_hosts(jobs: Jobs, tmp_path: Path) -> None:
    """And a host for which no object is left has an empty folder."""
    for name in "abc":
        jobs.s3.put_object(Bucket=jobs.stack.bucket, Key=f"sharded/{name}", Body=b"")
    shards = channel("train", f"s3://{jobs.stack.bucket}/sharded/")
    shards["DataSource"]["S3DataSource"]["S3DataDistributionType"] = "ShardedByS3Key"
    for host_count, expected in ((1, ["abc"]), (2, ["ac", "b"]), (4, ["a", "b", "c", ""])):
        seen = []
        for host in range(host_count):
            folder = tmp_path / f"{host}-of-{host_count}"
            opt_ml_tree.download(jobs.s3, shards, folder, host, host_count)
            seen.append("".join(sorted(path.name for path in folder.iterdir())))
        assert seen == expected


def test_the_artifact_holds_the_files_of_all_hosts_and_of_one_name_the_first_hosts(
    jobs: Jobs, tmp_path: Path
) -> None:
    for host in "12":
        (tmp_path / host / "deep").mkdir(parents=True)
        for name in ("same", f"deep/{host}"):
            (tmp_path / host / name).write_text(host)
    uri = f"s3://{jobs.stack.bucket}/united.tar.gz"
    assert transfer.upload(jobs.s3, [tmp_path / "1", tmp_path / "2"], uri)
    assert jobs.archive(uri) == {"same": b"1", "deep/1": b"1", "deep/2": b"2"}


def test_a_job_that_takes_too_long_is_stopped(jobs: Jobs) -> None:
    job = jobs.wait(
        jobs.start(HyperParameters=SLOW_TEXT, StoppingCondition={"MaxRuntimeInSeconds": 1})
    )
    assert job["TrainingJobStatus"] == "Stopped"
    assert job["SecondaryStatus"] == "MaxRuntimeExceeded"


def test_a_job_can_be_stopped(jobs: Jobs) -> None:
    name = jobs.start(HyperParameters=SLOW_TEXT)
    wait_for_status(lambda: jobs.describe(name), "SecondaryStatus", "Training")
    jobs.sagemaker.stop_training_job(TrainingJobName=name)
    job = jobs.wait(name)
    assert job["TrainingJobStatus"] == job["SecondaryStatus"] == "Stopped"
    assert "Stopping" in [t["Status"] for t in job["SecondaryStatusTransitions"]]


def without(request: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in request.items() if key != name}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {"TrainingJobName": "bad name"},
            "TrainingJobName' failed to satisfy constraint: 'bad name' does not match",
        ),
        (
            {"RoleArn": "arn:aws:iam::123456789012:role/nobody"},
            "Could not assume role .*role/nobody",
        ),
        ({"HyperParameters": {"a": "x" * 2501}}, "length 2501 is more than 2500"),
        ({"HyperParameters": {str(n): "1" for n in range(101)}}, "length 101 is more than 100"),
        (
            {"TensorBoardOutputConfig": {"S3OutputPath": "s3://a/b"}},
            "does not support .*TensorBoardOutputConfig",
        ),
    ],
)
def test_what_aws_would_refuse_or_local_aws_cannot_do_is_refused_by_name(
    changes: Mapping[str, Any], problem: str, jobs: Jobs
) -> None:
    with pytest.raises(ClientError, match=problem) as caught:
        jobs.start(**changes)
    assert caught.value.response["Error"]["Code"] == "ValidationException"


@pytest.mark.parametrize(
    ("member", "value", "problem"),
    [
        ("TrainingInputMode", "Pipe", "TrainingInputMode 'Pipe', only 'File'"),
        ("TrainingInputMode", "Stream", "'Stream' is not one of the"),
        ("TrainingImage", "other", "Requested image other not found"),
        ("TrainingImage", "{repository}@sha256:" + "0" * 64, "Requested image .* not found"),
    ],
)
def test_an_algorithm_that_cannot_be_run_is_refused(
    member: str, value: str, problem: str, jobs: Jobs
) -> None:
    algorithm = jobs.request()["AlgorithmSpecification"]
    algorithm[member] = value.format(repository=jobs.stack.repository_uri)
    with pytest.raises(ClientError, match=problem):
        jobs.start(AlgorithmSpecification=algorithm)


@pytest.mark.parametrize("count", [0, 2])
def test_a_child_process_is_one_instance(count: int, jobs: Jobs) -> None:
    resources = jobs.request()["ResourceConfig"] | {"InstanceCount": count}
    with pytest.raises(ClientError, match=rf"ResourceConfig.InstanceCount {count}, only 1 "):
        jobs.start(ResourceConfig=resources)


def test_an_instance_type_that_does_not_train_is_refused(jobs: Jobs) -> None:
    resources = jobs.request()["ResourceConfig"] | {"InstanceType": "ml.t2.medium"}
    with pytest.raises(ClientError, match=r"constraint: 'ml.t2.medium' is not one of the"):
        jobs.start(ResourceConfig=resources)


@pytest.mark.parametrize(
    ("spot", "stopping"),
    [
        (False, {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 60}),
        (True, {"MaxRuntimeInSeconds": 60}),
        (True, {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 59}),
    ],
)
def test_a_longest_wait_goes_with_spot_and_covers_the_run(
    spot: bool, stopping: dict[str, int], jobs: Jobs
) -> None:
    with pytest.raises(ClientError, match="MaxWaitTimeInSeconds"):
        jobs.start(EnableManagedSpotTraining=spot, StoppingCondition=stopping)


def test_a_line_whose_metric_is_no_number_is_no_metric(jobs: Jobs) -> None:
    algorithm = jobs.request()["AlgorithmSpecification"]
    algorithm["MetricDefinitions"] = [{"Name": "any", "Regex": "channel (.*)"}]
    job = jobs.wait(jobs.start(AlgorithmSpecification=algorithm))
    assert job["TrainingJobStatus"] == "Completed"
    assert job.get("FinalMetricDataList", []) == []


def test_a_name_is_used_once(jobs: Jobs) -> None:
    name = jobs.start()
    with pytest.raises(ClientError, match="already exists"):
        jobs.start(TrainingJobName=name)
    assert jobs.wait(name)["TrainingJobStatus"] == "Completed"


def test_answers_are_answers_of_the_api(jobs: Jobs) -> None:
    """The request that comes back in DescribeTrainingJob is still a valid one."""
    request = jobs.request(Environment={"A": "b"}, Tags=[{"Key": "k", "Value": "v"}])
    assert violations("CreateTrainingJob", request) == []
    job = jobs.wait(jobs.start(**request))
    assert job["OutputDataConfig"].pop("KmsKeyId") == ""  # as AWS says of none
    assert {name: job[name] for name in without(request, "Tags")} == without(request, "Tags")


def estimator_of(jobs: Jobs, settings: Settings, **hyperparameters: object) -> Estimator:
    """The project's estimator in a plain session of the SDK."""
    return build_estimator(
        settings,
        jobs.stack,
        Session(boto3.Session()),
        image_uri=jobs.image,
        instance_type=settings.instance_type,
        instance_count=1,
        hyperparameters=hyperparameters,
    )


def test_the_sdks_own_fit_waits_and_shows_the_log(
    jobs: Jobs, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    estimator = estimator_of(jobs, settings, num_round=30)
    estimator.fit(jobs.uris, wait=True, logs="All")
    out = capsys.readouterr().out
    assert "metric validation:auc=0." in out
    assert "Training seconds: " in out
    artifact = jobs.archive(estimator.model_data)
    assert sorted(artifact) == sorted([*contract.ARTIFACT_FILES, contract.METRICS_FILE])
    attach: Any = Estimator.attach
    attached = attach(estimator._current_job_name, estimator.sagemaker_session)
    assert attached.model_data == estimator.model_data
    assert attached.hyperparameters() == {"num_round": "30"}
    words: Any = search_expression
    named = words.Filter("TrainingJobName", words.Operator.EQUALS, estimator._current_job_name)
    expression = words.SearchExpression(filters=[named]).to_boto()
    (found,) = estimator.sagemaker_session.search("TrainingJob", expression)["Results"]
    assert found["TrainingJob"]["TrainingJobStatus"] == "Completed"


def test_the_sdks_own_fit_raises_with_the_reason(jobs: Jobs, settings: Settings) -> None:
    estimator = estimator_of(jobs, settings, num_rounds=30)
    with pytest.raises(UnexpectedStatusException, match="unknown hyperparameter num_rounds"):
        estimator.fit(jobs.uris, wait=True, logs="All")


@pytest.mark.usefixtures("local_aws")
def test_a_plain_session_of_the_sdk_sends_no_usage_reports() -> None:
    """In a fresh process, where nothing of this project has touched the SDK."""
    program = (
        "import sagemaker\n"
        "from sagemaker.config import validate_sagemaker_config\n"
        "config = sagemaker.Session().sagemaker_config\n"
        "validate_sagemaker_config(config)\n"
        "print(config['SageMaker']['PythonSDK']['Modules'])"
    )
    job = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert job.stdout.splitlines()[-1] == "{'TelemetryOptOut': True}"


def test_no_temporary_folder_is_left(jobs: Jobs, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert jobs.wait(jobs.start())["TrainingJobStatus"] == "Completed"
    wait_for(lambda: not list(tmp_path.glob("local-aws-*")))


def test_a_job_beyond_a_quota_is_refused_as_on_aws(jobs: Jobs) -> None:
    resources = jobs.request()["ResourceConfig"]
    with pytest.raises(ClientError, match="ResourceLimitExceeded") as caught:
        jobs.start(ResourceConfig=resources | {"InstanceType": "ml.t3.large"})
    assert (
        "The account-level service limit 'ml.t3.large for training job usage' is 0 Instances, with "
        "current utilization of 0 Instances and a request delta of 1 Instances."
    ) in str(caught.value)
    with pytest.raises(ClientError, match=r"'ml\.m5\.xlarge for spot training job usage' is 0 "):
        jobs.start(
            ResourceConfig=resources | {"InstanceType": "ml.m5.xlarge"},
            EnableManagedSpotTraining=True,
            StoppingCondition={"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 60},
        )


def test_running_jobs_use_a_quota_up_until_they_end(jobs: Jobs) -> None:
    running = [jobs.start(HyperParameters=SLOW_TEXT) for _ in range(4)]
    with pytest.raises(ClientError, match=r"across all training jobs' is 4 .* utilization of 4 "):
        jobs.start()
    for name in running:
        jobs.sagemaker.stop_training_job(TrainingJobName=name)
    for name in running:
        assert jobs.wait(name)["TrainingJobStatus"] == "Stopped"
    assert jobs.wait(jobs.start())["TrainingJobStatus"] == "Completed"


def test_a_spot_job_is_billed_a_share_of_its_seconds(jobs: Jobs) -> None:
    job = jobs.wait(
        jobs.start(
            EnableManagedSpotTraining=True,
            StoppingCondition={"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 60},
        )
    )
    account = Account("older")
    trained = job["TrainingTimeInSeconds"]
    assert job["BillableTimeInSeconds"] == account.billable(trained, spot=True)
    assert account.billable(140, spot=True) == 53, "as in the log that the table quotes"
    assert account.billable(1, spot=True) == 1
    assert account.billable(140, spot=False) == 140
