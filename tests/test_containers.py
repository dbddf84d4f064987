"""Training jobs in containers, asked for with boto3: several hosts, and what goes wrong.

Their image is small and made here: tests/host_program.py on the base image.
"""

import hashlib
import io
import itertools
import json
import tarfile
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.local_aws.clients import Clients
from pipeline.log_stream import TRAINING_LOG_GROUP
from pipeline.settings import DEFAULT_CONFIG, load_settings
from pipeline.stack import Stack, read_stack

import pytest
from container_engine import (
    NEEDS_COMPOSE,
    NEEDS_ENGINE,
    ROOT,
    Image,
    Terminal,
    base_image,
    docker,
    leftovers,
    remove_images,
)

pytestmark = NEEDS_ENGINE

REPOSITORY = "hosts"
PROGRAM = 'COPY host_program.py /\nENTRYPOINT ["python3", "/host_program.py"]\n'


@dataclass
class Jobs:
    """Requests with working defaults, and the answers to them."""

    terminal: Terminal
    clients: Clients
    stack: Stack
    repository_uri: str

    def push(self, dockerfile: str, folder: Path, tag: str) -> str:
        """The image of some lines after `FROM`, by its digest."""
        name = f"{self.repository_uri}:{tag}"
        folder.mkdir(exist_ok=True)
        program = (ROOT / "tests" / "host_program.py").read_bytes()
        (folder / "host_program.py").write_bytes(program)
        (folder / "Dockerfile").write_text(f"FROM {base_image()}\n{dockerfile}")
        docker("build", f"--tag={name}", str(folder))
        return self.push_tagged(tag)

    def push_tagged(self, tag: str) -> str:
        assert self.terminal.log_in().returncode == 0
        done = self.terminal.run("docker", "push", "--quiet", f"{self.repository_uri}:{tag}")
        assert done.returncode == 0, done.stderr
        ecr = self.clients.client("ecr")
        (image,) = ecr.describe_images(repositoryName=REPOSITORY, imageIds=[{"imageTag": tag}])[
            "imageDetails"
        ]
        return f"{self.repository_uri}@{image['imageDigest']}"

    def start(self, image: str, instance_count: int = 1, **changes: Any) -> str:
        request: dict[str, Any] = {
            "TrainingJobName": f"job-{uuid.uuid4().hex[:12]}",
            "RoleArn": self.stack.training_role_arn,
            "AlgorithmSpecification": {"TrainingImage": image, "TrainingInputMode": "File"},
            "OutputDataConfig": {"S3OutputPath": f"s3://{self.stack.bucket}/hosts/models"},
            "ResourceConfig": {
                "InstanceType": "ml.t3.medium",
                "InstanceCount": instance_count,
                "VolumeSizeInGB": 1,
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 300},
            "EnableNetworkIsolation": True,
        }
        self.clients.client("sagemaker").create_training_job(**request | changes)
        name: str = request["TrainingJobName"]
        return name

    def describe(self, name: str) -> dict[str, Any]:
        sagemaker = self.clients.client("sagemaker")
        answer: dict[str, Any] = sagemaker.describe_training_job(TrainingJobName=name)
        return answer

    def wait(self, name: str) -> dict[str, Any]:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            job = self.describe(name)
            if job["TrainingJobStatus"] in ("Completed", "Failed", "Stopped"):
                return job
            time.sleep(0.1)
        raise AssertionError(f"still {job['SecondaryStatus']}")

    def logs(self, name: str) -> dict[str, list[str]]:
        """The log of each host that has one."""
        logs = self.clients.client("logs")
        streams = logs.describe_log_streams(
            logGroupName=TRAINING_LOG_GROUP, logStreamNamePrefix=f"{name}/"
        )["logStreams"]
        found = {}
        for stream in streams:
            place = {
                "logGroupName": TRAINING_LOG_GROUP,
                "logStreamName": stream["logStreamName"],
            }
            host = stream["logStreamName"].partition("/")[2].rpartition("-")[0]
            found[host] = [event["message"] for event in logs.get_log_events(**place)["events"]]
        return found

    def wait_for_log(self, name: str, line: str, hosts: int) -> None:
        """Until so many hosts have written the line."""
        deadline = time.monotonic() + 60
        while sum(line in lines for lines in self.logs(name).values()) < hosts:
            assert time.monotonic() < deadline, self.logs(name)
            time.sleep(0.1)


def jobs_of(terminal: Terminal) -> Jobs:
    clients = terminal.clients()
    ecr = clients.client("ecr")
    uri = ecr.create_repository(repositoryName=REPOSITORY)["repository"]["repositoryUri"]
    stack_name = load_settings(DEFAULT_CONFIG).stack_name
    stack = read_stack(clients.client("cloudformation"), stack_name)
    return Jobs(terminal, clients, stack, uri)


@pytest.fixture(scope="module")
def jobs(image: Image) -> Iterator[Jobs]:
    jobs = jobs_of(image)
    yield jobs
    remove_images(jobs.repository_uri)


@pytest.fixture(scope="module")
def program(jobs: Jobs, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URI of the image of tests/host_program.py."""
    return jobs.push(PROGRAM, tmp_path_factory.mktemp("program"), "program")


def channel(name: str, uri: str, distribution: str) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": uri, "S3DataDistributionType": distribution}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}}


def test_hosts_hear_each_other_by_name_and_have_their_data(jobs: Jobs, program: str) -> None:
    uri = f"s3://{jobs.stack.bucket}/hosts/data/"
    for name in "abcde":
        key = f"hosts/data/{name}"
        jobs.clients.client("s3").put_object(Bucket=jobs.stack.bucket, Key=key, Body=b"")
    name = jobs.start(
        program,
        instance_count=3,
        InputDataConfig=[
            channel("all", uri, "FullyReplicated"),
            channel("part", uri, "ShardedByS3Key"),
        ],
    )
    job = jobs.wait(name)
    assert job["TrainingJobStatus"] == "Completed", job
    model = job["ModelArtifacts"]["S3ModelArtifacts"]
    files = jobs.terminal.archive(model)
    hosts = ["algo-1", "algo-2", "algo-3"]
    assert sorted(files) == [f"{host}.json" for host in hosts]
    assert jobs.terminal.archive(model.replace("model.tar.gz", "output.tar.gz")) == files
    parts = []
    for host in hosts:
        seen = json.loads(files[f"{host}.json"])
        assert seen["resources"]["current_host"] == host
        assert seen["resources"]["hosts"] == hosts
        assert seen["resources"]["instance_groups"][0]["hosts"] == hosts
        assert seen["heard"] == {peer: f"{peer} speaking" for peer in hosts if peer != host}
        assert seen["channels"]["all"] == list("abcde")
        parts.append(seen["channels"]["part"])
    assert sorted(map(len, parts)) == [1, 2, 2]
    assert sorted(itertools.chain(*parts)) == list("abcde")
    assert {host: lines[0] for host, lines in jobs.logs(name).items()} == {
        host: f"{host}: {{}}" for host in hosts
    }
    assert leftovers() == []


def test_the_first_host_that_fails_ends_the_others_and_gives_the_reason(
    jobs: Jobs, program: str
) -> None:
    name = jobs.start(program, instance_count=2, HyperParameters={"do": "fail algo-2"})
    job = jobs.wait(name)
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"] == "AlgorithmError: algo-2 fails on request, exit code: 3"
    assert "ModelArtifacts" not in job
    assert sorted(jobs.logs(name)) == ["algo-1", "algo-2"]
    assert leftovers() == []


@pytest.mark.parametrize("isolated", [True, False])
def test_a_stop_reaches_every_host(isolated: bool, jobs: Jobs, program: str) -> None:
    name = jobs.start(
        program,
        instance_count=2,
        HyperParameters={"do": "wait"},
        EnableNetworkIsolation=isolated,
    )
    jobs.wait_for_log(name, "waiting", hosts=2)
    *containers, network = leftovers()
    assert len(containers) == 2
    assert json.loads(docker("network", "inspect", network))[0]["Internal"] == isolated
    jobs.clients.client("sagemaker").stop_training_job(TrainingJobName=name)
    job = jobs.wait(name)
    assert job["TrainingJobStatus"] == job["SecondaryStatus"] == "Stopped"
    assert [lines[-1] for lines in jobs.logs(name).values()] == ["SIGTERM came"] * 2
    files = jobs.terminal.archive(job["ModelArtifacts"]["S3ModelArtifacts"])
    assert sorted(files) == ["algo-1.json", "algo-2.json"], "what a stopped job has, it keeps"
    assert leftovers() == []


def test_the_longest_run_time_holds_for_every_host(jobs: Jobs, program: str) -> None:
    name = jobs.start(
        program,
        instance_count=2,
        HyperParameters={"do": "wait"},
        StoppingCondition={"MaxRuntimeInSeconds": 5},
    )
    job = jobs.wait(name)
    assert job["TrainingJobStatus"] == "Stopped"
    assert job["SecondaryStatus"] == "MaxRuntimeExceeded"
    assert [lines[-1] for lines in jobs.logs(name).values()] == ["SIGTERM came"] * 2
    assert leftovers() == []


def test_a_program_that_needs_more_memory_than_its_instance_has(jobs: Jobs, program: str) -> None:
    """ml.t3.medium has 4 GiB."""
    available = next(
        int(line.split()[1])
        for line in Path("/proc/meminfo").read_text().splitlines()
        if line.startswith("MemAvailable:")
    )
    if available < 6 * 2**20:  # KiB
        pytest.skip("less than 6 GiB of memory are free")
    job = jobs.wait(jobs.start(program, HyperParameters={"do": "eat 4400"}))
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: Please use an instance type with more mem")
    assert leftovers() == []


@pytest.mark.parametrize(
    ("lines", "reason", "hint"),
    [
        (
            "ENTRYPOINT []",
            'exec: "train": executable file not found in $PATH',
            "needs an ENTRYPOINT",
        ),
        (
            'ENTRYPOINT ["/nowhere"]',
            'exec: "/nowhere": stat /nowhere: no such file or directory',
            "must name a program that the image has",
        ),
        ('ENTRYPOINT ["/etc/passwd"]', 'exec: "/etc/passwd": permission denied', "chmod +x"),
    ],
)
def test_an_image_that_cannot_be_started_says_why_and_what_helps(
    lines: str, reason: str, hint: str, jobs: Jobs, tmp_path: Path
) -> None:
    image = jobs.push(lines, tmp_path, f"start-{uuid.uuid4().hex[:8]}")
    job = jobs.wait(jobs.start(image, instance_count=2))
    assert job["TrainingJobStatus"] == "Failed"
    first, second = job["FailureReason"].splitlines()
    assert first == f"AlgorithmError: {reason}"
    assert second.startswith("hint: ")
    assert hint in second
    assert leftovers() == []


def test_an_image_of_another_architecture_is_refused_with_the_cure(
    jobs: Jobs, tmp_path: Path
) -> None:
    path = tmp_path / "arm64.tar"
    path.write_bytes(image_archive(f"{jobs.repository_uri}:arm64", "arm64"))
    docker("load", f"--input={path}")
    job = jobs.wait(jobs.start(jobs.push_tagged("arm64")))
    assert job["FailureReason"].startswith("AlgorithmError: exec format error: ")
    assert "linux/arm64" in job["FailureReason"]
    assert "hint: docker build --platform linux/amd64" in job["FailureReason"]
    assert leftovers() == []


def image_archive(tag: str, architecture: str) -> bytes:
    """What `docker save` writes of an image with one file."""
    layer = tar_of({"train": b"of another machine"})
    config = {
        "architecture": architecture,
        "os": "linux",
        "config": {"Entrypoint": ["/train"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [tag], "Layers": ["layer.tar"]}]
    return tar_of(
        {
            "layer.tar": layer,
            "config.json": json.dumps(config).encode(),
            "manifest.json": json.dumps(manifest).encode(),
        }
    )


def tar_of(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


@NEEDS_COMPOSE
def test_the_sdks_own_local_mode_gives_two_hosts_the_same_contract(
    image: Image, program: str, tmp_path: Path
) -> None:
    """What a program sees of its hosts there, in files that were not written here."""
    assert image.run("docker", "pull", "--quiet", program).returncode == 0
    model, status = image.local_mode(program, 2, {"do": "meet"}, tmp_path)
    assert status == "Succeeded"
    files = image.archive(model)
    hosts = {name.removesuffix(".json") for name in files}
    assert len(hosts) == 2
    for host in hosts:
        seen = json.loads(files[f"{host}.json"])
        assert seen["resources"]["current_host"] == host
        assert set(seen["resources"]["hosts"]) == hosts
        (peer,) = hosts - {host}
        assert seen["heard"] == {peer: f"{peer} speaking"}
        assert seen["channels"] == {"train": ["train.csv"], "validation": ["validation.csv"]}
