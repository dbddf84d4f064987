"""Passengers as numbers, each by itself: all that features and parties are made of.

What is learned from the rows comes later, so a channel of any size is read once and kept in this
form: a row has 52 bytes, and no text. Numbers are rounded to float32 here, for every use alike.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from container.passengers import NUMBERS, Passengers

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.uint64]

NO_KEY = np.uint64(0)
MOST_VALUES = 2**16  # of a category that are told apart while they are counted
MOST_REMEMBERED = 2**16  # texts whose value is not worked out again
HASHED_CHARACTERS = 64


def title(name: str) -> str:
    """`Mr` of "Braund, Mr. Owen Harris"; nothing where there is none."""
    return _title(_name_parts(name)[1])


def _name_parts(name: str) -> tuple[str, str]:
    """What stands before the first comma, and what from there to the first point."""
    before, comma, given = name.partition(",")
    form, point, _ = given.partition(".")
    return before if comma else "", form if point else ""


def _title(form: str) -> str:
    return "" if "," in form else form.strip()


def _initial(text: str) -> str:
    return text[:1].upper()


# The text of each, and the function of it.
CATEGORIES: dict[str, tuple[str, Callable[[str], str]]] = {
    "sex": ("sex", str.lower),
    "title": ("form", _title),
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


class _Codes(dict[str, int]):
    """The numbers of the values of a category, by the texts that they are a function of."""

    def __init__(self, function: Callable[[str], str], values: dict[str, int]) -> None:
        super().__init__()
        self._function, self._values = function, values

    def __missing__(self, text: str) -> int:
        if len(self) >= MOST_REMEMBERED:
            self.clear()
        value = self._function(text)
        if len(self._values) < MOST_VALUES:
            self._values.setdefault(value, len(self._values))
        self[text] = number = self._values.get(value, 0)
        return number


class Encoder:
    """Encodes batch after batch; the numbers of values are the same in all of them."""

    def __init__(self) -> None:
        self.values: dict[str, dict[str, int]] = {name: {"": 0} for name in CATEGORIES}
        self._codes = {
            name: _Codes(function, self.values[name]) for name, (_, function) in CATEGORIES.items()
        }

    def encode(self, passengers: Passengers) -> Encoded:
        parts = [_name_parts(name) for name in passengers.texts["name"]]
        texts = {**passengers.texts, "form": [form for _, form in parts]}
        surname = hashes([before.strip().upper() for before, _ in parts])
        fare = np.asarray(passengers.numbers["fare"], np.float64)
        family = mixed(surname, fare.view(np.uint64))
        family[(surname == NO_KEY) | np.isnan(fare)] = NO_KEY
        return Encoded(
            {name: np.asarray(passengers.numbers[name], np.float32) for name in NUMBERS},
            {
                name: np.fromiter(map(self._codes[name].__getitem__, texts[text]), np.intp)
                for name, (text, _) in CATEGORIES.items()
            },
            self.values,
            hashes([ticket.upper() for ticket in texts["ticket"]]),
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


def hashes(texts: Sequence[str]) -> Keys:
    """Of the first HASHED_CHARACTERS of each, the same on every machine; NO_KEY for "".

    A sum of the characters times a random odd factor for each place, mixed: for all texts at once.
    """
    longest = min(max(map(len, texts), default=0), HASHED_CHARACTERS)
    if not longest:
        return np.full(len(texts), NO_KEY)
    characters = np.array(texts, f"<U{longest}").view("<u4").reshape(len(texts), longest)
    sums = np.zeros(len(texts), np.uint64)
    for place in range(longest):
        sums += characters[:, place] * _FACTORS[place]
    result = mixed(sums, np.zeros_like(sums))
    result[sums == 0] = NO_KEY
    return result


def mixed(one: Keys, other: Keys) -> Keys:
    """A hash of two (the finalizer of SplitMix64: Steele, Lea and Flood, 2014)."""
    result: Keys = one + other * np.uint64(0x9E3779B97F4A7C15)
    result = (result ^ (result >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    result = (result ^ (result >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    result ^= result >> np.uint64(31)
    return result


_FACTORS = mixed(
    np.zeros(HASHED_CHARACTERS, np.uint64), np.arange(1, HASHED_CHARACTERS + 1).astype(np.uint64)
) | np.uint64(1)
