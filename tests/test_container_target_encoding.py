"""Tables of sums: of parts they add up, and a file keeps them."""

import tempfile
from itertools import chain
from pathlib import Path

from container.target_encoding import (
    MAX_KEYS,
    NO_KEY,
    add_up,
    hash_keys,
    load_tables,
    look_up,
    save_tables,
    sums_by_key,
    target_rates,
)

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

texts = st.sampled_from(["", "a", "b", "É 7", 'x,"y"', "NA", "1"])
pairs = st.lists(st.tuples(texts, st.sampled_from([0.0, 1.0, 2.5, np.nan])), max_size=30)
Pairs = list[tuple[str, float]]


def table(rows: Pairs, *, hashed: bool = False) -> pd.DataFrame:
    keys = pd.Series([key for key, _ in rows], dtype=object)
    return sums_by_key(hash_keys(keys) if hashed else keys, [value for _, value in rows])


def sums(rows: Pairs, key: str) -> tuple[int, float]:
    of_key = [value for each, value in rows if each == key and not np.isnan(value)]
    return len(of_key), sum(of_key)


@given(st.lists(pairs, min_size=1, max_size=4), st.booleans())
def test_tables_of_parts_add_up_to_what_brute_force_counts(
    parts: list[Pairs], hashed: bool
) -> None:
    found = add_up({"of x": table(part, hashed=hashed)} for part in parts)["of x"]
    for key in ["", "a", "b", "É 7", "unknown"]:
        place = pd.Series([key], dtype=object)
        place = pd.Series(hash_keys(place)) if hashed else place
        expected = sums([*chain(*parts)], key) if key or not hashed else (0, 0)
        assert tuple(look_up(place, found[name], 0)[0] for name in ("count", "sum")) == expected
    assert NO_KEY not in found.index
    assert found.index.is_monotonic_increasing  # whatever the order of the parts


def test_a_hash_is_the_same_everywhere_and_knows_what_is_missing() -> None:
    column = pd.Series(["a", "", "a", "b"], dtype=object)
    number = pd.Series([1.5, 1.5, np.nan, 1.5])
    a, b = 5694802365760992243, 2797248057711234736
    assert hash_keys(column).tolist() == [a, 0, a, b]
    both = hash_keys(column, number)
    assert both[1] == both[2] == NO_KEY
    assert len({*both, *hash_keys(column)}) == 5
    assert hash_keys(pd.Series(both), number)[1] == NO_KEY


def test_a_rate_is_drawn_to_the_prior_and_rare_or_unknown_keys_have_none() -> None:
    rates = target_rates(table([("a", 1), ("a", 1), ("a", 0), ("b", 1)]), 0.5, min_count=2)
    assert rates.to_dict() == {"a": 2.5 / 4}
    for dtype in (object, "category"):
        keys = pd.Series(["a", "b", "c"], dtype=dtype)
        assert look_up(keys, rates, 0.25).tolist() == [2.5 / 4, 0.25, 0.25]


def test_a_table_with_too_many_keys_is_left_empty_and_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    step = MAX_KEYS // 4
    starts = range(1, MAX_KEYS + 1 + step, step)
    keys = [np.arange(start, start + step, dtype=np.uint64) for start in starts]
    ones, one = np.ones(step), table([("", 1.0)])
    tables = add_up({"groups": sums_by_key(each, ones), "all": one} for each in keys)
    assert tables["groups"].empty
    assert tables["all"].to_dict() == {"count": {"": 5}, "sum": {"": 5.0}}
    assert capsys.readouterr().out == f"groups: more than {MAX_KEYS} keys, left out\n"


@given(pairs, pairs)
def test_a_file_keeps_them_exactly(one: Pairs, other: Pairs) -> None:
    tables = {"texts, any": table(one), "groups": table(other, hashed=True)}
    with tempfile.TemporaryDirectory() as folder:
        save_tables(tables, Path(folder, "tables.csv"))
        loaded = load_tables(Path(folder, "tables.csv"))
    assert set(loaded) == {name for name, expected in tables.items() if len(expected)}
    for name, found in loaded.items():
        assert found.to_dict() == tables[name].to_dict()
        assert (found.index.dtype == np.uint64) == (name == "groups")
