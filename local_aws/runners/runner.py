"""The interface of a runner, which starts the program of a job on each of its hosts."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from local_aws.config import Image


@dataclass(frozen=True)
class ContainerSpec:
    """The description of a job's container, or of the child process that replaces it."""

    job: str
    image: str
    role_arn: str  # pulls the image, and is who the program is
    instance_type: str
    roots: Mapping[str, Path]  # host -> the folder that is its /opt/ml
    environment: Mapping[str, str]
    arguments: tuple[str, ...]  # after the entrypoint: `train`, `serve`, or the job's own
    entrypoint: tuple[str, ...] = ()  # in place of the image's
    read_only: tuple[str, ...] = ("input",)  # folders of a root
    isolated: bool = False  # EnableNetworkIsolation
    memory_mib: int | None = None  # where it is not that of the instance type
    port: int | None = None  # that the program listens on; then it is published on loopback


class Process(Protocol):
    """A started program."""

    def lines(self) -> Iterator[str]:
        """Yield the lines of stdout and stderr until the program ends."""

    def terminate(self) -> None:
        """Send SIGTERM."""

    def kill(self) -> None:
        """Send SIGKILL."""

    def exit_code(self) -> int:
        """Wait for the end, and return the exit code, or 128 + N if signal N ended the program.

        Raises:
            JobFailed: The failure has a more exact reason than an exit code.
        """


@dataclass(frozen=True)
class Started:
    """The started program of a job, once on each host."""

    processes: Mapping[str, Process]  # by host
    close: Callable[[], None]  # ends what still runs, and leaves nothing of it behind
    addresses: Mapping[str, str] = field(default_factory=dict)  # host -> `127.0.0.1:<port>`


class Runner(Protocol):
    """One way to run the program of a job."""

    @property
    def description(self) -> str:
        """A text for the user: how jobs run."""

    @property
    def most_instances(self) -> int:
        """The maximum number of instances of one job."""

    def has(self, image: str) -> bool:
        """Return whether the runner has this image, so that ECR does not need it."""

    def start(self, spec: ContainerSpec, image: Image) -> Started:
        """Start the program of a job on every host, as the entry `image` describes.

        Raises:
            JobFailed: The program cannot be started. Nothing of it is left running.
        """
