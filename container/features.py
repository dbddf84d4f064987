"""Turns passengers into the numbers that the model sees; the same code trains and scores.

What is learned from the training rows are sums, which can be added up from any parts of them:
how often each category occurs, the ages by title, and how many of each party survived.
"""

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from container.encoded import Encoded, People
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

_AGE_STEPS = 64  # a year's: sums of whole steps are exact, whatever the order of the rows


@dataclass
class Statistics:
    """The sums. `ages` maps a title to the number of known ages and their sum in steps."""

    categories: dict[str, Counter[str]] = field(default_factory=dict)
    ages: dict[str, tuple[int, float]] = field(default_factory=dict)
    parties: Parties = field(default_factory=lambda: Parties.count(Passengers()))

    @classmethod
    def of(cls, passengers: People, *, parties: bool = True) -> "Statistics":
        """Of labelled passengers; their parties are not needed where they are tallied."""
        people = Encoded.of(passengers)
        steps = np.round(people.numbers["age"].astype(np.float64) * _AGE_STEPS)
        known = ~np.isnan(steps)
        categories, ages = {}, {}
        for name, codes in people.codes.items():
            counts = np.bincount(codes, minlength=len(people.values[name])).tolist()
            present = zip(people.values[name], counts, strict=True)
            categories[name] = Counter({value: count for value, count in present if count})
        titles = people.codes["title"]
        counts, sums = np.bincount(titles[known]), np.bincount(titles[known], steps[known])
        for value in categories["title"]:
            code = people.values["title"][value]
            is_there = code < len(counts)
            ages[value] = (int(counts[code]), float(sums[code])) if is_there else (0, 0.0)
        return cls(categories, ages, Parties.count(people if parties else Passengers()))

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
    def learn(cls, passengers: People) -> "Features":
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
        return list(self._columns(Encoded.of(Passengers()), counted=False))

    def matrix(self, passengers: People) -> NDArray[np.float32]:
        """Of rows to be scored, shape (rows, len(names)). A missing number is NaN; a rare or
        unseen category has 0 in all columns of its feature."""
        return _matrix(self._columns(Encoded.of(passengers), counted=False))

    def training_rows(self, passengers: People, *, beside: bool = False) -> TrainingRows:
        """Of the rows, or some of the rows, that were learned from.

        Each row is left out of its own party. The rows that have a party come twice, the second
        time with its fate hidden: so the model also learns to do without, as it must for a
        passenger of whose party it has seen nobody. They come after all rows or, `beside`, each
        after its own: in an order that does not depend on how many rows are made at a time.
        """
        people = Encoded.of(passengers)
        columns = self._columns(people, counted=True)
        matrix = _matrix(columns)
        fate = columns.get("party_survival", np.full(len(people), np.nan))
        has_party = ~np.isnan(fate)
        hidden = matrix[has_party]
        hidden[:, [name.removesuffix(OF_WOMAN_OR_BOY) in FATE for name in columns]] = np.nan
        rows = TrainingRows(
            np.concatenate([matrix, hidden]),
            np.concatenate([people.labels, people.labels[has_party]]),
            np.repeat([1, HIDDEN_WEIGHT], [len(matrix), len(hidden)]).astype(np.float32),
        )
        if not beside:
            return rows
        of = np.concatenate([np.arange(len(matrix)), np.flatnonzero(has_party)])
        order = np.argsort(of, kind="stable")
        return TrainingRows(rows.matrix[order], rows.labels[order], rows.weights[order])

    def _columns(self, people: Encoded, *, counted: bool) -> dict[str, NDArray[np.float64]]:
        numbers = {name: column.astype(np.float64) for name, column in people.numbers.items()}
        woman = is_woman_or_boy(people)
        family = numbers["sibsp"] + numbers["parch"] + 1
        mates = self.parties.mates(people, counted=counted)
        party = np.fmax(mates[:, WOMEN] + mates[:, MEN] + 1, family)

        columns = {
            "pclass": numbers["pclass"],
            "first_class": numbers["pclass"] == 1,
            "woman_or_boy": woman,
            "woman_or_boy_in_third_class": woman & (numbers["pclass"] == 3),
            "age": self._ages(numbers["age"], people),
            "age_known": ~np.isnan(numbers["age"]),
            "sibsp": numbers["sibsp"],
            "parch": numbers["parch"],
            "family_size": family,
            "large_family": family >= LARGE_FAMILY,
            "party_size": party,
            "log_fare": np.log1p(numbers["fare"]),
            "log_fare_per_person": np.log1p(numbers["fare"] / party),
        }
        for name, survival in self._fate(mates).items() if len(self.parties.keys) else ():
            columns[name] = survival
            columns[name + OF_WOMAN_OR_BOY] = np.where(woman, survival, np.nan)
        for name, values in self.categories.items():
            columns |= {f"{name}={value}": _is(people, name, value) for value in values}
        return columns

    def _ages(self, ages: NDArray[np.float64], people: Encoded) -> NDArray[np.float64]:
        expected = np.full(len(ages), self.ages.get("", np.nan))
        for name, age in self.ages.items():
            if name:
                expected[_is(people, "title", name)] = age
        return np.where(np.isnan(ages), expected, ages)

    def _fate(self, mates: NDArray[np.int32]) -> dict[str, NDArray[np.float64]]:
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


def _is(people: Encoded, category: str, value: str) -> NDArray[np.bool_]:
    equal: NDArray[np.bool_] = people.codes[category] == people.values[category].get(value, -1)
    return equal
