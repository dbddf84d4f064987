"""What a runner offers: it starts the program of a job on every host."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


class Process(Protocol):
    """A started training program."""

    def lines(self) -> Iterator[str]:
        """What it writes on stdout and stderr, line by line, until it ends."""

    def terminate(self) -> None:
        """Asks it to end (SIGTERM)."""

    def kill(self) -> None:
        """Ends it (SIGKILL)."""

    def exit_code(self) -> int:
        """Waits for its end; 128 + N when signal N ended it. Raises JobFailed when there is more
        to say than a code."""


@dataclass(frozen=True)
class Started:
    """The training program, once on each host of a job."""

    processes: Mapping[str, Process]  # by host
    close: Callable[[], None]  # ends what still runs, and leaves nothing of it behind


class Runner(Protocol):
    @property
    def description(self) -> str:
        """How training jobs are run, for the user."""

    @property
    def most_instances(self) -> int:
        """How many of them one job may have."""

    def start(
        self, request: Mapping[str, Any], roots: Mapping[str, Path], environment: Mapping[str, str]
    ) -> Started:
        """Starts the training program of a CreateTrainingJob request on every host, each with a
        root of its own as /opt/ml.

        Raises JobFailed when it cannot be started; then nothing of it is left.
        """
