"""Processing jobs: from the inputs in S3 to the outputs in S3, by programs with absolute paths."""

import json
import uuid
from typing import Any

from local_aws.runners.process import no_namespace
from local_aws.tests.jobs import JobCalls, Jobs
from local_aws.tests.waiting import wait_for

import pytest
from botocore.exceptions import ClientError

IN, OUT = "/opt/ml/processing/input", "/opt/ml/processing/output"

if no_namespace():
    pytest.skip(f"no private /opt/ml: {no_namespace()}", allow_module_level=True)


class Processing(JobCalls):
    """Requests with working defaults, and the answers to them."""

    kind = "Processing"

    def __init__(self, jobs: Jobs) -> None:
        super().__init__(jobs.clients)
        self.jobs = jobs

    def input(self, name: str, prefix: str, **changes: Any) -> dict[str, Any]:
        source = {
            "S3Uri": f"s3://{self.jobs.bucket}/{prefix}",
            "LocalPath": f"{IN}/{name}",
            "S3DataType": "S3Prefix",
            "S3InputMode": "File",
        }
        return {"InputName": name, "S3Input": source | changes}

    def output(self, name: str, prefix: str, mode: str = "EndOfJob") -> dict[str, Any]:
        target = {
            "S3Uri": f"s3://{self.jobs.bucket}/{prefix}",
            "LocalPath": f"{OUT}/{name}",
            "S3UploadMode": mode,
        }
        return {"OutputName": name, "S3Output": target}

    def request(self, do: str, *arguments: Any, **changes: Any) -> dict[str, Any]:
        """A CreateProcessingJob request of a program of Python."""
        request: dict[str, Any] = {
            "ProcessingJobName": f"job-{uuid.uuid4().hex[:12]}",
            "RoleArn": self.jobs.role,
            "AppSpecification": {
                "ImageUri": self.jobs.image,
                "ContainerEntrypoint": ["python3", "-c", do],
                **({"ContainerArguments": list(arguments)} if arguments else {}),
            },
            "ProcessingResources": {
                "ClusterConfig": {
                    "InstanceType": "ml.m5.large",
                    "InstanceCount": 1,
                    "VolumeSizeInGB": 1,
                }
            },
        }
        return request | changes

    def start(self, do: str, *arguments: str, **changes: Any) -> str:
        return self.create(self.request(do, *arguments, **changes))

    def objects(self, prefix: str) -> dict[str, bytes]:
        listed = self.jobs.s3.list_objects_v2(Bucket=self.jobs.bucket, Prefix=prefix)
        keys = [each["Key"] for each in listed.get("Contents", [])]
        get = self.jobs.s3.get_object
        return {
            key.removeprefix(prefix): get(Bucket=self.jobs.bucket, Key=key)["Body"].read()
            for key in keys
        }


@pytest.fixture(scope="module")
def processing(jobs: Jobs) -> Processing:
    return Processing(jobs)


SCRIPT = f"""
import json, os, pathlib, sys
rows = sum(len(path.read_text().split()) for path in pathlib.Path("{IN}/data").rglob("*.csv"))
target = pathlib.Path("{OUT}/report/deep")
target.mkdir()
(target / "rows.json").write_text(json.dumps([rows, sys.argv[1:], os.environ["NAME"]]))
pathlib.Path("/opt/ml/output/message").write_text(f"{{rows}} rows")
config = json.loads(pathlib.Path("/opt/ml/config/processingjobconfig.json").read_text())
hosts = json.loads(pathlib.Path("/opt/ml/config/resourceconfig.json").read_text())
print(config["ProcessingJobName"], config["ProcessingInputs"][0]["InputName"], hosts["hosts"])
"""


def test_a_job_goes_from_inputs_in_s3_to_outputs_in_s3(processing: Processing) -> None:
    """The program itself is an input, as that of a script processor is."""
    put = processing.jobs.s3.put_object
    put(Bucket=processing.jobs.bucket, Key="script/run.py", Body=SCRIPT.encode())
    for key in ("a.csv", "deep/b.csv"):
        put(Bucket=processing.jobs.bucket, Key=f"rows/{key}", Body=b"1\n2\n")
    request = processing.request("", "--size", "0.2", Environment={"NAME": "value"})
    request["AppSpecification"]["ContainerEntrypoint"] = ["python3", f"{IN}/code/run.py"]
    request["ProcessingInputs"] = [
        processing.input("data", "rows/"),
        processing.input("code", "script/run.py"),
    ]
    request["ProcessingOutputConfig"] = {"Outputs": [processing.output("report", "reports")]}
    processing.create(request)
    job = processing.wait(request["ProcessingJobName"])
    assert job["ProcessingJobStatus"] == "Completed", job.get("FailureReason")
    assert job["ExitMessage"] == "4 rows"
    assert job["CreationTime"] <= job["ProcessingStartTime"] <= job["ProcessingEndTime"]
    assert {name: job[name] for name in request} == request
    stored = processing.objects("reports/")
    assert list(stored) == ["deep/rows.json"]
    assert json.loads(stored["deep/rows.json"]) == [4, ["--size", "0.2"], "value"]
    logs = processing.log(job["ProcessingJobName"])
    assert logs == [f"{job['ProcessingJobName']} data ['algo-1']"]


def test_a_program_that_fails_gives_its_exit_code_and_stores_no_output(
    processing: Processing,
) -> None:
    do = (
        f"open('{OUT}/report/x', 'w').write('x'); "
        "open('/opt/ml/output/message', 'w').write('no rows'); raise SystemExit(3)"
    )
    outputs = {"Outputs": [processing.output("report", "failed")]}
    job = processing.wait(processing.start(do, ProcessingOutputConfig=outputs))
    assert job["ProcessingJobStatus"] == "Failed"
    assert job["FailureReason"] == "AlgorithmError: , exit code: 3"
    assert job["ExitMessage"] == "no rows"
    assert processing.objects("failed/") == {}


def test_a_continuous_output_is_stored_at_the_end_and_said_so(processing: Processing) -> None:
    do = f"open('{OUT}/report/x', 'w').write('x')"
    changes = {
        "ProcessingOutputConfig": {"Outputs": [processing.output("report", "cont", "Continuous")]},
        "ExperimentConfig": {"ExperimentName": "mine"},
    }
    name = processing.start(do, **changes)
    job = processing.wait(name)
    assert job["ProcessingJobStatus"] == "Completed", job.get("FailureReason")
    assert job["ExperimentConfig"] == {"ExperimentName": "mine"}
    assert processing.objects("cont/") == {"x": b"x"}
    assert sorted(processing.log(name)[0].partition(": not carried out here: ")[2].split(", ")) == [
        "ExperimentConfig",
        "ProcessingOutputConfig.Outputs.S3Output.S3UploadMode Continuous",
    ]


def test_a_job_can_be_stopped(processing: Processing) -> None:
    name = processing.start("import time; print('begun', flush=True); time.sleep(600)")
    wait_for(lambda: "begun" in processing.log(name))
    processing.stop(name)
    assert processing.wait(name)["ProcessingJobStatus"] == "Stopped"


def test_a_job_that_takes_too_long_is_stopped_and_said_so(processing: Processing) -> None:
    do = "import time; time.sleep(600)"
    name = processing.start(do, StoppingCondition={"MaxRuntimeInSeconds": 1})
    assert processing.wait(name)["ProcessingJobStatus"] == "Stopped"
    assert "MaxRuntimeExceeded: SIGTERM now" in processing.log(name)[-1]


def test_jobs_are_listed_by_name_and_status(processing: Processing) -> None:
    name = processing.start("raise SystemExit(1)", ProcessingJobName="listed-job")
    processing.wait(name)
    listed = processing.sagemaker.list_processing_jobs(NameContains="listed", StatusEquals="Failed")
    (summary,) = listed["ProcessingJobSummaries"]
    assert summary["ProcessingJobName"] == name
    assert summary["FailureReason"] == "AlgorithmError: , exit code: 1"
    with pytest.raises(ClientError, match="Could not find requested job with name: none"):
        processing.describe("none")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"RoleArn": "arn:aws:iam::123456789012:role/nobody"}, "Could not assume role"),
        ({"ProcessingJobName": "twice"}, "Processing job twice already exists"),
        (
            {
                "ProcessingResources": {
                    "ClusterConfig": {
                        "InstanceType": "ml.m5.large",
                        "InstanceCount": 2,
                        "VolumeSizeInGB": 1,
                    }
                }
            },
            r"ClusterConfig\.InstanceCount 2, only 1 \(more with --containers\)",
        ),
    ],
)
def test_what_cannot_be_started_is_refused(
    changes: dict[str, Any], problem: str, processing: Processing
) -> None:
    if changes.get("ProcessingJobName"):
        processing.start("", **changes)
    with pytest.raises(ClientError, match=problem):
        processing.start("", **changes)


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("/tmp/x", "LocalPath '/tmp/x' must be a folder below /opt/ml/processing/"),
        ("/opt/ml/processing/../x", "must be a folder below /opt/ml/processing/"),
    ],
)
def test_a_path_outside_of_the_jobs_folder_is_refused(
    path: str, problem: str, processing: Processing
) -> None:
    inputs = [processing.input("data", "rows/", LocalPath=path)]
    with pytest.raises(ClientError, match=problem):
        processing.start("", ProcessingInputs=inputs)


def test_an_input_without_objects_fails_before_anything_runs(processing: Processing) -> None:
    inputs = [processing.input("data", "nothing/here/")]
    job = processing.wait(processing.start("", ProcessingInputs=inputs))
    assert "no S3 objects under" in job["FailureReason"]
    assert job["FailureReason"].endswith("nothing/here/ (input data)")


def test_processing_jobs_beyond_the_quota_are_refused_until_one_ends(
    processing: Processing,
) -> None:
    request = processing.request("import time; time.sleep(600)")
    cluster = request["ProcessingResources"]["ClusterConfig"] | {"InstanceType": "ml.t3.medium"}
    small = {"ProcessingResources": {"ClusterConfig": cluster}}
    running = [processing.start("import time; time.sleep(600)", **small) for _ in range(4)]
    with pytest.raises(ClientError, match="ResourceLimitExceeded") as caught:
        processing.start("", **small)
    assert (
        "The account-level service limit 'ml.t3.medium for processing job usage' is 4 Instances, "
        "with current utilization of 4 Instances and a request delta of 1 Instances."
    ) in str(caught.value)
    for name in running:
        processing.stop(name)
    for name in running:
        assert processing.wait(name)["ProcessingJobStatus"] == "Stopped"
    assert processing.wait(processing.start("", **small))["ProcessingJobStatus"] == "Completed"
