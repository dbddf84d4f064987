"""The hosts of a training job, joined by XGBoost's own collective. Rank 0 runs the tracker.

When the program on one host fails, it exits, and SageMaker ends the job on all hosts. Most hosts
notice the closed connection themselves, at their next operation. XGBoost may miss it: on an error,
its thread that moves the data wakes the caller before it stores the error (Loop::ProcessQueue). A
fast caller takes the operation for done, and its next one waits until SageMaker ends the process.
docs/hosts.md says who detects what.

Sources: "Distributed XGBoost", and the reference of xgboost.collective, whose rank is 0 and world
size 1 where nothing is joined.
"""

import contextlib
import pickle
import socket
import time
from collections.abc import Iterator, Sequence
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


def allgather(value: T) -> list[T]:
    """Return what each host gave (not None), in the order of the ranks; all call it, or none."""
    ranks = range(collective.get_world_size())
    return [collective.broadcast(value, rank) for rank in ranks] if len(ranks) > 1 else [value]


@contextlib.contextmanager
def join(hosts: Sequence[str], current: str) -> Iterator[None]:
    """Rendezvous with all hosts, and stay joined while the context lasts.

    Leave it by an exception only to end the process: XGBoost would wait for hosts that are lost.
    Raises InputError when not all hosts came within START_SECONDS, or when one is lost.
    """
    if len(hosts) < 2:
        yield
        return
    tracker = _rendezvous(hosts, hosts.index(current))
    print(f"hosts: {', '.join(hosts)}; this is {current}, rank {collective.get_rank()}", flush=True)
    try:
        yield
        allgather(True)  # a host that leaves earlier would be taken for lost
        collective.finalize()
        if tracker:
            tracker.wait_for()
    except BaseException as error:
        if tracker:
            del tracker.handle  # to free it is to wait for hosts that are lost
        reason = str(error).partition("Stack trace")[0].strip().rpartition("]: ")[2]
        if isinstance(error, EOFError | pickle.UnpicklingError):  # an operation taken for done
            reason = "what it sent is not whole"
        elif not isinstance(error, xgb.core.XGBoostError) or "collective" not in str(error):
            raise
        raise InputError(
            f"{current}: the connection to another host is lost: {reason}",
            "see the logs of the other hosts: the first that failed says why",
        ) from None


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
