"""Passengers as numbers, each by itself: all that features and parties are made of.

What is learned from the rows comes later, so a channel of any size is read once and kept in this
form: a row has 52 bytes, and no text. Numbers are rounded to float32 here, for every use alike.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from container.hashes import NO_KEY, Keys, hashes, keys, mixed
from container.passengers import NUMBERS, Column, Passengers
from container.texts import Texts

import numpy as np
from numpy.typing import NDArray

MOST_VALUES = 2**16  # of a category that are told apart while they are counted
MOST_REMEMBERED = 2**16  # texts whose value is not worked out again


def title(name: str) -> str:
    """`Mr` of "Braund, Mr. Owen Harris"; nothing where there is none."""
    return _title(_name_parts(name)[1])


def _name_parts(name: str) -> tuple[str, str]:
    """What stands before the first comma, and what from there to the first point."""
    before, comma, given = name.partition(",")
    form, point, _ = given.partition(".")
    return before if comma else "", form if point else ""


def _surnames_and_forms(
    names: Sequence[str] | Texts,
) -> tuple[Sequence[str] | Texts, Sequence[str] | Texts]:
    """The parts of each name, the first one without white space around it."""
    if not isinstance(names, Texts):
        parts = [_name_parts(name) for name in names]
        return [before.strip() for before, _ in parts], [form for _, form in parts]
    comma = names.find(",", names.starts)
    before = np.where(comma < names.ends, comma, names.starts)
    before -= (before > names.starts) & (names.data[before - 1] == ord(" "))
    given = np.minimum(comma + 1, names.ends)
    point = names.find(".", given)
    form = np.where(point < names.ends, point, given)
    others = {row: _name_parts(name) for row, name in names.others.items()}
    return (
        Texts(names.data, names.starts, before, {row: b.strip() for row, (b, _) in others.items()}),
        Texts(names.data, given, form, {row: form for row, (_, form) in others.items()}),
    )


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
        self._keys, self._numbers = _NO_TEXT

    def __missing__(self, text: str) -> int:
        if len(self) >= MOST_REMEMBERED:
            self.clear()
        value = self._function(text)
        if len(self._values) < MOST_VALUES:
            self._values.setdefault(value, len(self._values))
        self[text] = number = self._values.get(value, 0)
        return number

    def of(self, texts: Sequence[str] | Texts) -> NDArray[np.intp]:
        if isinstance(texts, Texts):
            return self._of_bytes(texts)
        return np.fromiter(map(self.__getitem__, texts), np.intp, len(texts))

    def _of_bytes(self, texts: Texts) -> NDArray[np.intp]:
        """Of each key only the first text is looked at, in the order of the rows."""
        found, without = keys(texts)
        places = self._places(found)
        new = np.flatnonzero(self._keys[places] != found)
        if len(new) or len(without):
            if len(self._keys) >= MOST_REMEMBERED:
                self._keys, self._numbers = _NO_TEXT
                new = np.flatnonzero(found)
            _, first = np.unique(found[new], return_index=True)
            first = np.sort(new[first])
            numbers = {row: self[texts[row]] for row in np.union1d(first, without).tolist()}
            known = np.append(self._keys, found[first])
            order = np.argsort(known)
            self._keys = known[order]
            self._numbers = np.append(self._numbers, [numbers[n] for n in first.tolist()])[order]
            places = self._places(found)
        codes = self._numbers[places]
        if len(without):
            codes[without] = [numbers[row] for row in without.tolist()]
        return codes

    def _places(self, found: Keys) -> NDArray[np.intp]:
        return np.minimum(np.searchsorted(self._keys, found), len(self._keys) - 1)


_NO_TEXT = np.zeros(1, np.uint64), np.zeros(1, np.intp)  # the key of "", and its number


def _family(surname: Keys, fares: Column) -> Keys:
    fare = np.asarray(fares, np.float64)
    family = mixed(surname, fare.view(np.uint64))
    family[(surname == NO_KEY) | np.isnan(fare)] = NO_KEY
    return family


class Encoder:
    """Encodes batch after batch; the numbers of values are the same in all of them."""

    def __init__(self) -> None:
        self.values: dict[str, dict[str, int]] = {name: {"": 0} for name in CATEGORIES}
        self._codes = {
            name: _Codes(function, self.values[name]) for name, (_, function) in CATEGORIES.items()
        }

    def encode(self, passengers: Passengers, *, keys: bool = True) -> Encoded:
        """`keys` says whether tickets and families will be asked for."""
        surnames, forms = _surnames_and_forms(passengers.texts["name"])
        texts = {**passengers.texts, "form": forms}
        ticket = family = np.full(len(passengers), NO_KEY)
        if keys:
            ticket = hashes(texts["ticket"])
            family = _family(hashes(surnames), passengers.numbers["fare"])
        return Encoded(
            {name: np.asarray(passengers.numbers[name], np.float32) for name in NUMBERS},
            {name: self._codes[name].of(texts[text]) for name, (text, _) in CATEGORIES.items()},
            self.values,
            ticket,
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
