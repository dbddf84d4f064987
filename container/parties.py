"""Who travelled together, and how many of them survived.

The party of a passenger is everyone on the same ticket, and everyone of the same surname who paid
the same fare on another ticket. What is learned are sums by group; they can be added up from any
parts of the data in any order. The groups have hashed keys: no name or ticket is kept.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from container.passengers import Passengers

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.uint64]
Sums = NDArray[np.int64]

# The columns of sums: boys (title Master) count with the women, as they did at the boats.
WOMEN, WOMEN_SURVIVED, MEN, MEN_SURVIVED = range(4)

NO_KEY = np.uint64(0)
_ON_DISK = np.dtype([("key", "<u8"), ("sums", "<i4", (4,))])


@dataclass(frozen=True)
class Parties:
    """For each key, in rising order, the sums of its passengers; `total` is of all passengers."""

    keys: Keys
    sums: Sums
    total: Sums

    @classmethod
    def count(cls, passengers: Passengers) -> "Parties":
        """Of labelled passengers."""
        own = _own(passengers)
        columns = _keys(passengers)
        keys = np.concatenate(columns)
        return cls(*_sum_by_key(keys, np.tile(own, (len(columns), 1))), own.sum(axis=0))

    def __add__(self, other: "Parties") -> "Parties":
        keys = np.concatenate([self.keys, other.keys])
        sums = np.concatenate([self.sums, other.sums])
        return Parties(*_sum_by_key(keys, sums), self.total + other.total)

    def mates(self, passengers: Passengers, *, counted: bool) -> Sums:
        """The sums of each passenger's party, shape (rows, 4).

        `counted` says that these passengers are among those counted: then each is left out of its
        own party.
        """
        ticket, family, both = _keys(passengers)
        sums = self._look_up(ticket) + self._look_up(family) - self._look_up(both)
        if counted:
            in_any = (ticket != NO_KEY) | (family != NO_KEY)
            sums -= _own(passengers) * in_any[:, np.newaxis]
        return sums

    def _look_up(self, keys: Keys) -> Sums:
        sums = np.zeros((len(keys), 4), np.int64)
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
        sums = table["sums"].astype(np.int64)
        return cls(table["key"][:-1].astype(np.uint64), sums[:-1], sums[-1])


def is_woman_or_boy(passengers: Passengers) -> NDArray[np.bool_]:
    female = np.array([sex[:1].lower() == "f" for sex in passengers.texts["sex"]], bool)
    boy = np.array([title(name) == "Master" for name in passengers.texts["name"]], bool)
    either: NDArray[np.bool_] = female | boy
    return either


def title(name: str) -> str:
    """`Mr` of "Braund, Mr. Owen Harris"; nothing where there is none."""
    _, comma, given = name.partition(",")
    before, point, _ = given.partition(".")
    return before.strip() if comma and point and "," not in before else ""


def _own(passengers: Passengers) -> Sums:
    """What each labelled passenger adds to the sums of a group, shape (rows, 4)."""
    woman, survived = is_woman_or_boy(passengers), np.array(passengers.labels, bool)
    return np.column_stack([woman, woman & survived, ~woman, ~woman & survived]).astype(np.int64)


def _keys(passengers: Passengers) -> tuple[Keys, Keys, Keys]:
    """Of each passenger's ticket, of its family, and of both, by which the passengers whom the
    first two have in common are counted once. NO_KEY where something is missing."""
    ticket = _hashes(passengers.texts["ticket"], str.upper)
    surname = _hashes(passengers.texts["name"], _surname)
    fare = np.array(passengers.numbers["fare"], np.float64)
    family = _mixed(surname, fare.view(np.uint64))
    family[(surname == NO_KEY) | np.isnan(fare)] = NO_KEY
    both = _mixed(ticket, family)
    both[(ticket == NO_KEY) | (family == NO_KEY)] = NO_KEY
    return ticket, family, both


def _surname(name: str) -> str:
    surname, comma, _ = name.partition(",")
    return surname.strip().upper() if comma else ""


def _hashes(column: list[str], normal: Callable[[str], str]) -> Keys:
    """The same for the same text on every machine; NO_KEY for none."""
    return np.array([_hash(normal(text)) for text in column], np.uint64)


def _hash(text: str) -> int:
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") if text else int(NO_KEY)


def _mixed(one: Keys, other: Keys) -> Keys:
    """A hash of two (the finalizer of SplitMix64: Steele, Lea and Flood, 2014)."""
    mixed = one + other * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    result: Keys = mixed ^ (mixed >> np.uint64(31))
    return result


def _sum_by_key(keys: Keys, sums: Sums) -> tuple[Keys, Sums]:
    kept = keys != NO_KEY
    distinct, group = np.unique(keys[kept], return_inverse=True)
    result = np.zeros((len(distinct), 4), np.int64)
    np.add.at(result, group, sums[kept])
    return distinct, result
