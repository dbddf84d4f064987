"""Turns passengers into the numbers that the model sees; the same code trains and scores.

What is learned from the training rows are sums, which can be added up from any parts of them: of
numbers, and of how many survived in each category and of each party.

A category is one column, the share of its passengers that survived; and but for the fate of a
party there is a value in every row. XGBoost then keeps a byte for each column of a row.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from container.encoded import CATEGORIES, Encoded, People
from container.parties import (
    MEN,
    MEN_SURVIVED,
    WOMEN,
    WOMEN_SURVIVED,
    Parties,
    is_woman_or_boy,
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

LEARNED = ("categories", "ages", "means")  # beside the parties

_STEPS = 64  # of a unit: sums of whole steps are exact, whatever the order of the rows

Sums = dict[str, tuple[int, float]]  # of each group: its rows, and the sum of something over them


@dataclass
class Statistics:
    """The sums: of survivors by the values of each category, of the known ages by title, and of
    the known values of each number; of ages and numbers in steps."""

    categories: dict[str, Sums] = field(default_factory=dict)
    ages: Sums = field(default_factory=dict)
    numbers: Sums = field(default_factory=dict)
    parties: Parties = field(default_factory=lambda: Parties.count(Passengers()))

    @classmethod
    def of(cls, passengers: People, *, parties: bool = True) -> "Statistics":
        """Of labelled passengers; their parties are not needed where they are tallied."""
        people = Encoded.of(passengers)
        steps = {
            name: np.round(column.astype(np.float64) * _STEPS)
            for name, column in people.numbers.items()
        }
        return cls(
            {name: _by_value(people, name, people.labels) for name in CATEGORIES},
            _by_value(people, "title", steps["age"]),
            {
                name: (int(np.count_nonzero(~np.isnan(column))), float(np.nansum(column)))
                for name, column in steps.items()
            },
            Parties.count(people if parties else Passengers()),
        )

    def __add__(self, other: "Statistics") -> "Statistics":
        return Statistics(
            {
                name: _added(self.categories.get(name, {}), other.categories.get(name, {}))
                for name in CATEGORIES
            },
            _added(self.ages, other.ages),
            _added(self.numbers, other.numbers),
            self.parties + other.parties,
        )


@dataclass(frozen=True)
class TrainingRows:
    """`matrix` has shape (rows, features); labels are 0 or 1. All floats are of 32 bits."""

    matrix: NDArray[np.float32]
    labels: NDArray[np.float32]
    weights: NDArray[np.float32]


@dataclass(frozen=True)
class Features:
    """What was learned from the training rows: of each category, for the values that they showed
    often enough, the share that survived; the mean age by title; the mean of each number; and the
    parties."""

    categories: dict[str, dict[str, float]]
    ages: dict[str, float]
    means: dict[str, float]
    parties: Parties

    @classmethod
    def learn(cls, passengers: People) -> "Features":
        """From labelled passengers."""
        return cls.from_statistics(Statistics.of(passengers))

    @classmethod
    def from_statistics(cls, statistics: Statistics) -> "Features":
        usual = statistics.parties.survival(*FATE["party_survival"])
        categories = {
            name: {
                value: (survived + usual) / (rows + 1)  # as with one more passenger
                for value, (rows, survived) in sorted(sums.items())
                if rows >= MINIMUM_ROWS
            }
            for name, sums in statistics.categories.items()
        }
        ages = {
            title: steps / rows / _STEPS
            for title, (rows, steps) in sorted(statistics.ages.items())
            if title in categories["title"]
        }
        means = {
            name: steps / max(rows, 1) / _STEPS
            for name, (rows, steps) in statistics.numbers.items()
        }
        return cls(categories, ages, means, statistics.parties)

    @property
    def with_parties(self) -> bool:
        """Whether anything is known of any party."""
        return len(self.parties.keys) > 0

    @property
    def names(self) -> list[str]:
        """The columns of `matrix`, in order."""
        return list(self._columns(Encoded.of(Passengers()), counted=False))

    def matrix(self, passengers: People) -> NDArray[np.float32]:
        """Of rows to be scored, shape (rows, len(names)). Only the fate of a party may be NaN; a
        rare or unseen value of a category has the share of all that survived."""
        return _matrix(self._columns(Encoded.of(passengers), counted=False))

    def training_rows(self, passengers: People) -> TrainingRows:
        """Of the rows, or some of the rows, that were learned from.

        Each row is left out of its own party. A row that has a party comes twice, the second time
        with its fate hidden: so the model also learns to do without, as it must for a passenger of
        whose party it has seen nobody.
        """
        people = Encoded.of(passengers)
        columns = self._columns(people, counted=True)
        matrix = _matrix(columns)
        if not self.with_parties:
            return TrainingRows(matrix, people.labels, np.ones(len(people), np.float32))
        has_party = ~np.isnan(columns["party_survival"])
        row = np.repeat(np.arange(len(people)), 1 + has_party)
        again = np.append(False, row[1:] == row[:-1])
        of_fate = np.array([name.removesuffix(OF_WOMAN_OR_BOY) in FATE for name in columns])
        matrix = matrix[row]
        matrix[again[:, np.newaxis] & of_fate] = np.nan
        weights = np.where(again, HIDDEN_WEIGHT, 1).astype(np.float32)
        return TrainingRows(matrix, people.labels[row], weights)

    def _columns(self, people: Encoded, *, counted: bool) -> dict[str, NDArray[np.float64]]:
        expected = self.means | {"age": _by_code(people, "title", self.ages, self.means["age"])}
        numbers = {
            name: np.where(np.isnan(column), expected[name], column.astype(np.float64))
            for name, column in people.numbers.items()
        }
        woman = is_woman_or_boy(people)
        family = numbers["sibsp"] + numbers["parch"] + 1
        mates = self.parties.mates(people, counted=counted)
        party = np.maximum(mates[:, WOMEN] + mates[:, MEN] + 1, family)

        columns = {
            "pclass": numbers["pclass"],
            "first_class": numbers["pclass"] == 1,
            "woman_or_boy": woman,
            "woman_or_boy_in_third_class": woman & (numbers["pclass"] == 3),
            "age": numbers["age"],
            "family_size": family,
            "large_family": family >= LARGE_FAMILY,
            "log_fare_per_person": np.log1p(numbers["fare"] / party),
        }
        usual = self.parties.survival(*FATE["party_survival"])
        for name, shares in self.categories.items():
            columns[name] = _by_code(people, name, shares, usual)
        if self.with_parties:
            columns["party_size"] = party
            for name, survival in self._fate(mates).items():
                columns[name] = survival
                columns[name + OF_WOMAN_OR_BOY] = np.where(woman, survival, np.nan)
        return columns

    def _fate(self, mates: NDArray[np.int32]) -> dict[str, NDArray[np.float64]]:
        """The shares that survived; NaN where there is nobody. Each is drawn to the share of all
        training rows, as by one more mate."""
        shares = {}
        for name, (of, survived) in FATE.items():
            usual = self.parties.survival(of, survived)
            count = mates[:, of].sum(axis=1)
            share = (mates[:, survived].sum(axis=1) + usual) / (count + 1)
            shares[name] = np.where(count > 0, share, np.nan)
        return shares

    def save(self, features: Path, parties: Path) -> None:
        content = {"features": self.names} | {name: getattr(self, name) for name in LEARNED}
        features.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        self.parties.save(parties)

    @classmethod
    def load(cls, features: Path, parties: Path) -> "Features":
        content = json.loads(features.read_text(encoding="utf-8"))
        return cls(**{name: content[name] for name in LEARNED}, parties=Parties.load(parties))


def _matrix(columns: dict[str, NDArray[np.float64]]) -> NDArray[np.float32]:
    matrix = np.empty((len(columns["pclass"]), len(columns)), np.float32)
    for place, column in enumerate(columns.values()):
        matrix[:, place] = column
    return matrix


def _by_value(people: Encoded, category: str, amounts: NDArray[np.floating]) -> Sums:
    """The rows with each value of a category, and the sum over them, where the amount is known."""
    known = ~np.isnan(amounts)
    codes, values = people.codes[category][known], people.values[category]
    rows = np.bincount(codes, minlength=len(values))
    sums = np.bincount(codes, amounts[known], minlength=len(values))
    by_value = zip(values, zip(rows.tolist(), sums.tolist(), strict=True), strict=True)
    return {value: (count, amount) for value, (count, amount) in by_value if count}


def _by_code(
    people: Encoded, category: str, known: Mapping[str, float], otherwise: float
) -> NDArray[np.float64]:
    """What is known of the value of a category that each row has."""
    of_values = [known.get(value, otherwise) for value in people.values[category]]
    return np.array(of_values, np.float64)[people.codes[category]]


def _added(one: Sums, other: Sums) -> Sums:
    total = dict(one)
    for group, (rows, amount) in other.items():
        before = total.get(group, (0, 0.0))
        total[group] = (before[0] + rows, before[1] + amount)
    return total
