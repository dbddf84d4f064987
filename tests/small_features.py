"""Features for the schema of the tests (see small_program)."""

from container.target_encoding import Tables, hash_keys, look_up, sums_by_key, target_rates

import numpy as np
import pandas as pd
import small_schema

TREES_SHARE = 0.5


def encode(rows: pd.DataFrame) -> pd.DataFrame:
    columns = {name: rows[name].astype(np.float32) for name in small_schema.NUMBERS}
    columns["kind"] = pd.Categorical(rows["kind"])
    return pd.DataFrame({**columns, "note": hash_keys(rows["note"])})


def statistics(rows: pd.DataFrame, labels: np.ndarray) -> dict[str, pd.DataFrame]:
    return {name: sums_by_key(rows[name], labels) for name in ("kind", "note")}


def transform(rows: pd.DataFrame, tables: Tables, labels: np.ndarray | None = None) -> pd.DataFrame:
    notes = tables.get("note", sums_by_key([], []))
    count, bought = (look_up(rows["note"], notes[name], 0) for name in ("count", "sum"))
    if labels is not None:
        known = (rows["note"] != 0).to_numpy()
        count, bought = count - known, bought - known * labels
    rate = np.where(count > 0, (bought + 0.5) / (count + 1), np.nan)
    kind = look_up(rows["kind"], target_rates(tables["kind"], 0.5), 0.5)
    return pd.DataFrame({"size": rows["size"], "count": rows["count"], "kind": kind, "note": rate})


def hidden_in_copy(_columns: pd.DataFrame) -> list[str]:
    return ["note"]
