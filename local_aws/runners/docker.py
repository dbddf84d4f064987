"""Runs the program of a job in containers of its image, like instances of its type."""

import re
import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

from local_aws.clients import Clients
from local_aws.config import LOOPBACK, Image
from local_aws.ecr import registry
from local_aws.errors import JobFailed
from local_aws.runners import image_failures
from local_aws.runners.gateway import Gateway
from local_aws.runners.runner import ContainerSpec, Started
from local_aws.workspace import CONTAINER_LABEL, Workspace

import docker
from docker.errors import APIError, ImageNotFound

LABEL = "local-aws.job"
MOST_INSTANCES = 16  # of one job: they all share this machine


class ContainerRunner:
    """Gives each container the memory and CPUs of the instance type, and the job's tree as /opt/ml.

    An image in the registry of local AWS is pulled from there, with the role of the job; the engine
    must already have other images. Several hosts find each other by name on a network for the job.
    Isolated hosts reach only each other, as on AWS, and services of this machine; a single isolated
    host has no network.
    """

    most_instances = MOST_INSTANCES

    def __init__(
        self,
        engine: docker.DockerClient,
        clients: Clients,
        workspace: Workspace,
        host: str,
        gateway: Gateway | None,
    ) -> None:
        workspace.expect_containers()
        self._workspace = workspace
        self._engine = engine
        self._clients = clients
        self._registry = host  # of local AWS; empty when it has none
        self._gateway = gateway

    @property
    def description(self) -> str:
        """A text for the user: how jobs run."""
        said = "jobs run in their image, in the container engine"
        where = "" if self._gateway else ", which is not on this machine: they cannot call AWS"
        return said + where

    def has(self, image: str) -> bool:
        """Return whether the engine has the image."""
        try:
            self._engine.images.get(image)
        except (ImageNotFound, APIError):
            return False
        return True

    def start(self, spec: ContainerSpec, image: Image) -> Started:
        """Start a container for each host, with the memory and CPUs of the instance type.

        Raises JobFailed when the engine cannot start one.
        """
        memory, cpus = self._instance(spec.instance_type)
        if spec.memory_mib:
            memory = spec.memory_mib * 2**20
        access = {}
        if gateway := self._gateway_of(spec):
            access = gateway.environment(self._clients.as_role(spec.role_arn), spec.roots)
        options = {
            "environment": {**access, **image.environment, **spec.environment},
            "mem_limit": memory,
            "memswap_limit": memory,
            "nano_cpus": int(min(cpus, self._engine.info()["NCPU"]) * 1e9),
            "labels": self._labels(spec),
        }
        if spec.entrypoint:
            options["entrypoint"] = list(spec.entrypoint)
        if spec.port:
            options["ports"] = {f"{spec.port}/tcp": (LOOPBACK, None)}
        with ExitStack() as undo:
            try:
                self._pull(spec)
                image_failures.check_platform(self._engine.images.get(spec.image).attrs)
                networks = self._networks(spec, undo)
                containers = {
                    host: self._create(spec, host, options | networks[host], undo)
                    for host in spec.roots
                }
            except (ImageNotFound, APIError) as error:
                raise image_failures.not_pulled(error.explanation) from None
            try:
                for container in containers.values():
                    container.start()
            except APIError as error:
                raise image_failures.start_failure(error.explanation) from None
            processes = {host: _Container(container) for host, container in containers.items()}
            addresses = {
                host: _address(container, spec.port)
                for host, container in containers.items()
                if spec.port
            }
            return Started(processes, undo.pop_all().close, addresses)

    def _gateway_of(self, spec: ContainerSpec) -> Gateway | None:
        """Return the gateway through which the job's containers call AWS, or None if isolated."""
        return None if spec.isolated else self._gateway

    def _pull(self, spec: ContainerSpec) -> None:
        """Pull an image. Raise an error with the reason, which the Docker SDK's pull omits."""
        if not self._registry or not spec.image.startswith(f"{self._registry}/"):
            if not self.has(spec.image):
                raise image_failures.not_pulled(
                    f"the container engine does not have it: docker pull {spec.image}"
                )
            return
        login = registry.login(self._clients.as_role(spec.role_arn))
        for event in self._engine.api.pull(spec.image, stream=True, decode=True, auth_config=login):
            if "error" in event:
                raise image_failures.not_pulled(event["error"])

    def _networks(self, spec: ContainerSpec, undo: ExitStack) -> dict[str, dict[str, Any]]:
        """Return the network options for the container of each host."""
        hosts = list(spec.roots)
        if len(hosts) == 1 and not (spec.isolated and spec.port):
            return {hosts[0]: {"network_mode": "none" if spec.isolated else "bridge"}}
        network = self._engine.networks.create(
            f"{spec.job}-{secrets.token_hex(4)}", internal=spec.isolated, labels=self._labels(spec)
        )
        undo.callback(network.remove)
        if gateway := self._gateway_of(spec):
            network.reload()
            undo.enter_context(gateway.admitting(network))
        endpoint = self._engine.api.create_endpoint_config
        return {
            host: {
                "network": network.name,
                "networking_config": {network.name: endpoint(aliases=[host])},
            }
            for host in hosts
        }

    def _labels(self, spec: ContainerSpec) -> dict[str, str]:
        return {LABEL: spec.job, CONTAINER_LABEL: self._workspace.name}

    def _create(
        self, spec: ContainerSpec, host: str, options: dict[str, Any], undo: ExitStack
    ) -> Any:
        # Folder by folder: what the image itself has below /opt/ml, such as its code, stays there.
        volumes = {
            str(folder): {
                "bind": f"/opt/ml/{folder.name}",
                "mode": "ro" if folder.name in spec.read_only else "rw",
            }
            for folder in spec.roots[host].iterdir()
        }
        if gateway := self._gateway_of(spec):
            volumes |= gateway.volumes
        container = self._engine.containers.create(
            spec.image, list(spec.arguments), hostname=host, volumes=volumes, **options
        )
        undo.callback(container.remove, force=True)
        return container

    def _instance(self, instance_type: str) -> tuple[int, int]:
        """Return the memory in bytes and the virtual CPUs, from EC2's DescribeInstanceTypes."""
        name = instance_type.removeprefix("ml.")
        answer = self._clients.client("ec2").describe_instance_types(InstanceTypes=[name])
        described = answer["InstanceTypes"][0]
        return (described["MemoryInfo"]["SizeInMiB"] * 2**20, described["VCpuInfo"]["DefaultVCpus"])


def _address(container: Any, port: int) -> str:
    """Return the address of a container's port; an internal network publishes no ports."""
    container.reload()
    settings = container.attrs["NetworkSettings"]
    published = settings["Ports"].get(f"{port}/tcp")
    if published:
        return f"{LOOPBACK}:{published[0]['HostPort']}"
    (network,) = settings["Networks"].values()
    return f"{network['IPAddress']}:{port}"


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
