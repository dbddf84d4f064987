"""The columns of the data: names, types, limits and spellings.

This module and `features.py` are all that the image's program knows about the Titanic: to train on
other data, replace these two (docs/own-data.md). Standard library only.

The sources of the names: Kaggle's "Titanic - Machine Learning from Disaster", OpenML data set 40945,
and the data frame `TitanicSurvival` of R's package carData. Columns that are not listed are ignored,
above all `boat` and `body`, which were recorded after the sinking.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Number:
    """A column of numbers with inclusive limits; an empty cell is a missing value."""

    minimum: float
    maximum: float
    whole: bool = False

    @property
    def allowed(self) -> str:
        """Return what a cell may hold, for an error message."""
        kind = "a whole number" if self.whole else "a number"
        return f"{kind} from {self.minimum:g} to {self.maximum:g}"


@dataclass(frozen=True)
class Text:
    """A column of texts; an empty cell is a missing value.

    `spellings` closes the set: it maps every accepted spelling, in lower case, to its value. Without
    it any text is accepted.
    """

    spellings: Mapping[str, str] | None = None

    @property
    def allowed(self) -> str:
        """Return what a cell may hold, for an error message."""
        return ", ".join(self.spellings or ()) or "any text"


LABEL = "survived"  # 0 or 1

NUMBERS: Mapping[str, Number] = {
    "pclass": Number(1, 3, whole=True),
    "age": Number(0, 120),  # years
    "sibsp": Number(0, 50, whole=True),
    "parch": Number(0, 50, whole=True),
    "fare": Number(0, 10_000),  # pounds
}

TEXTS: Mapping[str, Text] = {
    "name": Text(),
    "sex": Text({"male": "male", "m": "male", "female": "female", "f": "female"}),
    "ticket": Text(),
    "cabin": Text(),
    "embarked": Text(),
}

# Other names of the same columns, in lower case. Case and order of the columns do not matter.
ALIASES: Mapping[str, str] = {
    "passengerclass": "pclass",
    "siblings/spouses aboard": "sibsp",
    "parents/children aboard": "parch",
    "gender": "sex",
}
