"""Jobs in containers and as child processes, of one server."""

import os
import subprocess
from collections.abc import Iterator

from local_aws.tests.conftest import clients_of, serving
from local_aws.tests.jobs import CONFIG, Jobs
from local_aws.tests.test_processing import IN, OUT, Processing

import pytest
import yaml

IMAGE = os.environ.get("TEST_BASE_IMAGE", "")  # with python3, for linux/amd64
ABSENT = "683313688378.dkr.ecr.us-east-1.amazonaws.com/absent:1"


def missing() -> str:
    """Return why these tests cannot run here."""
    if not IMAGE:
        return "TEST_BASE_IMAGE names no image"
    try:
        subprocess.run(["docker", "image", "inspect", IMAGE], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return f"no container engine has {IMAGE}"
    return ""


pytestmark = pytest.mark.skipif(bool(missing()), reason=missing() or "-")


@pytest.fixture(scope="module")
def processing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processing]:
    folder = tmp_path_factory.mktemp("mixed")
    images = [{"match": each, "docker": True} for each in (IMAGE, ABSENT)] + CONFIG["images"]
    (folder / "local_aws.yaml").write_text(yaml.safe_dump({"images": images}))
    with serving(folder) as environment:
        yield Processing(Jobs(clients_of(environment)))


PROGRAM = f"""
import os, pathlib, socket
text = pathlib.Path("{IN}/data/a.csv").read_text()
in_container = socket.gethostname() == "algo-1"
pathlib.Path("{OUT}/report/x").write_text(f"{{text}} {{in_container}}")
pathlib.Path("/opt/ml/output/message").write_text(os.environ["NAME"])
"""


@pytest.mark.parametrize("in_container", [True, False])
def test_each_image_is_run_as_its_entry_says(in_container: bool, processing: Processing) -> None:
    put = processing.jobs.s3.put_object
    put(Bucket=processing.jobs.bucket, Key="rows/a.csv", Body=b"row")
    put(Bucket=processing.jobs.bucket, Key="code/run.py", Body=PROGRAM.encode())
    request = processing.request(
        f"exec(open('{IN}/code/run.py').read())",
        Environment={"NAME": "value"},
        ProcessingInputs=[processing.input("data", "rows/"), processing.input("code", "code/")],
        ProcessingOutputConfig={"Outputs": [processing.output("report", f"{in_container}")]},
    )
    if in_container:
        request["AppSpecification"]["ImageUri"] = IMAGE
    processing.sagemaker.create_processing_job(**request)
    job = processing.wait(request["ProcessingJobName"])
    assert job["ProcessingJobStatus"] == "Completed", job.get("FailureReason")
    assert job["ExitMessage"] == "value"
    assert processing.objects(f"{in_container}/") == {"x": f"row {in_container}".encode()}


def test_a_jobs_own_command_may_change_the_files_of_its_channels(
    processing: Processing,
) -> None:
    jobs = processing.jobs
    jobs.s3.put_object(Bucket=jobs.bucket, Key="shell/run.sh", Body=b"echo from the channel")
    place = "/opt/ml/input/data/code/run.sh"
    algorithm = {
        "TrainingImage": IMAGE,
        "TrainingInputMode": "File",
        "ContainerEntrypoint": ["/bin/sh"],
        "ContainerArguments": ["-c", f"chmod +x {place} && {place}"],
    }
    channels = [jobs.channel("code", "shell/")]
    job = jobs.wait(name := jobs.start(AlgorithmSpecification=algorithm, InputDataConfig=channels))
    assert job["TrainingJobStatus"] == "Completed", (job.get("FailureReason"), jobs.log(name))
    assert jobs.log(name) == ["from the channel"]


def test_an_image_that_the_engine_lacks_says_what_to_do(processing: Processing) -> None:
    request = processing.request("")
    request["AppSpecification"]["ImageUri"] = ABSENT
    processing.sagemaker.create_processing_job(**request)
    job = processing.wait(request["ProcessingJobName"])
    assert job["FailureReason"].startswith("ClientError: Cannot pull algorithm container. ")
    assert f"docker pull {ABSENT}" in job["FailureReason"]
