"""The hosts of a job succeed and end together: here without programs, hosts that tests direct."""

import threading
from collections.abc import Callable, Iterator

from local_aws.errors import JobFailed
from local_aws.runners.runner import Started
from local_aws.sagemaker.cluster import Cluster, HostFailed

import pytest

TERMINATED, KILLED = 143, 137


class Host:
    """Ends with `code`, at once or when it is told to."""

    def __init__(self, code: int | JobFailed | None, *, deaf: bool = False) -> None:
        self._code = code
        self._deaf = deaf  # to SIGTERM
        self._ended = threading.Event()
        self.signals: list[str] = []
        if code is not None:
            self._ended.set()

    def lines(self) -> Iterator[str]:
        yield "first"
        self._ended.wait()
        yield "last"

    def terminate(self) -> None:
        self.signals.append("TERM")
        if not self._deaf:
            self._end(TERMINATED)

    def kill(self) -> None:
        self.signals.append("KILL")
        self._end(KILLED)

    def _end(self, code: int) -> None:
        if not self._ended.is_set():
            self._code = code
            self._ended.set()

    def exit_code(self) -> int:
        self._ended.wait()
        if isinstance(self._code, JobFailed):
            raise self._code
        assert self._code is not None
        return self._code

    def close(self) -> None:
        self._end(KILLED)


class Logs:
    """What each host has written."""

    def __init__(self) -> None:
        self.lines: dict[str, list[str]] = {}

    def open(self, host: str) -> Callable[[str], None]:
        return self.lines.setdefault(host, []).append


def cluster_of(**hosts: Host) -> Cluster:
    def close() -> None:
        for host in hosts.values():
            host.close()

    return Cluster(Started(hosts, close))


def test_every_line_of_every_host_is_written() -> None:
    logs = Logs()
    cluster_of(a=Host(0), b=Host(0)).run(logs.open)
    assert logs.lines == {"a": ["first", "last"], "b": ["first", "last"]}


def test_the_host_that_fails_is_named_and_the_others_are_told_to_end() -> None:
    waiting, logs = Host(None), Logs()
    with pytest.raises(HostFailed, match="b: exit code 3") as caught:
        cluster_of(a=waiting, b=Host(3)).run(logs.open)
    assert (caught.value.host, caught.value.exit_code) == ("b", 3)
    assert waiting.signals == ["TERM"]
    assert logs.lines["a"][-1] == "last"


def test_a_reason_of_its_own_is_kept() -> None:
    reason = JobFailed("needs more memory")
    with pytest.raises(JobFailed, match="needs more memory"):
        cluster_of(a=Host(None), b=Host(reason)).run(Logs().open)


def test_hosts_that_are_ended_have_not_failed() -> None:
    hosts = {"a": Host(None), "b": Host(None)}
    cluster = cluster_of(**hosts)

    def open_log(host: str) -> Callable[[str], None]:
        cluster.end()
        return Logs().open(host)

    cluster.run(open_log)
    assert all("TERM" in host.signals for host in hosts.values())


def test_a_host_that_does_not_listen_is_killed_after_the_grace() -> None:
    deaf = Host(None, deaf=True)
    cluster = cluster_of(a=deaf, b=Host(0))
    cluster.end(grace_seconds=0)
    cluster.run(Logs().open)
    assert deaf.signals == ["TERM", "KILL"]


def test_a_log_that_cannot_be_written_ends_all_hosts() -> None:
    hosts = {"a": Host(None), "b": Host(None)}

    def open_log(_host: str) -> Callable[[str], None]:
        raise ConnectionError("no logs")

    with pytest.raises(ConnectionError):
        cluster_of(**hosts).run(open_log)
    assert [host.exit_code() for host in hosts.values()] == [KILLED, KILLED]
