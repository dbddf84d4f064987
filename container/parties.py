"""Who travelled together, and how many of them survived.

The party of a passenger is everyone on the same ticket, and everyone of the same surname who paid
the same fare on another ticket. What is learned are sums by group; they can be added up from any
parts of the data in any order. The groups have hashed keys: no name or ticket is kept.
"""

from dataclasses import dataclass
from pathlib import Path

from container.cluster import Cluster
from container.encoded import Encoded, People
from container.hashes import NO_KEY, Keys, mixed
from container.passengers import Passengers

import numpy as np
from numpy.typing import NDArray

Sums = NDArray[np.int32]  # a total is of int64

# The columns of sums: boys (title Master) count with the women, as they did at the boats.
WOMEN, WOMEN_SURVIVED, MEN, MEN_SURVIVED = range(4)

MOST_KEYS = 250_000  # of a training channel, two or three a party
BETWEEN_MERGES = 100_000
_NO_KEYS = np.empty(0, np.uint64)

_ON_DISK = np.dtype([("key", "<u8"), ("sums", "<i4", (4,))])


@dataclass(frozen=True)
class Parties:
    """For each key, in rising order, the sums of its passengers; `total` is of all passengers."""

    keys: Keys
    sums: Sums
    total: NDArray[np.int64]

    @classmethod
    def count(cls, passengers: People) -> "Parties":
        """Of labelled passengers."""
        people = Encoded.of(passengers)
        own = _own(people)
        columns = _keys(people)
        keys = np.concatenate(columns)
        return cls(
            *_sum_by_key(keys, np.tile(own, (len(columns), 1))), own.sum(axis=0, dtype=np.int64)
        )

    def __add__(self, other: "Parties") -> "Parties":
        keys = np.concatenate([self.keys, other.keys])
        sums = np.concatenate([self.sums, other.sums])
        return Parties(*_sum_by_key(keys, sums), self.total + other.total)

    def survival(self, of: list[int], survived: list[int]) -> float:
        """The share of all passengers in some columns that are in others."""
        return float(self.total[survived].sum() / max(self.total[of].sum(), 1))

    def mates(self, passengers: People, *, counted: bool) -> Sums:
        """The sums of each passenger's party, shape (rows, 4).

        `counted` says that these passengers are among those counted: then each is left out of its
        own party.
        """
        people = Encoded.of(passengers)
        if not len(self.keys):
            return np.zeros((len(people), 4), np.int32)
        ticket, family, both = _keys(people)
        sums = self._look_up(ticket) + self._look_up(family) - self._look_up(both)
        if counted:
            in_any = (ticket != NO_KEY) | (family != NO_KEY)
            sums -= _own(people) * in_any[:, np.newaxis]
        return sums

    def _look_up(self, keys: Keys) -> Sums:
        sums = np.zeros((len(keys), 4), np.int32)
        if len(self.keys):
            nearest = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
            found = self.keys[nearest] == keys
            sums[found] = self.sums[nearest[found]]
        return sums

    def save(self, path: Path) -> None:
        table = np.empty(len(self.keys) + 1, _ON_DISK)
        table["key"] = np.append(self.keys, NO_KEY)
        table["sums"] = np.vstack([self.sums, self.total])
        with path.open("wb") as file:
            np.save(file, table, allow_pickle=False)

    @classmethod
    def load(cls, path: Path) -> "Parties":
        """Raises ValueError when the file holds something else."""
        table = np.load(path, allow_pickle=False)
        if table.dtype != _ON_DISK or table.ndim != 1 or not len(table):
            raise ValueError(f"{path.name} is not a table of parties")
        sums = table["sums"].astype(np.int32)
        return cls(table["key"][:-1].astype(np.uint64), sums[:-1], sums[-1].astype(np.int64))


class Tally:
    """The parties of batches, added up from time to time.

    With more than MOST_KEYS keys it gives up, so that memory does not grow with the rows: then
    there are no parties, but their total.
    """

    def __init__(self) -> None:
        self._sum = Parties.count(Passengers())
        self._pending: list[Parties] = []
        self.given_up = False

    def add(self, people: Encoded) -> None:
        """Labelled passengers."""
        if self.given_up:
            own = _own(people)
            nothing = Parties(_NO_KEYS, own[:0], own.sum(axis=0, dtype=np.int64))
            self._pending.append(nothing)
            return
        self._pending.append(Parties.count(people))
        if sum(len(each.keys) for each in self._pending) > max(
            BETWEEN_MERGES, len(self._sum.keys) // 2
        ):
            self.total()

    def of_all(self, hosts: Cluster) -> Parties:
        """The total of the tallies of all hosts. If one gave up, all do."""
        own = self.total()
        if len(hosts.hosts) == 1:
            return own
        self.given_up = any(hosts.merge(self.given_up))
        if self.given_up:
            own = Parties(own.keys[:0], own.sums[:0], own.total)
        self._sum, self._pending = Parties.count(Passengers()), hosts.merge(own)
        return self.total()

    def total(self) -> Parties:
        parts = [self._sum, *self._pending]
        self._pending = []
        total = np.sum([part.total for part in parts], axis=0)
        keys, sums = _sum_by_key(
            np.concatenate([part.keys for part in parts]),
            np.concatenate([part.sums for part in parts]),
        )
        if len(keys) > MOST_KEYS:
            self.given_up, keys, sums = True, keys[:0], sums[:0]
        self._sum = Parties(keys, sums, total)
        return self._sum


def is_woman_or_boy(people: Encoded) -> NDArray[np.bool_]:
    female = people.where("sex", lambda sex: sex.startswith("f"))
    either: NDArray[np.bool_] = female | people.where("title", lambda form: form == "Master")
    return either


def _own(people: Encoded) -> Sums:
    """What each labelled passenger adds to the sums of a group, shape (rows, 4)."""
    woman, survived = is_woman_or_boy(people), people.labels == 1
    return np.column_stack([woman, woman & survived, ~woman, ~woman & survived]).astype(np.int32)


def _keys(people: Encoded) -> tuple[Keys, Keys, Keys]:
    """Of each passenger's ticket, of its family, and of both, by which the passengers whom the
    first two have in common are counted once. NO_KEY where something is missing."""
    both = mixed(people.ticket, people.family)
    both[(people.ticket == NO_KEY) | (people.family == NO_KEY)] = NO_KEY
    return people.ticket, people.family, both


def _sum_by_key(keys: Keys, sums: Sums) -> tuple[Keys, Sums]:
    order = np.argsort(keys)
    order = order[np.searchsorted(keys, NO_KEY, "right", sorter=order) :]
    ordered = keys[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)])
    if not len(starts):
        return ordered, sums[:0]
    by_column = [np.add.reduceat(column[order], starts) for column in sums.T]
    return ordered[starts], np.column_stack(by_column)
