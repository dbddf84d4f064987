"""Passengers as numbers, each by itself: all that features and parties are made of.

What is learned from the rows comes later, so a channel of any size is read once and kept in this
form: a row has 52 bytes, and no text. Numbers are rounded to float32 here, for every use alike.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from container.passengers import NUMBERS, Passengers

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.uint64]

NO_KEY = np.uint64(0)
MOST_VALUES = 2**16  # of a category that are told apart while they are counted
MOST_REMEMBERED = 2**16  # texts whose value is not worked out again


def title(name: str) -> str:
    """`Mr` of "Braund, Mr. Owen Harris"; nothing where there is none."""
    _, comma, given = name.partition(",")
    before, point, _ = given.partition(".")
    return before.strip() if comma and point and "," not in before else ""


def surname(name: str) -> str:
    before, comma, _ = name.partition(",")
    return before.strip().upper() if comma else ""


def _initial(text: str) -> str:
    return text[:1].upper()


# The column of each, and the function of its text.
CATEGORIES: dict[str, tuple[str, Callable[[str], str]]] = {
    "sex": ("sex", str.lower),
    "title": ("name", title),
    "deck": ("cabin", _initial),
    "embarked": ("embarked", _initial),
}

WIDTH = len(NUMBERS) + len(CATEGORIES) + 4  # two keys, each in the place of two float32


@dataclass(frozen=True)
class Encoded:
    """Columns of equal length. A category's `codes` are the numbers that `values` gives to its
    values; `ticket` and `family` are hashes, NO_KEY where something is missing. `labels` are 0 or
    1, or there are none."""

    numbers: dict[str, NDArray[np.float32]]
    codes: dict[str, NDArray[np.intp]]
    values: dict[str, dict[str, int]]
    ticket: Keys
    family: Keys
    labels: NDArray[np.float32]

    @classmethod
    def of(cls, people: "People") -> "Encoded":
        return people if isinstance(people, Encoded) else Encoder().encode(people)

    def __len__(self) -> int:
        return len(self.ticket)

    def where(self, category: str, holds: Callable[[str], bool]) -> NDArray[np.bool_]:
        """The rows whose value of a category is such."""
        table = np.array([holds(value) for value in self.values[category]], bool)
        return table[self.codes[category]]

    def packed(self) -> NDArray[np.float32]:
        """All but the labels, shape (rows, WIDTH)."""
        rows = np.empty((len(self), WIDTH), np.float32)
        for place, column in enumerate(self.numbers.values()):
            rows[:, place] = column
        for place, codes in enumerate(self.codes.values(), start=len(NUMBERS)):
            rows[:, place] = codes
        keys = np.column_stack([self.ticket, self.family])
        rows[:, len(NUMBERS) + len(CATEGORIES) :] = keys.view(np.float32)
        return rows


People: TypeAlias = Passengers | Encoded


class _Memo(dict[str, int]):
    """Numbers for texts, worked out once for each."""

    def __init__(self, number: Callable[[str], int]) -> None:
        super().__init__()
        self._number = number

    def __missing__(self, text: str) -> int:
        if len(self) >= MOST_REMEMBERED:
            self.clear()
        self[text] = number = self._number(text)
        return number

    def encode(self, texts: Iterable[str], kind: type[np.generic]) -> NDArray[np.generic]:
        return np.fromiter(map(self.__getitem__, texts), kind)


class Encoder:
    """Encodes batch after batch; the numbers of values are the same in all of them."""

    def __init__(self) -> None:
        self.values: dict[str, dict[str, int]] = {name: {"": 0} for name in CATEGORIES}
        self._codes = {name: _Memo(self._numbering(name)) for name in CATEGORIES}
        self._tickets = _Memo(lambda text: _hash(text.upper()))
        self._surnames = _Memo(lambda text: _hash(surname(text)))

    def encode(self, passengers: Passengers) -> Encoded:
        texts = passengers.texts
        fare = np.asarray(passengers.numbers["fare"], np.float64)
        surnames: Keys = self._surnames.encode(texts["name"], np.uint64).astype(np.uint64)
        family = mixed(surnames, fare.view(np.uint64))
        family[(surnames == NO_KEY) | np.isnan(fare)] = NO_KEY
        return Encoded(
            {name: np.asarray(passengers.numbers[name], np.float32) for name in NUMBERS},
            {
                name: self._codes[name].encode(texts[column], np.intp).astype(np.intp)
                for name, (column, _) in CATEGORIES.items()
            },
            self.values,
            self._tickets.encode(texts["ticket"], np.uint64).astype(np.uint64),
            family,
            np.array(passengers.labels, np.float32),
        )

    def unpacked(self, rows: NDArray[np.float32], labels: NDArray[np.float32]) -> Encoded:
        """What this encoder has encoded, from its packed form."""
        columns = dict(zip([*NUMBERS, *CATEGORIES], rows.T, strict=False))
        keys = np.ascontiguousarray(rows[:, len(columns) :]).view(np.uint64)
        return Encoded(
            {name: columns[name] for name in NUMBERS},
            {name: columns[name].astype(np.intp) for name in CATEGORIES},
            self.values,
            keys[:, 0],
            keys[:, 1],
            labels,
        )

    def _numbering(self, category: str) -> Callable[[str], int]:
        values, function = self.values[category], CATEGORIES[category][1]

        def number(text: str) -> int:
            value = function(text)
            if len(values) < MOST_VALUES:
                return values.setdefault(value, len(values))
            return values.get(value, 0)

        return number


def _hash(text: str) -> int:
    """The same for the same text on every machine; NO_KEY for none."""
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") if text else int(NO_KEY)


def mixed(one: Keys, other: Keys) -> Keys:
    """A hash of two (the finalizer of SplitMix64: Steele, Lea and Flood, 2014)."""
    result: Keys = one + other * np.uint64(0x9E3779B97F4A7C15)
    result = (result ^ (result >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    result = (result ^ (result >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    result ^= result >> np.uint64(31)
    return result
