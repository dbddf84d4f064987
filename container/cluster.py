"""The hosts of a training job, joined by XGBoost's own collective. Rank 0 runs the tracker.

When a host fails, the next operation fails on the others, which end at once; SageMaker then ends
the job everywhere. Which host was lost, its own log says. Source: "Distributed XGBoost" and the
reference of xgboost.collective.
"""

import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
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
def join(hosts: Sequence[str], current: str) -> Iterator[Cluster]:
    """Rendezvous with all hosts, and stay joined while the context lasts.

    Leave it by an exception only to end the process: XGBoost would wait for hosts that are lost.
    Raises InputError when not all hosts came within START_SECONDS.
    """
    if len(hosts) < 2:
        yield SINGLE_HOST
        return
    cluster = Cluster(hosts, hosts.index(current))
    deadline = time.monotonic() + START_SECONDS
    tracker = None
    while True:
        try:
            if cluster.is_rank_zero and not tracker:
                address = socket.gethostbyname(current)
                tracker = RabitTracker(len(hosts), address, PORT, sortby="task")
                tracker.start()
            with xgb.config_context(verbosity=0):  # else a line for each time that it is too early
                collective.init(
                    dmlc_tracker_uri=socket.gethostbyname(hosts[0]),
                    dmlc_tracker_port=PORT,
                    dmlc_task_id=f"{cluster.rank:05}",  # sorted as text, it gives the rank
                    dmlc_retry=1,
                    dmlc_timeout=OPERATION_SECONDS,
                )
            break
        except (xgb.core.XGBoostError, OSError) as error:
            if time.monotonic() > deadline:
                raise InputError(
                    f"{current}: not all of {', '.join(hosts)} came within {START_SECONDS} s "
                    f"({str(error).splitlines()[-1]})",
                    "see the logs of the other hosts; start the job again",
                ) from None
            time.sleep(RETRY_SECONDS)
    print(f"hosts: {', '.join(hosts)}; this is {current}, rank {cluster.rank}", flush=True)
    try:
        yield cluster
    except BaseException as error:
        if tracker:
            del tracker.handle  # to free it is to wait for hosts that are lost
        if isinstance(error, xgb.core.XGBoostError) and "collective" in str(error):
            reason = str(error).partition("Stack trace")[0].strip().rpartition("]: ")[2]
            raise InputError(
                f"{current}: the connection to another host is lost: {reason}",
                "see the logs of the other hosts: the first that failed says why",
            ) from None
        raise
    collective.finalize()
    if tracker:
        tracker.wait_for()
