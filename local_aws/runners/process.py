"""Runs the program of a job as a child process, on machines without a container engine."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import cache
from pathlib import Path

from local_aws.child_process import kill_group, start_child
from local_aws.clients import Clients
from local_aws.config import LOOPBACK, Image
from local_aws.listener import free_port
from local_aws.runners import image_failures
from local_aws.runners.runner import ContainerSpec, Started
from local_aws.workspace import Workspace

OPT_ML = "/opt/ml"
PRIVATE_OPT_ML = Path(__file__).with_name("private_opt_ml.py")
SCRIPT_MODE = Path(__file__).with_name("script_mode.py")
SCRIPT_SERVING = Path(__file__).with_name("script_serving.py")


class ProcessRunner:
    """Runs the command that replaces the image's ENTRYPOINT, or the job's own command.

    It has no isolation, and the memory and CPUs of this machine. The environment has only the
    variables of the job, of its role and of the entry in `images`. If a mount namespace is
    possible, the job's tree is a private /opt/ml; if not, SAGEMAKER_BASE_DIR names it.
    """

    most_instances = 1  # they would share one network, and each other's ports

    def __init__(self, clients: Clients, workspace: Workspace) -> None:
        self._clients = clients
        self._workspace = workspace

    @property
    def description(self) -> str:
        """How jobs run, and what is missing if user namespaces are not allowed."""
        said = "jobs run as child processes, not in their image"
        if reason := no_namespace():
            said += (
                f"; they have no /opt/ml of their own ({reason}), only "
                "SAGEMAKER_BASE_DIR: allow user namespaces on Linux, or run images with docker"
            )
        return said

    def has(self, image: str) -> bool:  # noqa: ARG002 - of the interface
        """Return False, because a child process has no image."""
        return False

    def start(self, spec: ContainerSpec, image: Image) -> Started:
        """Start the program as a child process, with a private /opt/ml if possible."""
        ((host, root),) = spec.roots.items()
        private = not no_namespace()
        base = OPT_ML if private else str(root)
        port = free_port() if spec.port else None
        command = _command(spec, image)
        if private:
            mount_point = root.with_name(f"{root.name}-root")
            mount_point.mkdir(exist_ok=True)
            command = [*_in_namespace(root, mount_point), *command]
        else:
            command = [_moved(part, base) for part in command]
        role = None if spec.isolated else self._clients.as_role(spec.role_arn)
        try:
            process = start_child(
                command,
                root,
                {
                    "PATH": _path(image),
                    "HOME": base,
                    "PYTHONUNBUFFERED": "1",
                    **({"PIP_NO_INDEX": "1"} if image.python else {}),  # nothing is installed
                    **(role.program_environment() if role else {}),
                    "SAGEMAKER_BASE_DIR": base,
                    **({"SAGEMAKER_BIND_TO_PORT": str(port)} if port else {}),
                    **image.environment,
                    **spec.environment,
                },
            )
        except OSError as error:
            cause = f'exec: "{command[0]}": {error.strerror}'
            raise image_failures.start_failure(cause) from None
        child = _ChildProcess(process)
        with ExitStack() as ending:
            ending.callback(child.close)
            ending.enter_context(self._workspace.child(process))
            addresses = {host: f"{LOOPBACK}:{port}"} if port else {}
            return Started({host: child}, ending.pop_all().close, addresses)


@cache
def no_namespace() -> str:
    """Return why a private /opt/ml is not possible here, or an empty string if it is."""
    if sys.platform != "linux":
        return f"{sys.platform} has no mount namespaces"
    with tempfile.TemporaryDirectory() as folder:
        probe = [*_in_namespace(Path(folder), Path(folder, "root")), sys.executable, "-V"]
        Path(folder, "root").mkdir()
        done = subprocess.run(probe, capture_output=True, text=True, check=False)  # noqa: S603
    return done.stderr.strip() or "no namespace" if done.returncode else ""


def _in_namespace(folder: Path, mount_point: Path) -> list[str]:
    return [sys.executable, "-I", "-S", str(PRIVATE_OPT_ML), str(folder), str(mount_point)]


def _command(spec: ContainerSpec, image: Image) -> Sequence[str]:
    if spec.entrypoint:
        return [*spec.entrypoint, *spec.arguments]
    if image.python:
        script = SCRIPT_SERVING if spec.port else SCRIPT_MODE
        return [str(image.python), str(script), *spec.arguments]
    return [*image.command, *spec.arguments]


def _path(image: Image) -> str:
    """Return PATH with the folder of the entry's interpreter first."""
    program = image.python or Path(image.command[0])
    return f"{program.parent}:{os.defpath}" if program.is_absolute() else os.defpath


def _moved(part: str, base: str) -> str:
    """Return an argument with the path of the job's tree instead of /opt/ml."""
    return base + part.removeprefix(OPT_ML) if f"{part}/".startswith(f"{OPT_ML}/") else part


class _ChildProcess:
    """A child process with a process group: as in a container, its own children end with it."""

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
        kill_group(self._process)
        return code if code >= 0 else 128 - code

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        kill_group(self._process)
