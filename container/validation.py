"""Check cells against the schema and bring them into one form; never guess, never stay silent."""

import math
import re
from collections.abc import Callable
from typing import Any

from container.contract import parse_number
from container.errors import InputError
from container.schema import LABEL, NUMBERS, TEXTS, Number

import numpy as np
import pandas as pd
from numpy.typing import NDArray

MISSING = frozenset({"", "?", "na", "n/a", "<na>", "nan", "null", "none"})  # compared in lower case
LABELS = {"0": 0, "1": 1, "0.0": 0, "1.0": 1}  # pandas writes a label beside a missing one as float
SHOWN_CHARACTERS = 60
SHOWN_VALUES = 5

LEAVE_EMPTY = "correct the cells, or leave them empty where the value is unknown"


def clean(cell: object) -> str:
    """Return a cell as text: one blank for any white space inside, none around, "" if missing.
    """
    if isinstance(cell, bytes):
        cell = cell.decode()
    elif isinstance(cell, float):
        cell = "" if math.isnan(cell) else f"{cell:.15g}"
    text = "" if cell is None else " ".join(str(cell).split())
    return "" if text.lower() in MISSING else text


def check_rows(cells: pd.DataFrame, source: str, before: int = 0, unit: str = "row") -> pd.DataFrame:
    """Check the cells of some rows, column by column.

    Args:
        cells: Columns under the names of the schema, each of float64 or of objects.
        source: What error messages call the place that the rows come from.
        before: How many rows of the source came before; the next one is called `before` + 1.
        unit: What error messages call a row.

    Returns:
        The label (int8) if there is one, NUMBERS (float64) and TEXTS (str), in this order.

    Raises:
        InputError: Names the column, the cells met, the rows and what is allowed.
    """

    def refuse(name: str, bad: NDArray[np.bool_], allowed: str, hint: str = LEAVE_EMPTY) -> None:
        rows = np.flatnonzero(bad)
        shown = list(dict.fromkeys(_shown(cell) for cell in cells[name].iloc[rows]))
        more = ", ..." if len(shown) > SHOWN_VALUES else ""
        first = f"{unit} {before + rows[0] + 1}"
        where = first if len(rows) == 1 else f"{len(rows)} {unit}s, the first is {first}"
        raise InputError(
            f"{source}: {name} is {', '.join(shown[:SHOWN_VALUES])}{more} ({where}); "
            f"allowed: {allowed}",
            hint,
        )

    checked: dict[str, Any] = {}
    if LABEL in cells:
        labels = _by_value(cells[LABEL], lambda cell: LABELS.get(clean(cell), -1), int)
        if (labels < 0).any():
            refuse(LABEL, labels < 0, "0 or 1", "give 0 or 1 in every row, or leave the row out")
        checked[LABEL] = labels.astype(np.int8)
    for name, number in NUMBERS.items():
        values = cells[name].to_numpy()
        if values.dtype == object:
            values = _by_value(cells[name], _to_number, float)
        bad = _is_outside(values, number)
        if bad.any():
            refuse(name, bad, number.allowed)
        checked[name] = values + 0.0  # makes 0 of -0
    for name, text in TEXTS.items():
        texts = _by_value(cells[name], clean, object)
        if text.spellings is not None:
            values = _by_value(pd.Series(texts), lambda t: text.spellings.get(t.lower()), object)
            bad = (texts != "") & pd.isna(values)
            if bad.any():
                refuse(name, bad, text.allowed)
            texts = np.where(texts == "", "", values)
        checked[name] = pd.Series(texts, dtype=object)
    return pd.DataFrame(checked)


def _by_value(column: pd.Series, convert: Callable[[Any], Any], dtype: type) -> NDArray[Any]:
    """Convert every cell, each distinct one once."""
    codes, values = pd.factorize(column, use_na_sentinel=False)
    converted = np.empty(len(values), dtype)
    converted[:] = [convert(value) for value in values]
    return converted[codes]


def _to_number(cell: object) -> float:
    """Return NaN for a missing cell, infinity for one that is no number."""
    text = clean(cell)
    try:
        return float(parse_number(text)) if text else math.nan
    except ValueError:
        return math.inf


def _is_outside(values: NDArray[np.float64], number: Number) -> NDArray[np.bool_]:
    outside = (values < number.minimum) | (values > number.maximum)
    return outside | (np.mod(values, 1) > 0) if number.whole else outside


def _shown(cell: object) -> str:
    return repr(clean(cell)[:SHOWN_CHARACTERS])
