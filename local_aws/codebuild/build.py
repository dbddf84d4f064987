"""One build: the commands of the buildspec, executed on this machine.

Sources: "Build specification reference for CodeBuild", "Build phase transitions" and
"Environment variables in build environments" in the CodeBuild user guide.
"""

import io
import os
import subprocess
import threading
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from local_aws.background import BackgroundTask
from local_aws.child_process import kill_group, start_child
from local_aws.clients import Clients
from local_aws.clock import now
from local_aws.log_writer import LogWriter
from local_aws.workspace import Workspace

import yaml

PHASES = ("install", "pre_build", "build", "post_build")
SUPPORTED = {"version", "env", "phases"}
SUPPORTED_ENV = {"shell", "variables", "exported-variables"}
SUPPORTED_PHASE = {"commands", "finally"}
OF_THE_ENGINE = ("DOCKER_HOST", "DOCKER_BUILDKIT")  # where this machine's is, and what it can do


class Build(BackgroundTask):
    """A build. Its methods are thread-safe."""

    def __init__(
        self,
        build_id: str,
        project: dict[str, Any],
        source: str,  # <bucket>/<key> of a zip file
        variables: Mapping[str, str],
        clients: Clients,
        workspace: Workspace,
    ) -> None:
        self._workspace = workspace
        self.id = build_id
        self._project = project
        self._source = source
        self._variables = variables
        self._clients = clients
        self._phases: list[dict[str, Any]] = []
        self._state: dict[str, Any] = {"buildStatus": "IN_PROGRESS", "buildComplete": False}
        self._exported: dict[str, str] = {}
        self._started = now()
        self._process: subprocess.Popen[str] | None = None
        self._stopped = threading.Event()
        self._out_of_time = threading.Event()
        self._lock = threading.RLock()
        cloudwatch = project.get("logsConfig", {}).get("cloudWatchLogs", {})
        self._group = cloudwatch.get("groupName", f"/aws/codebuild/{project['name']}")
        self._stream = build_id.partition(":")[2]
        self._begin("SUBMITTED")

    def stop(self) -> None:
        """Kill the running command, and start no further phase."""
        self._stopped.set()
        self._kill()

    def describe(self) -> dict[str, Any]:
        """Return the answer of BatchGetBuilds."""
        with self._lock:
            return {
                "id": self.id,
                "projectName": self._project["name"],
                "serviceRole": self._project["serviceRole"],
                "startTime": self._started,
                "currentPhase": self._phases[-1]["phaseType"],
                "phases": [dict(phase) for phase in self._phases],
                "source": self._project["source"] | {"location": self._source},
                "environment": self._project["environment"],
                "timeoutInMinutes": self._project["timeoutInMinutes"],
                "logs": {"groupName": self._group, "streamName": self._stream},
                "exportedEnvironmentVariables": [
                    {"name": name, "value": value} for name, value in self._exported.items()
                ],
                **self._state,
            }

    def _run(self) -> None:
        timer = threading.Timer(self._project["timeoutInMinutes"] * 60, self._time_out)
        timer.daemon = True
        timer.start()
        try:
            with self._workspace.folder() as folder:
                status = self._build(folder)
        except Exception as error:  # noqa: BLE001 - a fault of ours must end the build, visibly
            self._end("FAILED", f"{type(error).__name__}: {error}")
            status = "FAULT"
        finally:
            timer.cancel()
        if self._stopped.is_set():
            status = "STOPPED"
        elif self._out_of_time.is_set():
            status = "TIMED_OUT"
        with self._lock:
            self._begin("COMPLETED")
            self._state = {"buildStatus": status, "buildComplete": True, "endTime": now()}

    def _build(self, folder: Path) -> str:
        clients = self._clients.as_role(self._project["serviceRole"])
        self._log = LogWriter(clients.client("logs"), self._group, self._stream)
        self._begin("DOWNLOAD_SOURCE")
        source = folder / "src"
        bucket, _, key = self._source.partition("/")
        answer = clients.client("s3").get_object(Bucket=bucket, Key=key)
        with zipfile.ZipFile(io.BytesIO(answer["Body"].read())) as archive:
            archive.extractall(source)
        buildspec: str = self._project["source"]["buildspec"]
        inline = "\n" in buildspec  # else it is a path in the source
        spec = yaml.safe_load(buildspec if inline else (source / buildspec).read_text("utf-8"))
        not_here = list(_unsupported(spec))
        if not_here:
            self._end("FAILED", "; ".join(not_here))
            return "FAILED"

        environment = self._environment(clients, folder, spec.get("env", {}))
        status = "SUCCEEDED"
        for name in PHASES:
            phase = spec["phases"].get(name)
            # After a failed build only post_build still runs; after any other failure nothing.
            if phase is None or (status == "FAILED" and not self._goes_on(name)):
                continue
            environment["CODEBUILD_BUILD_SUCCEEDING"] = str(int(status == "SUCCEEDED"))
            if not self._run_phase(name, phase, environment, folder, spec):
                status = "FAILED"
        exported = spec.get("env", {}).get("exported-variables", [])
        self._exported = {name: environment.get(name, "") for name in exported}
        return status

    def _goes_on(self, name: str) -> bool:
        failed = [p["phaseType"] for p in self._phases if p.get("phaseStatus") == "FAILED"]
        return name == "post_build" and failed == ["BUILD"]

    def _run_phase(
        self,
        name: str,
        phase: dict[str, Any],
        environment: dict[str, str],
        folder: Path,
        spec: dict[str, Any],
    ) -> bool:
        """Run the commands of a phase, then its `finally`, and return whether all succeeded.

        Later phases get the environment variables that these commands set.
        """
        self._begin(name.upper())
        failure = ""
        for part in ("commands", "finally"):
            for command in phase.get(part, []):
                code = self._run_command(command, environment, folder, spec)
                if code:
                    shown = command.strip().splitlines()[0]
                    failure = failure or f"the command `{shown}` ended with {code}"
                    break
        if self._stopped.is_set() or self._out_of_time.is_set():
            failure = failure or "stopped"
        self._end("FAILED" if failure else "SUCCEEDED", failure)
        return not failure

    def _run_command(
        self, command: str, environment: dict[str, str], folder: Path, spec: dict[str, Any]
    ) -> int:
        if self._stopped.is_set() or self._out_of_time.is_set():
            return 1
        self._log.write(f"[Container] Running command {command.strip()}")
        kept = folder / "environment"
        shell = spec.get("env", {}).get("shell", "sh")
        script = f"{command}\n_status=$?\nset +e\nset -a\nenv -0 > '{kept}'\nexit $_status\n"
        with self._lock:
            command_line = [shell, "-a", "-c", script]
            self._process = start_child(command_line, folder / "src", environment)
        with self._workspace.child(self._process):
            for line in self._process.stdout or ():
                self._log.write(line.rstrip("\n"))
            code = self._process.wait()
        if kept.exists():
            entries = kept.read_text(errors="replace").split("\0")
            environment.clear()
            environment.update(dict(entry.split("=", 1) for entry in entries if "=" in entry))
            kept.unlink()
        return code

    def _environment(self, clients: Clients, folder: Path, env: dict[str, Any]) -> dict[str, str]:
        home = folder / "home"
        home.mkdir()
        of_project = self._project["environment"].get("environmentVariables", [])
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(home),  # where docker keeps its login: gone with the build
            **{name: os.environ[name] for name in OF_THE_ENGINE if name in os.environ},
            **clients.environment(),
            "CODEBUILD_BUILD_ID": self.id,
            "CODEBUILD_SRC_DIR": str(folder / "src"),
            **{name: str(value) for name, value in env.get("variables", {}).items()},
            **{variable["name"]: variable["value"] for variable in of_project},
            **self._variables,
        }

    def _begin(self, phase: str) -> None:
        with self._lock:
            if self._phases and "phaseStatus" not in self._phases[-1]:
                self._end("SUCCEEDED")
            self._phases.append({"phaseType": phase, "startTime": now()})

    def _end(self, status: str, message: str = "") -> None:
        with self._lock:
            phase = self._phases[-1]
            phase |= {"phaseStatus": status, "endTime": now()}
            if message:
                phase["contexts"] = [{"statusCode": "COMMAND_EXECUTION_ERROR", "message": message}]

    def _time_out(self) -> None:
        self._out_of_time.set()
        self._kill()

    def _kill(self) -> None:
        with self._lock:
            if self._process and self._process.poll() is None:
                kill_group(self._process)


def _unsupported(spec: dict[str, Any]) -> Iterator[str]:
    parts = [("", spec, SUPPORTED), ("env.", spec.get("env", {}), SUPPORTED_ENV)]
    parts += [(f"phases.{n}.", p, SUPPORTED_PHASE) for n, p in spec.get("phases", {}).items()]
    for path, part, supported in parts:
        for name in part:
            if name not in supported:
                yield f"local AWS does not support {path}{name} of a buildspec"
    for name in spec.get("phases", {}):
        if name not in PHASES:
            yield f"unknown phase {name}"
