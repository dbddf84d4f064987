"""Lambda functions with a Python handler, as child processes (moto needs Docker for them).

They use the memory and the Python version of this machine.
"""

import io
import json
import os
import subprocess
import sys
import threading
import uuid
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from unittest import mock

from local_aws.child_process import kill_group, start_child
from local_aws.clients import Clients
from local_aws.workspace import Workspace

from moto.awslambda.models import LambdaFunction, lambda_backends

BOOTSTRAP = Path(__file__).with_name("bootstrap.py")

Outcome = tuple[str, bool, str]  # the answer as JSON, whether it is an error, the log


class Functions:
    """Runs the functions of this local AWS, and ends running ones with it."""

    def __init__(self, clients: Clients, workspace: Workspace) -> None:
        self._clients = clients
        self._workspace = workspace
        self._running: set[subprocess.Popen[str]] = set()
        self._ended = False
        self._lock = threading.Lock()

    def routed(self) -> Any:
        """Run moto's functions with this class during the context."""
        return mock.patch.object(
            LambdaFunction,
            "_invoke_lambda",
            lambda function, event=None: self.invoke(function, event),
        )

    def invoke(self, function: Any, event: Any) -> Outcome:
        """Call the handler, and write its log to CloudWatch Logs."""
        if not str(function.run_time).startswith("python"):
            runtime = function.run_time or "an image"
            return _error("Runtime.Unsupported", f"local AWS runs Python handlers, not {runtime}")
        with self._workspace.folder() as folder:
            try:
                paths = list(_unpacked(function, folder))
            except zipfile.BadZipFile as error:
                return _error("Runtime.InvalidCode", f"{function.function_name}: {error}")
            answer, output = folder / "answer", ""
            process = self._start(function, [str(folder / "task"), *paths], answer)
            try:
                text = event if isinstance(event, str) else json.dumps(event)
                with self._workspace.child(process):
                    output, _ = process.communicate(text, timeout=float(function.timeout))
            except subprocess.TimeoutExpired:
                said = f"Task timed out after {float(function.timeout):.2f} seconds"
                outcome = _error("Sandbox.Timedout", said)
            else:
                code = process.returncode
                if answer.exists():
                    outcome = answer.read_text(), code != 0, ""
                else:
                    said = f"Runtime exited with error: exit status {code}"
                    outcome = _error("Runtime.ExitError", said)
            finally:
                self._end(process)
        function.logs_backend.ensure_log_group(function.logs_group_name)
        function.save_logs(output or "(no output)")
        return (*outcome[:2], output)

    def end(self) -> None:
        """End the running functions, and start no new ones."""
        with self._lock:
            self._ended = True
            for process in self._running:
                kill_group(process)

    def _start(self, function: Any, paths: list[str], answer: Path) -> subprocess.Popen[str]:
        role = self._clients.as_role(function.role)
        with self._lock:
            process = start_child(
                [sys.executable, str(BOOTSTRAP), paths[0], function.handler, str(answer)],
                Path(paths[0]),
                {
                    "PATH": os.defpath,
                    "PYTHONPATH": os.pathsep.join(paths),
                    "PYTHONUNBUFFERED": "1",
                    **role.program_environment(),
                    **_runtime_environment(function),
                    "LAMBDA_TASK_ROOT": paths[0],
                    **function.environment_vars,
                },
                stdin=subprocess.PIPE,
            )
            self._running.add(process)
            if self._ended:
                kill_group(process)
        return process

    def _end(self, process: subprocess.Popen[str]) -> None:
        with self._lock:
            self._running.discard(process)
            kill_group(process)
        process.communicate()


def _unpacked(function: Any, folder: Path) -> Iterable[str]:
    """Unpack the code and the layers, and yield the folders with the layers' packages."""
    with zipfile.ZipFile(io.BytesIO(function.code_bytes)) as archive:
        archive.extractall(folder / "task")
    backend = lambda_backends[function.account_id][function.region]
    for layer in function.layers:
        version = backend.layers_versions_by_arn(layer["Arn"])
        if version:
            with zipfile.ZipFile(io.BytesIO(version.code_bytes)) as archive:
                archive.extractall(folder / "opt")
    if function.layers:
        yield str(folder / "opt" / "python")


def _runtime_environment(function: Any) -> dict[str, str]:
    """Return the environment variables of the Lambda runtime that programs read."""
    return {
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{function.run_time}",
        "AWS_LAMBDA_FUNCTION_NAME": function.function_name,
        "AWS_LAMBDA_FUNCTION_VERSION": str(function.version),
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_size),
        "AWS_LAMBDA_LOG_GROUP_NAME": function.logs_group_name,
        "_HANDLER": function.handler,
        "LOCAL_AWS_FUNCTION_ARN": function.function_arn,
        "LOCAL_AWS_REQUEST_ID": str(uuid.uuid4()),
        "LOCAL_AWS_TIMEOUT_SECONDS": str(function.timeout),
    }


def _error(kind: str, message: str) -> Outcome:
    return json.dumps({"errorType": kind, "errorMessage": message}), True, ""
