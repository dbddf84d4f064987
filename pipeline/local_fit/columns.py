"""What the columns of the model mean, for a table."""

import inspect
from collections.abc import Iterable

from container import features
from pipeline.glossary import columns_by_function

import pandas as pd


def meanings(rows: pd.DataFrame, columns: Iterable[str]) -> pd.DataFrame:
    """Return what the docstring of the function that makes each column says in its first line."""
    made_by = {
        column: function for function, made in columns_by_function(rows).items() for column in made
    }
    return pd.DataFrame({"meaning": {name: _sentence(made_by[name]) for name in columns}})


def _sentence(function: str) -> str:
    text = inspect.getdoc(getattr(features, function)) or ""
    first = " ".join(text.partition("\n\n")[0].split()).removeprefix("Return ")
    return first[:1].upper() + first[1:]
