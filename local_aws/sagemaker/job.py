"""What the jobs of SageMaker have in common: a thread, a status, hosts to run on, and a log."""

import contextlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from local_aws.account.account import Account, Usage
from local_aws.clients import Clients
from local_aws.clock import now
from local_aws.errors import JobFailed
from local_aws.faults.injection import Faults
from local_aws.log_writer import LogWriter
from local_aws.runners.runner import ContainerSpec
from local_aws.runners.table import RunnerTable
from local_aws.sagemaker.cluster import STOP_GRACE_SECONDS, Cluster
from local_aws.sagemaker.supported import not_carried_out
from local_aws.workspace import Workspace

FIRST_HOST = "algo-1"
ENDED = ("Completed", "Failed", "Stopped")


@dataclass(frozen=True)
class JobServices:
    """What every job is made with."""

    clients: Clients
    runner: RunnerTable
    account: Account
    faults: Faults
    workspace: Workspace


class JobStopped(Exception):
    """A job ended before its program did, by no fault of its own: the secondary status."""


class Job:
    """Runs in a thread of its own from `start()` on; every method may be called from any thread."""

    kind: ClassVar[str]  # as in Create<kind>Job

    def __init__(self, request: dict[str, Any], arn: str, services: JobServices) -> None:
        self.arn = arn
        self.name: str = request[f"{self.kind}JobName"]
        self._request = request
        self._services = services
        self._stop_requested = threading.Event()
        self._cluster: Cluster | None = None
        self._lock = threading.RLock()
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._log: LogWriter | None = None  # of the first host
        self._state: dict[str, Any] = {
            f"{self.kind}JobStatus": "InProgress",
            "CreationTime": now(),
            "LastModifiedTime": now(),
        }

    @property
    def log_group(self) -> str:
        """The log group of such jobs; the streams of a job begin with its name."""
        return f"/aws/sagemaker/{self.kind}Jobs"

    @property
    def usage(self) -> Usage:
        """The instances that it has while it runs."""
        raise NotImplementedError

    @property
    def status(self) -> str:
        """InProgress, Stopping, Completed, Failed or Stopped."""
        return str(self._state[f"{self.kind}JobStatus"])

    @property
    def ended(self) -> bool:
        """Whether the job has reached a final status."""
        return self.status in ENDED

    def start(self) -> None:
        """Run the job in a thread of its own."""
        self._thread.start()

    def join(self) -> None:
        """Wait until the job has ended."""
        self._thread.join()

    def describe(self) -> dict[str, Any]:
        """Return the answer of the Describe call."""
        with self._lock:
            request = {key: value for key, value in self._request.items() if key != "Tags"}
            return {f"{self.kind}JobArn": self.arn, **request, **self._state}

    def stop(self, grace_seconds: float = STOP_GRACE_SECONDS) -> None:
        """Stop the job: SIGTERM, and SIGKILL when the grace is over."""
        with self._lock:
            if self.ended:
                return
            if not self._stop_requested.is_set():
                self._stop_requested.set()
                self._begin_stopping()
            cluster = self._cluster
        if cluster:
            cluster.end(grace_seconds)

    def _begin_stopping(self) -> None:
        self._update(**{f"{self.kind}JobStatus": "Stopping"})

    def _run(self) -> None:
        try:
            with self._services.workspace.folder() as folder:
                self._carry_out(folder)
        except JobFailed as error:
            self._finish("Failed", "Failed", str(error))
        except JobStopped as stopped:
            self._finish("Stopped", str(stopped), "The job was stopped")
        except Exception as error:  # noqa: BLE001 - a fault of ours must end the job, visibly
            self._finish(
                "Failed", "Failed", f"InternalServerError: {type(error).__name__}: {error}"
            )

    def _carry_out(self, folder: Path) -> None:
        """Execute the whole work of the job in `folder`, which is removed afterwards."""
        raise NotImplementedError

    def _execute(self, spec: ContainerSpec, seconds: Mapping[str, float]) -> str | None:
        """Run the program on every host to its end.

        Args:
            spec: The container of each host.
            seconds: How long the program may run, by the name of each limit.

        Returns:
            The name of the limit that ended it, or None.

        Raises:
            HostFailed: It ended by itself with another exit code than 0 on one host.
            JobFailed: It could not be run.
        """
        if self._stop_requested.is_set():
            return None
        cluster = Cluster(self._services.runner.start(spec))
        with self._lock:
            self._cluster = cluster
            if self._stop_requested.is_set():  # while it was being started
                cluster.end(grace_seconds=0)
        exceeded: list[str] = []

        def time_out(limit: str) -> None:
            exceeded.append(limit)
            self._say(f"{limit}: SIGTERM now, SIGKILL in {STOP_GRACE_SECONDS:g} s")
            cluster.end()

        timers = [threading.Timer(left, time_out, [limit]) for limit, left in seconds.items()]
        for timer in timers:
            timer.daemon = True
            timer.start()
        line = not_carried_out(f"Create{self.kind}Job", self._request)
        if line and self._log is None:
            self._say(line)
        try:
            cluster.run(self._open_program_log)
        finally:
            for timer in timers:
                timer.cancel()
            with self._lock:
                self._cluster = None
        return exceeded[0] if exceeded else None

    def _say(self, line: str) -> None:
        """Write a line of local AWS into the job's log."""
        with self._lock:
            if self._log is None:
                self._log = self._open_log(FIRST_HOST)
            self._log.write(f"local AWS: {line}")

    def _open_log(self, host: str) -> LogWriter:
        logs = self._services.clients.as_role(self._request["RoleArn"]).client("logs")
        with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
            logs.create_log_group(logGroupName=self.log_group)
        return LogWriter(logs, self.log_group, f"{self.name}/{host}-{int(now().timestamp())}")

    def _open_program_log(self, host: str) -> Callable[[str], None]:
        """Return what takes the lines of a host, into a stream of its own."""
        log = self._open_log(host)
        if host == FIRST_HOST:
            with self._lock:
                self._log = log
        return lambda line: self._take(line, log)

    def _take(self, line: str, log: LogWriter) -> None:
        """Take one line of the program."""
        log.write(line)

    def _finish(self, status: str, detail: str, message: str) -> None:
        """End the job; `detail` is for kinds that have a secondary status."""
        raise NotImplementedError

    def _update(self, **changes: Any) -> None:
        with self._lock:
            self._state |= {"LastModifiedTime": now(), **changes}
