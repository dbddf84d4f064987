"""What a job asks of a runner, and what it gets: its program, started on every host."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from local_aws.config import Image


@dataclass(frozen=True)
class ContainerSpec:
    """The container of a job; where none is run, a child process stands in for it."""

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
        """Yield what it writes on stdout and stderr, line by line, until it ends."""

    def terminate(self) -> None:
        """Ask it to end (SIGTERM)."""

    def kill(self) -> None:
        """End it (SIGKILL)."""

    def exit_code(self) -> int:
        """Wait for its end, and return its exit code: 128 + N when signal N ended it.

        Raises:
            JobFailed: There is more to say than a code.
        """


@dataclass(frozen=True)
class Started:
    """The program of a job, once on each of its hosts."""

    processes: Mapping[str, Process]  # by host
    close: Callable[[], None]  # ends what still runs, and leaves nothing of it behind
    addresses: Mapping[str, str] = field(default_factory=dict)  # host -> `127.0.0.1:<port>`


class Runner(Protocol):
    """One way to run the program of a job."""

    @property
    def description(self) -> str:
        """How jobs are run, for the user."""

    @property
    def most_instances(self) -> int:
        """How many of them one job may have."""

    def has(self, image: str) -> bool:
        """Return whether it has an image that ECR does not need to have."""

    def start(self, spec: ContainerSpec, image: Image) -> Started:
        """Start the program of a job on every host; `image` says how it is run.

        Raises:
            JobFailed: It cannot be started; then nothing of it is left.
        """
