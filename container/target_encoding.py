"""Target encoding: what was learned of the rows that share a key, kept as sums.

A table has a row for each key, a category's text or a group's hash, and two columns: `count`, how
many rows have the key, and `sum`, the total of the target over them. Tables of parts of the data
add up to the table of the whole, so chunks and hosts may come in any order.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from container.cluster import allgather

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

Tables: TypeAlias = Mapping[str, pd.DataFrame]

MAX_KEYS = 250_000  # a table with more is left empty, so that memory does not grow with the rows
NO_KEY = np.uint64(0)  # the hash of nothing: such rows share no group
TYPES = {"table": str, "key": str, "hash": "UInt64", "count": int, "sum": float}  # of the file


def hash_keys(*columns: pd.Series) -> NDArray[np.uint64]:
    """Return a hash of some columns of each row, NO_KEY where one is empty, NaN or NO_KEY."""
    keys = pd.util.hash_pandas_object(pd.concat(columns, axis=1), index=False, categorize=False)
    missing = [each.isna() | ~each.astype(bool) for each in columns]
    return np.where(np.logical_or.reduce(missing), NO_KEY, keys)


def categories(texts: pd.Series, category_of: Callable[[str], str] = str) -> pd.Categorical:
    """Return the category of each text; it is computed once for each distinct one."""
    codes, distinct = pd.factorize(texts)
    return pd.Categorical(pd.Series([category_of(text) for text in distinct], dtype=object))[codes]


def sums_by_key(keys: Any, target: ArrayLike) -> pd.DataFrame:
    """Return the table of some rows; those without key (NO_KEY) or target (NaN) are left out."""
    target, (codes, index) = np.asarray(target, float), pd.factorize(pd.Series(keys))
    known = ~np.isnan(target) & (codes >= 0)
    count = np.bincount(codes[known], minlength=len(index))
    total = np.bincount(codes[known], target[known], minlength=len(index))
    kept = (count > 0) & np.asarray(index != NO_KEY)
    keys = pd.Index(index[kept], index.dtype if index.dtype == np.uint64 else object, name="key")
    return pd.DataFrame({"count": count[kept], "sum": total[kept]}, keys)


def add_up(parts: Iterable[Tables]) -> dict[str, pd.DataFrame]:
    """Return the sums of the tables of all chunks of all hosts; those with too many keys empty."""
    of_hosts = allgather(_add_up(parts))
    total = _add_up(of_hosts) if len(of_hosts) > 1 else of_hosts[0]
    for name, table in total.items():
        if len(table) > MAX_KEYS:
            print(f"{name}: more than {MAX_KEYS} keys, left out", flush=True)
            total[name] = table.iloc[:0]
    return total


def _add_up(parts: Iterable[Tables]) -> dict[str, pd.DataFrame]:
    held = defaultdict[str, list[pd.DataFrame]](list)
    for tables in parts:
        for name, table in tables.items():
            if held[name] and len(held[name][0]) > MAX_KEYS:
                continue
            held[name].append(table)
            if sum(map(len, held[name])) > MAX_KEYS // 2 + 2 * len(held[name][0]):
                held[name] = [_merge(held[name])]
    return {name: _merge(tables) for name, tables in held.items()}


def _merge(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Return the sum of tables; a key too many says that there are too many."""
    return pd.concat(tables).groupby(level=0).sum()[: MAX_KEYS + 1]


def mean_target(table: pd.DataFrame) -> np.float64:
    """Return the mean target of all rows, 0 when there are none."""
    return np.float64(table["sum"].sum() / max(table["count"].sum(), 1))


def target_rates(table: pd.DataFrame, prior: float, min_count: int = 1) -> pd.Series:
    """Return the mean target of keys with enough rows, drawn to the prior as by one more row."""
    table = table[table["count"] >= min_count]
    return (table["sum"] + prior) / (table["count"] + 1)


def look_up(keys: pd.Series, values: pd.Series, default: float) -> NDArray[Any]:
    """Return the value of each row's key, or the default where it is unknown; shape (rows,)."""
    is_categorical = isinstance(keys.dtype, pd.CategoricalDtype)
    places = values.index.get_indexer(keys.cat.categories if is_categorical else keys)
    found = np.append(values, default)[places]  # the default's place is -1
    return np.asarray(found[keys.cat.codes] if is_categorical else found, float)


def save_tables(tables: Tables, path: Path) -> None:
    """Write the tables as one CSV file; a key is a text, or the hash of a group."""
    parts = []
    for name, table in tables.items():
        column = "hash" if table.index.dtype == np.uint64 else "key"
        keys = {column: table.index.astype(str), "table": name}
        parts.append(table.reset_index(drop=True).assign(**keys))
    frame = pd.concat(parts) if parts else pd.DataFrame()
    frame.reindex(columns=list(TYPES)).to_csv(path, index=False, lineterminator="\n")


def load_tables(path: Path) -> dict[str, pd.DataFrame]:
    """Read what `save_tables` wrote, but for empty tables. Raises ValueError for anything else."""
    frame = pd.read_csv(path, dtype=TYPES, keep_default_na=False, na_values={"hash": [""]})
    if list(frame) != list(TYPES):
        raise ValueError(f"{path.name} has other columns")
    tables = {}
    for name, table in frame.groupby("table", sort=False):
        column, dtype = ("hash", np.uint64) if table["hash"].notna().all() else ("key", object)
        index = pd.Index(table[column].astype(dtype), name="key")
        tables[str(name)] = table[["count", "sum"]].set_index(index)
    return tables
