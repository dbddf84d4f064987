"""Training jobs in containers: requests with working defaults, and images to run."""

import hashlib
import io
import json
import tarfile
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_aws.clients import Clients
from pipeline.execution.log_stream import TRAINING_LOG_GROUP
from pipeline.stack import Stack

from container_engine import ROOT, Terminal, base_image, docker, remove_images

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
    return Jobs(terminal, clients, terminal.stack(), uri)


def end(jobs: Jobs) -> None:
    """Leaves neither the repository nor its images."""
    remove_images(jobs.repository_uri)
    jobs.clients.client("ecr").delete_repository(repositoryName=REPOSITORY, force=True)


def channel(name: str, uri: str, distribution: str) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": uri, "S3DataDistributionType": distribution}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}}


def image_archive(tag: str, architecture: str, content: bytes = b"no program") -> bytes:
    """What `docker save` writes of an image with one file."""
    layer = tar_of({"train": content})
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
