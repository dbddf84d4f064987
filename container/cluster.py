"""The hosts of a training: XGBoost's own collective among them, and what each does with the others.

Source of the calls: "Distributed XGBoost" and the reference of xgboost.collective.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from container.termination import Terminated
from container.watch import VERDICT_SECONDS, HostLost, Watch

T = TypeVar("T")

# Of one operation. Hosts wait here for the slowest; that one is lost, the watch finds out.
TIMEOUT_SECONDS = 24 * 3600
RETRIES = 5
STOP_SECONDS = 2.0  # to learn that a host is lost when this one is told to end
LAST_SECONDS = 5.0  # for the program to end by itself when another host is lost


@dataclass(frozen=True)
class Cluster:
    """Every method is called by all hosts, in the same order, or none of them returns."""

    hosts: Sequence[str] = ("algo-1",)
    number: int = 0  # of this host among them

    @property
    def leads(self) -> bool:
        """Whether this is the host that reports, keeps checkpoints and leaves the artifact."""
        return self.number == 0

    def merge(self, value: T) -> list[T]:
        """What each host gave, in the order of the hosts."""
        if len(self.hosts) == 1:
            return [value]
        from xgboost import collective

        return [
            collective.broadcast(value if number == self.number else None, number)  # type: ignore[misc]
            for number in range(len(self.hosts))
        ]

    def from_first(self, value: T) -> T:
        """What the first host gave."""
        if len(self.hosts) == 1:
            return value
        from xgboost import collective

        return collective.broadcast(value if self.leads else None, 0)  # type: ignore[return-value]


ALONE = Cluster()


@contextmanager
def join(
    hosts: Sequence[str], current: str, write_failure: Callable[[str], None]
) -> Iterator[Cluster]:
    """Waits for all hosts, and trains with them for as long as the context lasts.

    Raises HostLost when another host fails, or ends the process itself when that does not listen:
    XGBoost waits for a host that is cut off as long as it takes.
    """
    if len(hosts) < 2:
        yield ALONE
        return
    from xgboost import collective
    from xgboost.core import XGBoostError
    from xgboost.tracker import RabitTracker

    watch, trackers = Watch(hosts, current), []

    def start_tracker(address: str) -> dict[str, Any]:
        tracker = RabitTracker(n_workers=len(hosts), host_ip=address, sortby="task")
        tracker.start()
        trackers.append(tracker)
        return dict(tracker.worker_args())

    def give_up(lost: HostLost) -> None:
        time.sleep(LAST_SECONDS)
        print(f"error: {lost}", file=sys.stderr, flush=True)
        try:
            write_failure(str(lost))
        finally:
            os._exit(1)

    cluster = Cluster(hosts, hosts.index(current))
    arguments = watch.meet(start_tracker)
    print(f"hosts: {', '.join(hosts)}; this is {current}", flush=True)
    watch.start(give_up)
    try:
        collective.init(
            **arguments,
            dmlc_task_id=f"{cluster.number:05}",  # sorted as text, it gives the rank
            dmlc_retry=RETRIES,
            dmlc_timeout=TIMEOUT_SECONDS,
        )
        yield cluster
        collective.finalize()
        for tracker in trackers:
            tracker.wait_for()
    except (XGBoostError, Terminated) as error:
        # Of a lost host the collective says nothing; who ends the others may come before the watch.
        stopped = isinstance(error, Terminated)
        lost = watch.verdict(STOP_SECONDS if stopped else VERDICT_SECONDS)
        watch.end("it was stopped by SIGTERM" if stopped else "an error of XGBoost")
        if lost is None:
            raise
        raise lost from None
    except BaseException as error:
        watch.end(str(error).partition("\n")[0] or type(error).__name__)
        raise
    watch.end(None)
