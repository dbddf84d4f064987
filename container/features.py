"""Turns passengers into the numbers that XGBoost sees: one piece of code for training and scoring.

In two steps, so that a training channel of any size is read once: `Encoder` makes of a batch what
its rows give by themselves, and counts; `Features`, learned from the counts, makes of that the
matrix. What is learned, the list of categories, is saved beside the model.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from container.passengers import Passengers

import numpy as np
from numpy.typing import NDArray

MINIMUM_ROWS = 10  # a category seen less often in training is not told from the others
MOST_VALUES = 2**16  # that are told apart while they are counted; those after them are rare
MOST_REMEMBERED = 2**16

NUMERIC = ("pclass", "age", "sibsp", "parch", "fare", "family_size", "fare_per_head")

_TITLE = re.compile(r",\s*([^.,]+)\.")  # "Braund, Mr. Owen Harris" -> "Mr"


def _title(name: str) -> str:
    match = _TITLE.search(name)
    return match[1].strip() if match else ""


def _initial(text: str) -> str:
    return text[:1].upper()


# Each is a function of one text of the passenger.
CATEGORICAL: dict[str, tuple[str, Callable[[str], str]]] = {
    "sex": ("sex", str.lower),
    "title": ("name", _title),
    "deck": ("cabin", _initial),
    "embarked": ("embarked", _initial),
}


class _Values(dict[str, int]):
    """Numbers the values of a function of a text as they come, and remembers them by the text."""

    def __init__(self, function: Callable[[str], str]) -> None:
        super().__init__()
        self._function = function
        self.numbers = {"": 0}
        self.counts = np.zeros(1, np.int64)

    def __missing__(self, text: str) -> int:
        if len(self) >= MOST_REMEMBERED:
            self.clear()
        value = self._function(text)
        if len(self.numbers) < MOST_VALUES:
            self.numbers.setdefault(value, len(self.numbers))
        self[text] = number = self.numbers.get(value, 0)
        return number

    def encode(self, texts: Sequence[str]) -> NDArray[np.intp]:
        """The number of each text's value, which is counted."""
        column = np.fromiter(map(self.__getitem__, texts), np.intp, len(texts))
        counts = np.bincount(column, minlength=len(self.numbers))
        counts[: len(self.counts)] += self.counts
        self.counts = counts
        return column


class Encoder:
    """Makes of each passenger a row of float32 - the numbers, then the number of the value of each
    category - and counts the values. Their numbers hold within one encoder."""

    width = len(NUMERIC) + len(CATEGORICAL)

    def __init__(self) -> None:
        self.values = {name: _Values(function) for name, (_, function) in CATEGORICAL.items()}

    def encode(self, passengers: Passengers) -> NDArray[np.float32]:
        """Shape (rows, width)."""
        numbers = {name: np.asarray(column) for name, column in passengers.numbers.items()}
        numbers["family_size"] = numbers["sibsp"] + numbers["parch"] + 1
        numbers["fare_per_head"] = numbers["fare"] / numbers["family_size"]
        rows = np.empty((len(passengers), self.width), np.float32)
        for column, name in enumerate(NUMERIC):
            rows[:, column] = numbers[name]
        for column, (name, values) in enumerate(self.values.items(), start=len(NUMERIC)):
            rows[:, column] = values.encode(passengers.texts[CATEGORICAL[name][0]])
        return rows


@dataclass(frozen=True)
class Features:
    """The categories of each text feature that the training rows showed often enough."""

    categories: dict[str, list[str]]

    @classmethod
    def learn(cls, rows: Passengers | Encoder) -> "Features":
        """From passengers, or from what has encoded them."""
        encoder = rows if isinstance(rows, Encoder) else Encoder()
        if isinstance(rows, Passengers):
            encoder.encode(rows)
        return cls(
            {
                name: sorted(
                    value
                    for value, number in values.numbers.items()
                    if value and values.counts[number] >= MINIMUM_ROWS
                )
                for name, values in encoder.values.items()
            }
        )

    @property
    def names(self) -> list[str]:
        """The columns of `matrix`, in order."""
        return [
            *NUMERIC,
            *(f"{name}={value}" for name, values in self.categories.items() for value in values),
        ]

    def matrix(self, passengers: Passengers) -> NDArray[np.float32]:
        """Shape (rows, len(names)). A missing number is NaN; a missing, rare or unseen category
        has 0 in all columns of its feature."""
        encoder = Encoder()
        return self.expand(encoder.encode(passengers), encoder)

    def expand(self, rows: NDArray[np.float32], encoder: Encoder) -> NDArray[np.float32]:
        """The matrix of passengers that `encoder` has encoded."""
        matrix = np.zeros((len(rows), len(self.names)), np.float32)
        matrix[:, : len(NUMERIC)] = rows[:, : len(NUMERIC)]
        position = len(NUMERIC)
        for column, (name, categories) in enumerate(self.categories.items(), start=len(NUMERIC)):
            numbers = encoder.values[name].numbers
            for category in categories:
                if category in numbers:
                    matrix[:, position] = rows[:, column] == numbers[category]
                position += 1
        return matrix

    def save(self, path: Path) -> None:
        content = {"features": self.names, "categories": self.categories}
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "Features":
        return cls(json.loads(path.read_text(encoding="utf-8"))["categories"])
