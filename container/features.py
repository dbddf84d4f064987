"""Turns passengers into the numbers that the model sees; the same code trains and scores.

What is learned from the training rows are sums, which can be added up from any parts of them:
how often each category occurs, the ages by title, and how many of each party survived.
"""

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from container.parties import (
    MEN,
    MEN_SURVIVED,
    WOMEN,
    WOMEN_SURVIVED,
    Parties,
    is_woman_or_boy,
    title,
)
from container.passengers import Passengers

import numpy as np
from numpy.typing import NDArray

MINIMUM_ROWS = 10  # a category seen less often in training is not told from the others
LARGE_FAMILY = 5  # persons from which on few survived
HIDDEN_WEIGHT = 0.5  # of a training row that is repeated without the fate of its party

FATE = {  # of the party: whom each column is about, and who of them survived
    "women_survival": ([WOMEN], [WOMEN_SURVIVED]),
    "men_survival": ([MEN], [MEN_SURVIVED]),
    "party_survival": ([WOMEN, MEN], [WOMEN_SURVIVED, MEN_SURVIVED]),
}
OF_WOMAN_OR_BOY = "_of_woman_or_boy"  # the same column, for women and boys alone

_AGE_STEPS = 64  # a year's: sums of whole steps are exact, whatever the order of the rows


@dataclass
class Statistics:
    """The sums. `ages` maps a title to the number of known ages and their sum in steps."""

    categories: dict[str, Counter[str]] = field(default_factory=dict)
    ages: dict[str, tuple[int, float]] = field(default_factory=dict)
    parties: Parties = field(default_factory=lambda: Parties.count(Passengers()))

    @classmethod
    def of(cls, passengers: Passengers) -> "Statistics":
        """Of labelled passengers."""
        texts = _categorical(passengers)
        titles = np.array(texts["title"], np.str_)
        steps = np.round(np.array(passengers.numbers["age"], np.float64) * _AGE_STEPS)
        ages = {}
        for name in sorted(set(texts["title"])):
            known = steps[(titles == name) & ~np.isnan(steps)]
            ages[name] = (len(known), float(known.sum()))
        categories = {name: Counter(column) for name, column in texts.items()}
        return cls(categories, ages, Parties.count(passengers))

    def __add__(self, other: "Statistics") -> "Statistics":
        categories = {
            name: self.categories.get(name, Counter()) + other.categories.get(name, Counter())
            for name in {**self.categories, **other.categories}
        }
        ages = dict(self.ages)
        for name, (count, total) in other.ages.items():
            here = ages.get(name, (0, 0.0))
            ages[name] = (here[0] + count, here[1] + total)
        return Statistics(categories, ages, self.parties + other.parties)


@dataclass(frozen=True)
class TrainingRows:
    """`matrix` has shape (rows, features); labels are 0 or 1. All floats are of 32 bits."""

    matrix: NDArray[np.float32]
    labels: NDArray[np.float32]
    weights: NDArray[np.float32]


@dataclass(frozen=True)
class Features:
    """The categories of each text feature that the training rows showed often enough, the mean
    age by title ("" for all others), and the parties."""

    categories: dict[str, list[str]]
    ages: dict[str, float]
    parties: Parties

    @classmethod
    def learn(cls, passengers: Passengers) -> "Features":
        """From labelled passengers."""
        return cls.from_statistics(Statistics.of(passengers))

    @classmethod
    def from_statistics(cls, statistics: Statistics) -> "Features":
        categories = {
            name: sorted(value for value, count in counts.items() if count >= MINIMUM_ROWS)
            for name, counts in statistics.categories.items()
        }
        ages = {"": _mean_age(list(statistics.ages.values()))} | {
            name: _mean_age([statistics.ages[name]]) for name in categories["title"] if name
        }
        known = {name: age for name, age in ages.items() if age is not None}
        return cls(categories, known, statistics.parties)

    @property
    def names(self) -> list[str]:
        """The columns of `matrix`, in order."""
        return list(self._columns(Passengers(), counted=False))

    def matrix(self, passengers: Passengers) -> NDArray[np.float32]:
        """Of rows to be scored, shape (rows, len(names)). A missing number is NaN; a rare or
        unseen category has 0 in all columns of its feature."""
        return _matrix(self._columns(passengers, counted=False))

    def training_rows(self, passengers: Passengers) -> TrainingRows:
        """Of the rows, or some of the rows, that were learned from.

        Each row is left out of its own party. The rows that have a party come twice, the second
        time with its fate hidden: so the model also learns to do without, as it must for a
        passenger of whose party it has seen nobody.
        """
        columns = self._columns(passengers, counted=True)
        matrix, labels = _matrix(columns), np.array(passengers.labels, np.float32)
        has_party = ~np.isnan(columns["party_survival"])
        hidden = matrix[has_party]
        hidden[:, [name.removesuffix(OF_WOMAN_OR_BOY) in FATE for name in columns]] = np.nan
        return TrainingRows(
            np.concatenate([matrix, hidden]),
            np.concatenate([labels, labels[has_party]]),
            np.repeat([1, HIDDEN_WEIGHT], [len(matrix), len(hidden)]).astype(np.float32),
        )

    def _columns(self, passengers: Passengers, *, counted: bool) -> dict[str, NDArray[np.float64]]:
        numbers = {name: np.array(column) for name, column in passengers.numbers.items()}
        texts = {name: np.array(c, np.str_) for name, c in _categorical(passengers).items()}
        woman = is_woman_or_boy(passengers)
        family = numbers["sibsp"] + numbers["parch"] + 1
        mates = self.parties.mates(passengers, counted=counted)
        party = np.fmax(mates[:, WOMEN] + mates[:, MEN] + 1, family)

        columns = {
            "pclass": numbers["pclass"],
            "first_class": numbers["pclass"] == 1,
            "woman_or_boy": woman,
            "woman_or_boy_in_third_class": woman & (numbers["pclass"] == 3),
            "age": self._ages(numbers["age"], texts["title"]),
            "age_known": ~np.isnan(numbers["age"]),
            "sibsp": numbers["sibsp"],
            "parch": numbers["parch"],
            "family_size": family,
            "large_family": family >= LARGE_FAMILY,
            "party_size": party,
            "log_fare": np.log1p(numbers["fare"]),
            "log_fare_per_person": np.log1p(numbers["fare"] / party),
        }
        for name, survival in self._fate(mates).items():
            columns[name] = survival
            columns[name + OF_WOMAN_OR_BOY] = np.where(woman, survival, np.nan)
        for name, values in self.categories.items():
            columns |= {f"{name}={value}": texts[name] == value for value in values}
        return columns

    def _ages(self, ages: NDArray[np.float64], titles: NDArray[np.str_]) -> NDArray[np.float64]:
        expected = np.full(len(ages), self.ages.get("", np.nan))
        for name, age in self.ages.items():
            if name:
                expected[titles == name] = age
        return np.where(np.isnan(ages), expected, ages)

    def _fate(self, mates: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
        """The shares that survived; NaN where there is nobody. Each is drawn to the share of all
        training rows, as by one more mate."""
        shares = {}
        for name, (of, survived) in FATE.items():
            usual = self.parties.total[survived].sum() / max(self.parties.total[of].sum(), 1)
            count = mates[:, of].sum(axis=1)
            share = (mates[:, survived].sum(axis=1) + usual) / (count + 1)
            shares[name] = np.where(count > 0, share, np.nan)
        return shares

    def save(self, features: Path, parties: Path) -> None:
        content = {"features": self.names, "categories": self.categories, "ages": self.ages}
        features.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        self.parties.save(parties)

    @classmethod
    def load(cls, features: Path, parties: Path) -> "Features":
        content = json.loads(features.read_text(encoding="utf-8"))
        return cls(content["categories"], content["ages"], Parties.load(parties))


def _matrix(columns: dict[str, NDArray[np.float64]]) -> NDArray[np.float32]:
    return np.column_stack(list(columns.values())).astype(np.float32)


def _mean_age(counts: list[tuple[int, float]]) -> float | None:
    known = sum(count for count, _ in counts)
    return sum(steps for _, steps in counts) / known / _AGE_STEPS if known else None


def _categorical(passengers: Passengers) -> dict[str, list[str]]:
    texts = passengers.texts
    return {
        "sex": [sex.lower() for sex in texts["sex"]],
        "title": [title(name) for name in texts["name"]],
        "deck": [cabin[:1].upper() for cabin in texts["cabin"]],
        "embarked": [port[:1].upper() for port in texts["embarked"]],
    }
