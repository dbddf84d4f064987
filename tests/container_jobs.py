"""Training jobs in containers: requests with working defaults, and images to run."""

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local_aws.tests.jobs import JobCalls, training_request
from local_aws.tests.waiting import wait_for

from container_engine import ROOT, Terminal, base_image, docker, remove_images

REPOSITORY = "hosts"
PROGRAM = 'COPY host_program.py /\nENTRYPOINT ["python3", "/host_program.py"]\n'


class Jobs(JobCalls):
    """Jobs in containers, with a repository of their own for the images."""

    def __init__(self, terminal: Terminal) -> None:
        super().__init__(terminal.clients())
        self.terminal, self.stack = terminal, terminal.stack()
        ecr = self.clients.client("ecr")
        made = ecr.create_repository(repositoryName=REPOSITORY)["repository"]
        self.repository_uri: str = made["repositoryUri"]

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
        output = f"s3://{self.stack.bucket}/hosts/models"
        request = training_request(self.stack.training_role_arn, image, output)
        request["ResourceConfig"] |= {
            "InstanceType": "ml.t3.medium",
            "InstanceCount": instance_count,
        }
        request |= {
            "StoppingCondition": {"MaxRuntimeInSeconds": 300},
            "EnableNetworkIsolation": True,
        }
        return self.create(request | changes)

    def wait_for_log(self, name: str, line: str, hosts: int) -> None:
        """Until so many hosts have written the line."""
        wait_for(lambda: sum(line in lines for lines in self.logs(name).values()) == hosts)


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
