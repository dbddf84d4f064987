"""Cells against the schema: one form of each value, or a message that names what was met."""

from typing import Any

from container.errors import InputError

import numpy as np
import pandas as pd
import pytest
import small_schema
from small_program import validation


def cells(**columns: list[Any]) -> pd.DataFrame:
    """Rows of cells; the columns that are not given hold what is allowed."""
    count = len(next(iter(columns.values())))
    given = {"bought": ["1"], "size": ["2.5"], "count": ["3"], "kind": ["a"], "note": ["x"]}
    return pd.DataFrame({n: columns.get(n, c * count) for n, c in given.items()}, dtype=object)


def checked(**columns: list[Any]) -> list[Any]:
    (name,) = columns
    values: list[Any] = validation.check_rows(cells(**columns), "rows.csv")[name].tolist()
    return values


def test_a_missing_value_is_missing_however_it_is_spelled() -> None:
    spellings = ["", "?", "NA", "n/a", "<NA>", "nan", "NULL", " none ", None, float("nan")]
    assert np.isnan(checked(size=spellings)).all()
    assert checked(kind=spellings) == checked(note=spellings) == [""] * len(spellings)


def test_one_value_has_one_form() -> None:
    given = ["2.50", 2.5, np.float32(2.5), " 25e-1", "+2.5", b"2.5"]
    assert checked(size=given) == [2.5] * 6
    assert str(checked(size=["-0", -0.0])) == "[0.0, 0.0]"
    assert checked(size=[True, "FALSE"]) == [1, 0]
    assert checked(bought=[0, 1.0, "1", "0.0", np.int64(1), b"0"]) == [0, 1, 1, 0, 1, 0]
    assert checked(kind=["a", "A ", "ALPHA", "b"]) == ["A", "A", "A", "B"]
    assert checked(note=["\ta\u00a0 \nb ", 7, 7.0, "é".encode()]) == ["a b", "7", "7", "é"]


def test_limits_belong_to_the_column_and_are_allowed_themselves() -> None:
    assert checked(size=["-100", "1000000"]) == [-100, 1e6]
    assert checked(count=["0", "9.0"]) == [0, 9]


@pytest.mark.parametrize("cell", ["old", "inf", "-inf", "1e39", "-1e300"])
def test_a_column_without_limits_still_takes_numbers_only(
    cell: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    any_number = small_schema.Number(-np.inf, np.inf)
    monkeypatch.setitem(small_schema.NUMBERS, "size", any_number)
    assert checked(size=["-3e38", "3e38"]) == [-3e38, 3e38]
    with pytest.raises(InputError, match=f"size is '{cell}' .*allowed: a number from -inf to inf"):
        checked(size=[cell])


@pytest.mark.parametrize(
    ("column", "given", "message"),
    [
        ("size", "-100.1", "size is '-100.1' (row 1); allowed: a number from -100 to 1e+06"),
        ("size", "inf", "size is 'inf' (row 1)"),
        ("size", "2_5", "size is '2_5' (row 1)"),
        ("size", "\u0665", "size is '\u0665' (row 1)"),
        ("size", "x" * 999, f"size is '{'x' * 60}' (row 1)"),
        ("count", "-1", "count is '-1' (row 1); allowed: a whole number from 0 to 9"),
        ("count", "1.5", "count is '1.5' (row 1)"),
        ("kind", "c", "kind is 'c' (row 1); allowed: a, alpha, b"),
        ("kind", "1", "kind is '1' (row 1)"),
        ("bought", "yes", "bought is 'yes' (row 1); allowed: 0 or 1"),
        ("bought", "2", "bought is '2' (row 1); allowed: 0 or 1"),
        ("bought", "", "bought is '' (row 1); allowed: 0 or 1"),
    ],
)
def test_what_is_not_allowed_is_shown_with_what_is(column: str, given: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        checked(**{column: [given]})
    assert str(caught.value).startswith(f"rows.csv: {message}")
    assert caught.value.hint


def test_many_cells_are_summed_up() -> None:
    """The distinct ones, how many rows, and the first by its number in the whole source."""
    kinds = ["a"] * 3 + ["weiblich", "männlich", "weiblich"] * 2
    with pytest.raises(InputError) as caught:
        validation.check_rows(cells(kind=kinds), "body", before=1000)
    met = "kind is 'weiblich', 'männlich' (6 rows, the first is row 1004); allowed: a, alpha, b"
    assert str(caught.value).startswith(f"body: {met}\nhint: ")
    with pytest.raises(InputError, match=r"size is 'x0', 'x1', 'x2', 'x3', 'x4', \.\.\. \(40 rows"):
        checked(size=[f"x{n}" for n in range(40)])
