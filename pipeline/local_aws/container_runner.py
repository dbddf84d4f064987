"""Runs the training program of a job in its image, as an instance of its type would."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from container.errors import InputError
from pipeline.local_aws import registry
from pipeline.local_aws.clients import Clients
from pipeline.local_aws.opt_ml_tree import JobFailed
from pipeline.local_aws.runner import Process

import docker
from docker.errors import APIError, DockerException, ImageNotFound

LABEL = "titanic-sagemaker-pipeline.job"


def connect() -> docker.DockerClient:
    """Raises InputError when no container engine answers."""
    try:
        engine = docker.from_env(timeout=600)
        engine.ping()
    except (DockerException, OSError) as error:
        raise InputError(
            f"no container engine answers: {error}", "start Docker, or do without: make local"
        ) from None
    return engine


class ContainerRunner:
    """Pulls the image by its digest from the registry, and gives the container what the instance
    type has of memory and CPU, the channels read-only, and no network when it is isolated."""

    description = "training jobs run in their image, in the container engine"

    def __init__(self, engine: docker.DockerClient, clients: Clients) -> None:
        self._engine = engine
        self._clients = clients

    def start(
        self, request: Mapping[str, Any], root: Path, environment: Mapping[str, str]
    ) -> Process:
        image = request["AlgorithmSpecification"]["TrainingImage"]
        role = self._clients.as_role(request["RoleArn"])
        memory, cpus = self._instance(request["ResourceConfig"]["InstanceType"])
        try:
            self._engine.images.pull(image, auth_config=registry.login(role))
            container = self._engine.containers.create(
                image,
                ["train"],
                environment=dict(environment),
                volumes={
                    str(root): {"bind": "/opt/ml", "mode": "rw"},
                    str(root / "input"): {"bind": "/opt/ml/input", "mode": "ro"},
                },
                network_mode="none" if request.get("EnableNetworkIsolation") else "bridge",
                mem_limit=memory,
                memswap_limit=memory,
                nano_cpus=int(min(cpus, self._engine.info()["NCPU"]) * 1e9),
                labels={LABEL: request["TrainingJobName"]},
            )
        except (ImageNotFound, APIError) as error:
            raise JobFailed(f"ClientError: the image cannot be used: {error.explanation}") from None
        try:
            container.start()
        except APIError as error:
            container.remove(force=True)
            raise JobFailed(f"AlgorithmError: {error.explanation}, exit code: 127") from None
        return _Container(container)

    def _instance(self, instance_type: str) -> tuple[int, int]:
        """Memory in bytes and virtual CPUs, from EC2 DescribeInstanceTypes."""
        name = instance_type.removeprefix("ml.")
        answer = self._clients.client("ec2").describe_instance_types(InstanceTypes=[name])
        described = answer["InstanceTypes"][0]
        return (
            described["MemoryInfo"]["SizeInMiB"] * 2**20,
            described["VCpuInfo"]["DefaultVCpus"],
        )


class _Container:
    def __init__(self, container: Any) -> None:
        self._container = container
        self._ended: tuple[int, bool] | None = None

    def lines(self) -> Iterator[str]:
        rest = b""
        for chunk in self._container.logs(stream=True, follow=True):
            *lines, rest = (rest + chunk).split(b"\n")
            yield from (line.decode("utf-8", "replace") for line in lines)
        if rest:
            yield rest.decode("utf-8", "replace")

    def terminate(self) -> None:
        self._signal("SIGTERM")

    def kill(self) -> None:
        self._signal("SIGKILL")

    def exit_code(self) -> int:
        code: int = self._container.wait()["StatusCode"]
        self._container.reload()
        if self._container.attrs["State"]["OOMKilled"]:
            raise JobFailed(
                "ClientError: the training program was killed: it needs more memory than the "
                "instance type has"
            )
        return code

    def close(self) -> None:
        self._container.remove(force=True)

    def _signal(self, name: str) -> None:
        try:
            self._container.kill(signal=name)
        except APIError as error:
            if not re.search("is not running|No such container", str(error)):
                raise
