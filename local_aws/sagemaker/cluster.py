"""The hosts of a training job, on which the program runs and ends together."""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed

from local_aws.errors import JobFailed
from local_aws.runners.runner import Process, Started

STOP_GRACE_SECONDS = 120.0  # between SIGTERM and SIGKILL
FAILURE_GRACE_SECONDS = 10.0  # for the other hosts of a failed job; AWS documents no time


class HostFailed(Exception):
    """The program of a host ended by itself with an exit code other than 0."""

    def __init__(self, host: str, exit_code: int) -> None:
        super().__init__(f"{host}: exit code {exit_code}")
        self.host = host
        self.exit_code = exit_code


class Cluster:
    """The hosts of a job. `end()` is thread-safe; the other methods are for the job's thread."""

    def __init__(self, started: Started) -> None:
        self._processes: Mapping[str, Process] = started.processes
        self._close = started.close
        self._failure: HostFailed | JobFailed | None = None
        self._ending = False
        self._lock = threading.Lock()

    def run(self, open_log: Callable[[str], Callable[[str], None]]) -> None:
        """Write the lines of each host to its log, until the last host has ended.

        When a host fails, the others are ended too. Raises HostFailed or JobFailed for the first
        failure, unless `end()` was called before.
        """
        pool = ThreadPoolExecutor(2 * len(self._processes))
        try:
            # Not in one task: behind a long log, the host that failed first would come second.
            tasks = [pool.submit(self._wait, host) for host in self._processes]
            tasks += [pool.submit(self._follow, host, open_log) for host in self._processes]
            for task in as_completed(tasks):
                task.result()
        finally:
            self._close()
            pool.shutdown()
        if self._failure:
            raise self._failure

    def end(self, grace_seconds: float = STOP_GRACE_SECONDS) -> None:
        """Send SIGTERM to every host, and SIGKILL after the grace period."""
        with self._lock:
            self._ending = True
        self._signal(grace_seconds)

    def _follow(self, host: str, open_log: Callable[[str], Callable[[str], None]]) -> None:
        write = open_log(host)
        for line in self._processes[host].lines():
            write(line)

    def _wait(self, host: str) -> None:
        failure: HostFailed | JobFailed
        try:
            code = self._processes[host].exit_code()
            if code == 0:
                return
            failure = HostFailed(host, code)
        except JobFailed as error:
            failure = error
        with self._lock:
            if self._ending:
                return
            self._ending, self._failure = True, failure
        self._signal(FAILURE_GRACE_SECONDS)

    def _signal(self, grace_seconds: float) -> None:
        for process in self._processes.values():
            process.terminate()
        timer = threading.Timer(grace_seconds, self._kill)
        timer.daemon = True
        timer.start()

    def _kill(self) -> None:
        for process in self._processes.values():
            process.kill()
