"""The hosts of a training: XGBoost's own collective among them, and what each does with the others.

Source of the calls: "Distributed XGBoost" and the reference of xgboost.collective.
"""

import functools
import operator
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from container.errors import InputError
from container.watch import VERDICT_SECONDS, HostLost, Watch

T = TypeVar("T")

# Of one operation. Hosts wait here for the slowest; that one is lost, the watch finds out.
TIMEOUT_SECONDS = 24 * 3600
RETRIES = 5
STOP_SECONDS = 2.0  # to learn that it was another host's loss that ends this one
LAST_SECONDS = 5.0  # for the program to end by itself when another host is lost


@dataclass(frozen=True)
class Cluster:
    """Every method is called by all hosts, in the same order, or none of them returns."""

    hosts: Sequence[str] = ("algo-1",)
    number: int = 0  # of this host among them

    @property
    def current(self) -> str:
        return self.hosts[self.number]

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

    def total(self, value: T) -> T:
        """The sum of what each host gave, added in the order of the hosts: the same on all."""
        first, *others = self.merge(value)
        return functools.reduce(operator.add, others, first)

    def in_step(self, items: Iterable[T]) -> Iterator[T]:
        """The items, and the last one again until no host has any left: for what all hosts must do
        equally often, such as to make a matrix of XGBoost's. Each host has one at least."""
        if len(self.hosts) == 1:
            yield from items
            return
        left = iter(items)
        item = next(left)
        more: T | None = item
        while any(self.merge(more is not None)):
            item = item if more is None else more
            yield item
            more = None if more is None else next(left, None)

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
        communicator = collective.CommunicatorContext(
            **arguments,
            dmlc_task_id=f"{cluster.number:05}",  # sorted as text, it gives the rank
            dmlc_retry=RETRIES,
            dmlc_timeout=TIMEOUT_SECONDS,
        )
        communicator.__enter__()  # left below only when all is well: else it waits for the lost
        yield cluster
        collective.finalize()
        for tracker in trackers:
            tracker.wait_for()
    except InputError as error:
        watch.end(str(error.args[0]))
        raise
    except BaseException as error:
        # Of a lost host the collective says at best that some connection failed, and may hand over
        # what it never received; who ends all hosts may come before the watch.
        lost = watch.verdict(VERDICT_SECONDS if isinstance(error, XGBoostError) else STOP_SECONDS)
        watch.end(str(error).partition("\n")[0] or type(error).__name__)
        if lost is None:
            raise
        raise lost from None
    watch.end(None)
