"""What runs the training program of a job: the room for more than one kind of runner."""

import os
import signal
import subprocess
import sys
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


class ChildProcessRunner:
    """Runs the code of container/ with this Python: for machines without a container engine.

    `source` is the parent of a copy of container/ made with the source image, so a job runs what
    its image's digest names. Isolation, memory and CPU are not those of an instance. The
    environment is empty but for what the job is given.
    """

    description = "training jobs run container/ as a child process, not in a container"
    most_instances = 1  # they would share one network, and each other's ports

    def __init__(self, source: Path) -> None:
        self._source = source

    def start(
        self,
        request: Mapping[str, Any],  # noqa: ARG002 - what an engine would look at
        roots: Mapping[str, Path],
        environment: Mapping[str, str],
    ) -> Started:
        ((host, root),) = roots.items()
        process = _ChildProcess(
            subprocess.Popen(
                [sys.executable, "-m", "container", "train"],
                cwd=root,
                env={
                    "PATH": os.defpath,
                    "PYTHONPATH": str(self._source),
                    "PYTHONUNBUFFERED": "1",
                    "SAGEMAKER_BASE_DIR": str(root),
                    **environment,
                },
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,  # Ctrl-C at the terminal is for the user's own program
            )
        )
        return Started({host: process}, process.close)


class _ChildProcess:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def lines(self) -> Iterator[str]:
        for line in self._process.stdout or ():
            yield line.rstrip("\n")

    def terminate(self) -> None:
        self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self._process.kill()

    def exit_code(self) -> int:
        code = self._process.wait()
        return code if code >= 0 else 128 - code

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
