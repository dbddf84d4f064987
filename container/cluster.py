"""The hosts of a training job, joined by XGBoost's own collective. Rank 0 runs the tracker.

When a host fails, the next operation fails on the others, which end at once; SageMaker then ends
the job everywhere. Which host was lost, its own log says. Source: "Distributed XGBoost" and the
reference of xgboost.collective.

For two cases a thread watches the connections. A host that vanishes (its machine or its network is
gone) closes none of them. And an operation may never return: on an error, the thread of XGBoost
that moves the data wakes the caller before it stores the error (Loop::ProcessQueue). A caller that
is faster takes the operation for done, and its next one waits for a thread that has ended: 2 of 40
jobs on a busy machine.
"""

import contextlib
import os
import pickle
import select
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from container.errors import InputError

import xgboost as xgb
from xgboost import collective
from xgboost.tracker import RabitTracker

T = TypeVar("T")

PORT = 29371  # of the tracker
START_SECONDS = 1200  # for all hosts to start: instances, images and data take their time
RETRY_SECONDS = 1.0
OPERATION_SECONDS = 1800  # for the slowest host to reach the same operation
LOST_SECONDS = 10  # for XGBoost to report a lost host, and for a checkpoint to be saved
KEEPALIVE_SECONDS, KEEPALIVE_PROBES = 5, 5  # of an idle connection: 30 s without any answer
MAX_RETRANSMITS = 7  # of sent data, at doubled intervals from 0.2 s: 25 s without any answer


@dataclass(frozen=True)
class Cluster:
    """The hosts. Every method is called by all of them, in the same order, or none returns."""

    hosts: Sequence[str] = ("algo-1",)
    rank: int = 0

    @property
    def size(self) -> int:
        """Return the number of hosts."""
        return len(self.hosts)

    @property
    def is_rank_zero(self) -> bool:
        """Return whether this host logs, writes checkpoints and leaves the artifact."""
        return self.rank == 0

    def allgather(self, value: T) -> list[T]:
        """Return what each host gave (not None), in the order of the ranks."""
        if self.size == 1:
            return [value]
        return [collective.broadcast(value, root) for root in range(self.size)]


SINGLE_HOST = Cluster()


@contextmanager
def join(
    hosts: Sequence[str], current: str, write_failure: Callable[[str], None]
) -> Iterator[Cluster]:
    """Rendezvous with all hosts, and stay joined while the context lasts.

    Leave it by an exception only to end the process: XGBoost would wait for hosts that are lost.
    When a host is lost and no exception comes of it, write a failure file and end the process.
    Raises InputError when not all hosts came within START_SECONDS.
    """
    if len(hosts) < 2:
        yield SINGLE_HOST
        return
    cluster = Cluster(hosts, hosts.index(current))
    tracker = _rendezvous(cluster)
    print(f"hosts: {', '.join(hosts)}; this is {current}, rank {cluster.rank}", flush=True)
    left = threading.Event()
    arguments = (current, list(_connections()), left, write_failure)
    threading.Thread(target=_end_when_lost, args=arguments, daemon=True).start()
    try:
        yield cluster
        cluster.allgather(True)  # a host that leaves earlier would be taken for lost
        collective.finalize()
        if tracker:
            tracker.wait_for()
    except BaseException as error:
        if tracker:
            del tracker.handle  # to free it is to wait for hosts that are lost
        if isinstance(error, xgb.core.XGBoostError) and "collective" in str(error):
            reason = str(error).partition("Stack trace")[0].strip().rpartition("]: ")[2]
            raise _lost(current, reason) from None
        if isinstance(error, pickle.UnpicklingError):  # of an operation that was taken for done
            raise _lost(current, "what it sent is not whole") from None
        raise
    finally:
        left.set()


def _rendezvous(cluster: Cluster) -> RabitTracker | None:
    """Try until all hosts have come; return the tracker on rank 0."""
    current, deadline = cluster.hosts[cluster.rank], time.monotonic() + START_SECONDS
    tracker = None
    while True:
        try:
            if cluster.is_rank_zero and not tracker:
                address = socket.gethostbyname(current)
                tracker = RabitTracker(cluster.size, address, PORT, sortby="task")
                tracker.start()
            with xgb.config_context(verbosity=0):  # else a line for each time that it is too early
                collective.init(
                    dmlc_tracker_uri=socket.gethostbyname(cluster.hosts[0]),
                    dmlc_tracker_port=PORT,
                    dmlc_task_id=f"{cluster.rank:05}",  # sorted as text, it gives the rank
                    dmlc_retry=1,
                    dmlc_timeout=OPERATION_SECONDS,
                )
        except (xgb.core.XGBoostError, OSError) as error:
            if time.monotonic() > deadline:
                raise InputError(
                    f"{current}: not all of {', '.join(cluster.hosts)} came within "
                    f"{START_SECONDS} s ({str(error).splitlines()[-1]})",
                    "see the logs of the other hosts; start the job again",
                ) from None
            time.sleep(RETRY_SECONDS)
        else:
            return tracker


def _lost(current: str, reason: str) -> InputError:
    return InputError(
        f"{current}: the connection to another host is lost: {reason}",
        "see the logs of the other hosts: the first that failed says why",
    )


def _connections() -> Iterator[socket.socket]:
    """Yield duplicates of XGBoost's connections to the other hosts, without the tracker's."""
    for path in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # closed since, or not connected
            if str(path.readlink()).startswith("socket:"):
                connection = socket.socket(fileno=os.dup(int(path.name)))
                ends = connection.getsockname(), connection.getpeername()
                if connection.family != socket.AF_UNIX and PORT not in {end[1] for end in ends}:
                    yield connection


def _end_when_lost(
    current: str,
    connections: Sequence[socket.socket],
    left: threading.Event,
    write_failure: Callable[[str], None],
) -> None:
    poll = select.poll()
    for connection in connections:
        poll.register(connection, select.POLLRDHUP)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_PROBES)
    while not poll.poll(1000) and not any(map(_is_unanswered, connections)):
        pass
    if not left.wait(LOST_SECONDS):
        error = _lost(current, "it is closed or silent, and the operation did not return")
        print(f"error: {error}", file=sys.stderr, flush=True)
        with contextlib.suppress(OSError):
            write_failure(str(error))
        os._exit(1)


def _is_unanswered(connection: socket.socket) -> bool:
    """Return whether data were sent again and again (tcpi_retransmits of struct tcp_info)."""
    return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 8)[2] >= MAX_RETRANSMITS
