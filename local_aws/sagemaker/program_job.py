"""The base of jobs that run a program on instances, with time limits and logs."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_aws.account.account import Account, Usage
from local_aws.clients import Clients
from local_aws.clock import now
from local_aws.errors import JobFailed
from local_aws.faults.injection import CAPACITY_ERROR, NO_CAPACITY, Faults
from local_aws.log_writer import LogWriter, open_log
from local_aws.runners.runner import ContainerSpec
from local_aws.runners.table import RunnerTable
from local_aws.sagemaker.cluster import STOP_GRACE_SECONDS, Cluster
from local_aws.sagemaker.job import Job
from local_aws.sagemaker.supported import not_carried_out
from local_aws.workspace import Workspace

FIRST_HOST = "algo-1"


@dataclass
class JobServices:
    """The services that every job uses."""

    clients: Clients
    runner: RunnerTable
    account: Account
    faults: Faults
    workspace: Workspace


class ProgramJob(Job):
    """A job with a temporary folder."""

    def __init__(self, request: dict[str, Any], arn: str, services: JobServices) -> None:
        super().__init__(request, arn)
        self._services = services
        self._cluster: Cluster | None = None
        self._log: LogWriter | None = None  # of the first host

    @property
    def log_group(self) -> str:
        """The log group of these jobs; the names of a job's streams begin with the job's name."""
        return f"/aws/sagemaker/{self.kind}Jobs"

    @property
    def usage(self) -> Usage:
        """The instances of the running job."""
        raise NotImplementedError

    def stop(self, grace_seconds: float = STOP_GRACE_SECONDS) -> None:
        """Stop the job with SIGTERM, and with SIGKILL after the grace period."""
        with self._lock:
            super().stop()
            cluster = self._cluster
        if cluster:
            cluster.end(grace_seconds)

    def _carry_out(self) -> None:
        with self._services.workspace.folder() as folder:
            self._run_in(folder)

    def _run_in(self, folder: Path) -> None:
        """Do the work of the job in `folder`."""
        raise NotImplementedError

    def _finish(self, status: str, reason: str = "") -> None:
        with self._lock:
            super()._finish(status, reason)
            if f"{self.kind}StartTime" not in self._state:
                del self._state[f"{self.kind}EndTime"]

    def _check_capacity(self) -> None:
        if NO_CAPACITY in self._services.faults:
            raise JobFailed(CAPACITY_ERROR)

    def _execute(self, spec: ContainerSpec, seconds: Mapping[str, float]) -> str | None:
        """Run the program on every host until its end.

        `seconds` has the time limits by their names. Returns the name of the limit that ended the
        program. Raises HostFailed, or JobFailed if the program could not be run.
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
        """Write a line from local AWS to the job's log."""
        with self._lock:
            if self._log is None:
                self._log = self._open_log(FIRST_HOST)
            self._log.write(f"local AWS: {line}")

    def _open_log(self, host: str) -> LogWriter:
        logs = self._services.clients.as_role(self._request["RoleArn"]).client("logs")
        return open_log(logs, self.log_group, f"{self.name}/{host}-{int(now().timestamp())}")

    def _open_program_log(self, host: str) -> Callable[[str], None]:
        """Return a function that writes lines to the stream of a host."""
        log = self._open_log(host)
        if host == FIRST_HOST:
            with self._lock:
                self._log = log
        return lambda line: self._take(line, log)

    def _take(self, line: str, log: LogWriter) -> None:
        """Process one line of the program."""
        log.write(line)
