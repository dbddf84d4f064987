"""Runs the training program of a job in its image, as instances of its type would."""

import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from local_aws.clients import Clients
from local_aws.ecr import registry
from local_aws.errors import JobFailed, UserError
from local_aws.runners.runner import Started
from local_aws.sagemaker import image_failures
from local_aws.workspace import CONTAINER_LABEL, Workspace

import docker
from docker.errors import APIError, DockerException, ImageNotFound

LABEL = "local-aws.job"
MOST_INSTANCES = 16  # of one job: they all share this machine


def connect() -> docker.DockerClient:
    """Raises UserError when no container engine answers."""
    try:
        engine = docker.from_env(timeout=600)
        engine.ping()
    except (DockerException, OSError) as error:
        raise UserError(
            f"no container engine answers: {_cause(error)}",
            "start Docker, or leave out --containers",
        ) from None
    return engine


def remove_containers(workspace: str) -> None:
    """Remove the containers and networks of a local AWS. Raises OSError when no engine answers."""
    marked = {"label": f"{CONTAINER_LABEL}={workspace}"}
    try:
        engine = connect()
        for container in engine.containers.list(all=True, filters=marked):
            container.remove(force=True)
        for network in engine.networks.list(filters=marked):
            network.remove()
    except (UserError, DockerException) as error:
        raise OSError(str(error)) from error


def _cause(error: BaseException) -> str:
    """The Docker SDK wraps what the system says four times over."""
    while error.__context__:
        error = error.__context__
    return getattr(error, "strerror", None) or str(error)


class ContainerRunner:
    """Pulls the image by its digest from the registry, and gives each container what the instance
    type has of memory and CPU, and the channels read-only.

    Several hosts find each other by name on a network made for the job. Isolation cuts them off
    from everything but each other, as on AWS, and what this machine itself offers; a single
    isolated host has no network.
    """

    description = "training jobs run in their image, in the container engine"
    most_instances = MOST_INSTANCES

    def __init__(self, engine: docker.DockerClient, clients: Clients, workspace: Workspace) -> None:
        workspace.expect_containers()
        self._workspace = workspace
        self._engine = engine
        self._clients = clients

    def start(
        self, request: Mapping[str, Any], roots: Mapping[str, Path], environment: Mapping[str, str]
    ) -> Started:
        image = request["AlgorithmSpecification"]["TrainingImage"]
        role = self._clients.as_role(request["RoleArn"])
        memory, cpus = self._instance(request["ResourceConfig"]["InstanceType"])
        options = {
            "environment": dict(environment),
            "mem_limit": memory,
            "memswap_limit": memory,
            "nano_cpus": int(min(cpus, self._engine.info()["NCPU"]) * 1e9),
            "labels": self._labels(request),
        }
        with ExitStack() as undo:
            try:
                self._pull(image, registry.login(role))
                image_failures.check_platform(self._engine.images.get(image).attrs)
                networks = self._networks(request, list(roots), undo)
                containers = {
                    host: self._create(image, host, root, options | networks[host], undo)
                    for host, root in roots.items()
                }
            except (ImageNotFound, APIError) as error:
                raise image_failures.not_pulled(error.explanation) from None
            try:
                for container in containers.values():
                    container.start()
            except APIError as error:
                raise image_failures.start_failure(error.explanation) from None
            processes = {host: _Container(container) for host, container in containers.items()}
            return Started(processes, undo.pop_all().close)

    def _pull(self, image: str, login: dict[str, str]) -> None:
        """The Docker SDK's own pull leaves out why one failed."""
        for event in self._engine.api.pull(image, stream=True, decode=True, auth_config=login):
            if "error" in event:
                raise image_failures.not_pulled(event["error"])

    def _networks(
        self, request: Mapping[str, Any], hosts: list[str], undo: ExitStack
    ) -> dict[str, dict[str, Any]]:
        """The options of each host's container that say on which network it is."""
        isolated = request.get("EnableNetworkIsolation", False)
        if len(hosts) == 1:
            return {hosts[0]: {"network_mode": "none" if isolated else "bridge"}}
        job = request["TrainingJobName"]
        network = self._engine.networks.create(
            f"{job}-{secrets.token_hex(4)}", internal=isolated, labels=self._labels(request)
        )
        undo.callback(network.remove)
        endpoint = self._engine.api.create_endpoint_config
        return {
            host: {
                "network": network.name,
                "networking_config": {network.name: endpoint(aliases=[host])},
            }
            for host in hosts
        }

    def _labels(self, request: Mapping[str, Any]) -> dict[str, str]:
        return {LABEL: request["TrainingJobName"], CONTAINER_LABEL: self._workspace.name}

    def _create(
        self, image: str, host: str, root: Path, options: dict[str, Any], undo: ExitStack
    ) -> Any:
        container = self._engine.containers.create(
            image,
            ["train"],
            hostname=host,
            volumes={
                str(root): {"bind": "/opt/ml", "mode": "rw"},
                str(root / "input"): {"bind": "/opt/ml/input", "mode": "ro"},
            },
            **options,
        )
        undo.callback(container.remove, force=True)
        return container

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
            raise JobFailed(image_failures.OUT_OF_MEMORY)
        return code

    def _signal(self, name: str) -> None:
        try:
            self._container.kill(signal=name)
        except APIError as error:
            if not re.search("is not running|No such container", str(error)):
                raise
