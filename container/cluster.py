"""The hosts of a training job, joined by XGBoost's own collective. Rank 0 runs the tracker.

When a host fails, the next operation fails on the others, which end at once; SageMaker then ends
the job everywhere. Which host was lost, its own log says. Source: "Distributed XGBoost" and the
reference of xgboost.collective, whose rank is 0 and world size 1 where nothing is joined.

For two cases a thread watches the connections. A host that vanishes (its machine or its network is
gone) closes none of them. And an operation may never return: on an error, the thread of XGBoost
that moves the data wakes the caller before it stores the error (Loop::ProcessQueue). A caller that
is faster takes the operation for done, and its next one waits for a thread that has ended: 2 of 40
jobs on a busy machine.
"""

import contextlib
import functools
import os
import pickle
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
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
# Of an idle connection: 30 s without any answer. macOS has other names.
KEEPALIVE = {"TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 5}
# Of sent data, at doubled intervals from 0.2 s: 25 s without any answer. TCP_USER_TIMEOUT would
# also end the connection to a host that answers, but reads nothing while it is busy (tcp(7)).
MAX_RETRANSMITS = 7


def allgather(value: T) -> list[T]:
    """Return what each host gave (not None), in the order of the ranks; all call it, or none."""
    ranks = range(collective.get_world_size())
    return [collective.broadcast(value, rank) for rank in ranks] if len(ranks) > 1 else [value]


@contextlib.contextmanager
def join(
    hosts: Sequence[str], current: str, write_failure: Callable[[str], None]
) -> Iterator[None]:
    """Rendezvous with all hosts, and stay joined while the context lasts.

    Leave it by an exception only to end the process: XGBoost would wait for hosts that are lost.
    When a host is lost and no exception comes of it, write a failure file and end the process.
    Raises InputError when not all hosts came within START_SECONDS.
    """
    if len(hosts) < 2:
        yield
        return
    tracker = _rendezvous(hosts, hosts.index(current))
    print(f"hosts: {', '.join(hosts)}; this is {current}, rank {collective.get_rank()}", flush=True)
    left = threading.Event()
    silent = _lost(current, "it is closed or silent, and the operation did not return")
    watched = list(_connections()), left, functools.partial(write_failure, str(silent))
    threading.Thread(target=_watch, args=watched, daemon=True).start()
    try:
        yield
        allgather(True)  # a host that leaves earlier would be taken for lost
        collective.finalize()
        if tracker:
            tracker.wait_for()
    except BaseException as error:
        if tracker:
            del tracker.handle  # to free it is to wait for hosts that are lost
        if isinstance(error, xgb.core.XGBoostError) and "collective" in str(error):
            reason = str(error).partition("Stack trace")[0].strip().rpartition("]: ")[2]
        elif isinstance(error, pickle.UnpicklingError):  # of an operation that was taken for done
            reason = "what it sent is not whole"
        else:
            raise
        raise _lost(current, reason) from None
    finally:
        left.set()


def _rendezvous(hosts: Sequence[str], rank: int) -> RabitTracker | None:
    """Try until all hosts have come; return the tracker on rank 0."""
    tracker, deadline = None, time.monotonic() + START_SECONDS
    while True:
        try:
            address = socket.gethostbyname(hosts[0])
            if rank == 0 and not tracker:
                tracker = RabitTracker(len(hosts), address, PORT, sortby="task")
                tracker.start()
            with xgb.config_context(verbosity=0):  # else a line for each time that it is too early
                collective.init(
                    dmlc_tracker_uri=address,
                    dmlc_tracker_port=PORT,
                    dmlc_task_id=f"{rank:05}",  # sorted as text, it gives the rank
                    dmlc_retry=1,
                    dmlc_timeout=OPERATION_SECONDS,
                )
        except (xgb.core.XGBoostError, OSError) as error:
            if time.monotonic() > deadline:
                raise InputError(
                    f"{hosts[rank]}: not all of {', '.join(hosts)} came within "
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


def _watch(
    connections: Sequence[socket.socket], left: threading.Event, write_failure: Callable[[], None]
) -> None:
    """End the process when a connection is closed or silent, unless it ends otherwise."""
    poll = select.poll()
    for connection in connections:
        poll.register(connection, select.POLLRDHUP)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in KEEPALIVE.items():
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    tcp_info = socket.IPPROTO_TCP, socket.TCP_INFO, 8  # of it, the third byte is tcpi_retransmits
    while not poll.poll(1000):
        if any(each.getsockopt(*tcp_info)[2] >= MAX_RETRANSMITS for each in connections):
            break
    if not left.wait(LOST_SECONDS):
        write_failure()
        os._exit(1)
