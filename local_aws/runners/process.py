"""Runs the program of a job as a child process: for machines without a container engine."""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from local_aws.config import Image
from local_aws.errors import JobFailed
from local_aws.runners.runner import Started
from local_aws.workspace import Workspace


class ProcessRunner:
    """Runs the command that stands for the image's ENTRYPOINT.

    Isolation, memory and CPU are not those of an instance. The environment is empty but for what
    the job and the image's entry in the configuration give.
    """

    description = "training jobs run as child processes, not in their image"
    most_instances = 1  # they would share one network, and each other's ports

    def __init__(self, images: Sequence[Image], workspace: Workspace) -> None:
        self._images = images
        self._workspace = workspace

    def start(
        self,
        request: Mapping[str, Any],
        roots: Mapping[str, Path],
        environment: Mapping[str, str],
    ) -> Started:
        uri = request["AlgorithmSpecification"]["TrainingImage"]
        image = next((each for each in self._images if each.matches(uri)), None)
        if image is None:
            raise JobFailed(
                f"ClientError: no entry of `images` in the configuration of local AWS matches {uri}"
            )
        ((host, root),) = roots.items()
        process = subprocess.Popen(  # noqa: S603 - the user's own configuration
            [*image.command, "train"],
            cwd=root,
            env={
                "PATH": os.defpath,
                "PYTHONUNBUFFERED": "1",
                "SAGEMAKER_BASE_DIR": str(root),
                **image.environment,
                **environment,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,  # Ctrl-C at the terminal is for the user's own program
        )
        child = _ChildProcess(process)
        with ExitStack() as ending:
            ending.callback(child.close)
            ending.enter_context(self._workspace.child(process))
            return Started({host: child}, ending.pop_all().close)


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
