"""What the columns of the model mean, for a table."""

from collections.abc import Iterable

from pipeline.glossary import columns_by_function, meaning

import pandas as pd


def meanings(rows: pd.DataFrame, columns: Iterable[str]) -> pd.DataFrame:
    """Return the first sentence of the glossary on each column."""
    made_by = {
        column: function for function, made in columns_by_function(rows).items() for column in made
    }
    return pd.DataFrame({"meaning": {name: _sentence(made_by[name]) for name in columns}})


def _sentence(function: str) -> str:
    """Return plain text: a table of pandas shows no Markdown."""
    return " ".join(meaning(function).partition("\n\n")[0].replace("`", "").split())
