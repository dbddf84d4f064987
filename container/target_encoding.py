"""Target encoding: what was learned of the rows that share a key, kept as sums.

A table has a row for each key, a category's text or a group's hash, and two columns: `count`, how
many rows have the key, and `sum`, the total of the target over them. Tables of parts of the data add
up to the table of the whole, so chunks and hosts may come in any order.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from container.cluster import SINGLE_HOST, Cluster

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

Tables: TypeAlias = Mapping[str, pd.DataFrame]

MAX_KEYS = 250_000  # a table with more is left empty, so that memory does not grow with the rows
NO_KEY = np.uint64(0)  # the hash of nothing: such rows share no group


def hash_keys(*columns: pd.Series) -> NDArray[np.uint64]:
    """Return a hash of what each row has in some columns, the same on every machine.

    NO_KEY where one of them is missing: an empty text, NaN, or NO_KEY itself.
    """
    keys = pd.util.hash_pandas_object(pd.concat(columns, axis=1), index=False, categorize=False)
    missing = [each.isna() | (each == ("" if each.dtype == object else 0)) for each in columns]
    return np.where(np.logical_or.reduce(missing), NO_KEY, keys)


def sums_by_key(keys: ArrayLike, target: ArrayLike) -> pd.DataFrame:
    """Return the table of some rows, one key and one target each.

    Rows without key (NO_KEY) or without target (NaN) are left out.
    """
    frame = pd.DataFrame({"key": keys, "target": np.asarray(target, float)})
    known = frame["target"].notna()
    if frame["key"].dtype == np.uint64:
        known &= frame["key"] != NO_KEY
    table = frame[known].groupby("key", observed=True)["target"].agg(["count", "sum"])
    if isinstance(table.index, pd.CategoricalIndex):
        table.index = table.index.astype(object)
    return table


class TableSums:
    """Adds up the tables of chunks, and those of hosts."""

    def __init__(self) -> None:
        self._parts: dict[str, list[pd.DataFrame]] = {}
        self._full: set[str] = set()

    def add(self, tables: Tables) -> None:
        """Add the tables of a chunk, or of a host."""
        for name, table in tables.items():
            parts = self._parts.setdefault(name, [table.iloc[:0]])
            if name not in self._full:
                parts.append(table)
                if sum(map(len, parts[1:])) > MAX_KEYS // 2 + len(parts[0]):
                    self._merge(name)

    def total(self, cluster: Cluster = SINGLE_HOST) -> dict[str, pd.DataFrame]:
        """Return the tables of all chunks of all hosts; those with too many keys are empty."""
        for name in self._parts:
            self._merge(name)
        if cluster.size > 1:
            own = {name: parts[0] for name, parts in self._parts.items()}, self._full
            for host, (tables, full) in enumerate(cluster.allgather(own)):
                self._full |= full
                if host != cluster.rank:
                    self.add(tables)
            for name in self._parts:
                self._merge(name)
        for name in sorted(self._full):
            print(f"{name}: more than {MAX_KEYS} keys, left out", flush=True)
        return {name: parts[0] for name, parts in self._parts.items()}

    def _merge(self, name: str) -> None:
        merged = pd.concat(self._parts[name]).groupby(level=0).sum()
        if len(merged) > MAX_KEYS:
            self._full.add(name)
        self._parts[name] = [merged.iloc[:0] if name in self._full else merged]


def target_rates(table: pd.DataFrame, prior: float, min_count: int = 1) -> pd.Series:
    """Return the mean target by key, drawn to the prior as by one more row that has it.

    Keys with fewer rows than `min_count` are left out.
    """
    table = table[table["count"] >= min_count]
    return (table["sum"] + prior) / (table["count"] + 1)


def look_up(keys: pd.Series, values: pd.Series, default: float) -> NDArray[np.float64]:
    """Return the value of each row's key, or the default where it is unknown; shape (rows,)."""
    if isinstance(keys.dtype, pd.CategoricalDtype):
        by_category = values.reindex(keys.cat.categories).fillna(default).to_numpy(float)
        return by_category[keys.cat.codes.to_numpy()]
    return values.reindex(keys).fillna(default).to_numpy(float)


def save_tables(tables: Tables, path: Path) -> None:
    """Write the tables as one CSV file; a key is a text or the hash of a group."""
    parts = []
    for name, table in tables.items():
        hashed = table.index.dtype == np.uint64
        keys = table.index.astype(str).where(table.index != "", "")
        columns = {"table": name, "key": "" if hashed else keys, "hash": keys if hashed else ""}
        parts.append(table.reset_index(drop=True).assign(**columns))
    columns = ["table", "key", "hash", "count", "sum"]
    pd.concat(parts)[columns].to_csv(path, index=False, lineterminator="\n")


def load_tables(path: Path) -> dict[str, pd.DataFrame]:
    """Read what `save_tables` wrote. Raises ValueError when it is something else."""
    types = {"table": str, "key": str, "hash": "UInt64", "count": int, "sum": float}
    frame = pd.read_csv(path, dtype=types, keep_default_na=False, na_values={"hash": [""]})
    if list(frame) != list(types):
        raise ValueError(f"{path.name} has other columns")
    tables = {}
    for name, table in frame.groupby("table", sort=False):
        hashed = table["hash"].notna().all()
        index = table["hash"].astype(np.uint64) if hashed else table["key"].astype(object)
        tables[name] = table[["count", "sum"]].set_index(pd.Index(index, name="key"))
    return tables
