"""The columns of the data: names, types, limits and spellings. Standard library only.

This module and `features.py` are all that the program knows about the Titanic: to train on other
data, replace these two (docs/own-data.md). The names are those of Kaggle, of OpenML's data set
40945 and of `TitanicSurvival` in R's carData; their case and order do not matter. Columns that are
not listed are ignored, above all `boat` and `body`, which were recorded after the sinking.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Number:
    """A column of numbers with inclusive limits."""

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
    """A column of texts; `spellings`, in lower case, map to its values and close the set."""

    spellings: Mapping[str, str] | None = None


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

ALIASES: Mapping[str, str] = {
    "passengerclass": "pclass",
    "siblings/spouses aboard": "sibsp",
    "parents/children aboard": "parch",
    "gender": "sex",
}
