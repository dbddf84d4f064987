"""Check cells against the schema and bring them into one form; never guess, never stay silent."""

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from container.contract import parse_number
from container.errors import InputError
from container.schema import ALIASES, LABEL, NUMBERS, TEXTS

import numpy as np
import pandas as pd
from numpy.typing import NDArray

MISSING = {"", "?", "na", "n/a", "<na>", "nan", "null", "none"}  # compared in lower case
LONGEST_MISSING = max(map(len, MISSING))
LABELS = {"0": 0, "1": 1, "0.0": 0, "1.0": 1}  # pandas writes integers as floats beside a NaN
LARGEST = float(np.finfo(np.float32).max)  # XGBoost takes no more, and no infinity
NAMES = {name.lower(): name for name in (LABEL, *NUMBERS, *TEXTS)}
NAMES |= {alias.lower(): name for alias, name in ALIASES.items()}
SHOWN_CHARACTERS = 60
SHOWN_VALUES = 5
HINT = "correct the cells, or leave them empty where the value is unknown"
LABEL_HINT = "give 0 or 1 in every row, or leave the row out"


def clean(cell: object) -> str:
    """Return a cell as text with single blanks, "" when it is missing."""
    if not isinstance(cell, str):
        if isinstance(cell, bytes):
            cell = cell.decode()
        else:
            cell = f"{cell:.15g}" if isinstance(cell, float) else str(cell)
    text = " ".join(cell.split())
    return "" if len(text) <= LONGEST_MISSING and text.lower() in MISSING else text


def column_name(text: str) -> str:
    """Return the name in the schema of a column as people write it, any other in lower case."""
    name = text.strip().lower()
    return NAMES.get(name, name)


def match_columns(header: list[str], source: str, labelled: bool) -> dict[str, int]:
    """Return the position of each column of the schema. Raises InputError if missing or doubled."""
    names = [column_name(cell) for cell in header]
    needed = [*([LABEL] if labelled else []), *NUMBERS, *TEXTS]
    hint = f"the columns needed, in any order and case, are {', '.join(needed)}"
    missing = [name for name in needed if name not in names]
    if len(missing) == len(needed):
        shown = ",".join(header)[:SHOWN_CHARACTERS]
        raise InputError(f"{source}: no header: the first line is {shown!r}", hint)
    if missing:
        raise InputError(f"{source}: missing columns: {', '.join(missing)}", hint)
    if twice := [name for name in needed if names.count(name) > 1]:
        raise InputError(f"{source}: columns given twice: {', '.join(twice)}", "keep one of each")
    return {name: names.index(name) for name in needed}


def check_rows(cells: pd.DataFrame, source: str, before: int = 0) -> pd.DataFrame:
    """Return checked rows of cells under the names of the schema, of float64 or of objects.

    The columns are the label (int8) if there is one, NUMBERS (float64, NaN where missing) and TEXTS
    (str, "" where missing). Raises InputError, which names the source, the column, what its cells
    hold and what is allowed; rows count from `before` + 1.
    """
    checked: dict[str, Any] = {}

    def refuse(name: str, bad: NDArray[np.bool_], allowed: str, hint: str = HINT) -> None:
        if not bad.any():
            return
        rows = np.flatnonzero(bad)
        met = dict.fromkeys(repr(clean(c)[:SHOWN_CHARACTERS]) for c in cells[name].iloc[rows])
        shown = ", ".join(list(met)[:SHOWN_VALUES]) + (", ..." if len(met) > SHOWN_VALUES else "")
        many = f"{len(rows)} rows, the first is " if len(rows) > 1 else ""
        where = f"{many}row {before + rows[0] + 1}"
        raise InputError(f"{source}: {name} is {shown} ({where}); allowed: {allowed}", hint)

    if LABEL in cells:
        labels = _convert(cells[LABEL], lambda cell: LABELS.get(clean(cell), -1), int)
        refuse(LABEL, labels < 0, "0 or 1", LABEL_HINT)
        checked[LABEL] = labels.astype(np.int8)
    for name, number in NUMBERS.items():
        values = cells[name].to_numpy()
        if values.dtype == object:
            values = _convert(cells[name], _to_number, float)
        outside = (values < number.minimum) | (values > number.maximum) | (abs(values) > LARGEST)
        if number.whole:
            outside |= values > np.floor(values)
        refuse(name, outside, number.allowed)
        checked[name] = values + 0.0  # makes 0 of -0
    for name, text in TEXTS.items():
        convert = partial(_spelled, text.spellings) if text.spellings else clean
        texts = _convert(cells[name], convert, object)
        if text.spellings:
            refuse(name, pd.isna(texts), ", ".join(text.spellings))
        checked[name] = pd.Series(texts, dtype=object)
    return pd.DataFrame(checked)


def _convert(column: pd.Series, convert: Callable[[Any], Any], dtype: type) -> NDArray[Any]:
    """Convert every cell; where few are distinct, each of those once."""
    codes, values = slice(None), column
    if column[:1000].nunique() < 500:
        codes, values = pd.factorize(column, use_na_sentinel=False)
    converted: NDArray[Any] = np.empty(len(values), dtype)
    converted[:] = [convert(value) for value in values]
    return np.asarray(converted[codes])


def _spelled(spellings: Mapping[str, str], cell: object) -> str | None:
    """Return the value of a closed set that a cell spells, "" for a missing one, else None."""
    text = clean(cell).lower()
    return spellings.get(text) if text else ""


def _to_number(cell: object) -> float:
    """Return NaN for a missing cell, infinity for no number, and 1 for `true`, as pandas does."""
    text = clean(cell)
    text = {"true": "1", "false": "0"}.get(text.lower(), text)
    try:
        return float(parse_number(text)) if text else math.nan
    except ValueError:
        return math.inf
