"""Turns passengers into the numbers that XGBoost sees: one piece of code for training and scoring.

What is learned from the training rows is the list of categories; it is saved beside the model.
"""

import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from container.cluster import ALONE, Cluster
from container.passengers import Passengers

import numpy as np
from numpy.typing import NDArray

MINIMUM_ROWS = 10  # a category seen less often in training is not told from the others

_TITLE = re.compile(r",\s*([^.,]+)\.")  # "Braund, Mr. Owen Harris" -> "Mr"


@dataclass(frozen=True)
class Features:
    """The categories of each text feature that the training rows showed often enough."""

    categories: dict[str, list[str]]

    @classmethod
    def learn(cls, passengers: Passengers, cluster: Cluster = ALONE) -> "Features":
        """From the rows of all hosts."""
        categories = {}
        for name, column in _categorical(passengers).items():
            counts = sum(cluster.merge(Counter(column)), Counter[str]())
            categories[name] = sorted(
                value for value, count in counts.items() if value and count >= MINIMUM_ROWS
            )
        return cls(categories)

    @property
    def names(self) -> list[str]:
        """The columns of `matrix`, in order."""
        return [
            *_numeric(Passengers()),
            *(f"{name}={value}" for name, values in self.categories.items() for value in values),
        ]

    def matrix(self, passengers: Passengers) -> NDArray[np.float32]:
        """Shape (rows, len(names)). A missing number is NaN; a missing, rare or unseen category
        has 0 in all columns of its feature."""
        columns = [np.asarray(column, np.float64) for column in _numeric(passengers).values()]
        texts = _categorical(passengers)
        for name, values in self.categories.items():
            column = np.asarray(texts[name], dtype=np.str_)
            columns.extend(column == value for value in values)
        return np.column_stack(columns).astype(np.float32)

    def save(self, path: Path) -> None:
        content = {"features": self.names, "categories": self.categories}
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "Features":
        return cls(json.loads(path.read_text(encoding="utf-8"))["categories"])


def _numeric(passengers: Passengers) -> dict[str, NDArray[np.float64]]:
    numbers = {name: np.array(column) for name, column in passengers.numbers.items()}
    family = numbers["sibsp"] + numbers["parch"] + 1
    return numbers | {"family_size": family, "fare_per_head": numbers["fare"] / family}


def _categorical(passengers: Passengers) -> dict[str, list[str]]:
    texts = passengers.texts
    return {
        "sex": [sex.lower() for sex in texts["sex"]],
        "title": [_title(name) for name in texts["name"]],
        "deck": [cabin[:1].upper() for cabin in texts["cabin"]],
        "embarked": [port[:1].upper() for port in texts["embarked"]],
    }


def _title(name: str) -> str:
    match = _TITLE.search(name)
    return match[1].strip() if match else ""
