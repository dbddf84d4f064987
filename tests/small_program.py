"""The program over other data: modules of `container/` as they are, over a schema and features of
the tests' own. What is tested with it holds for any data set.
"""

import importlib
import sys
from types import ModuleType
from typing import Any

import container

import numpy as np
import pandas as pd
import small_features
import small_schema

REPLACED = {"schema": small_schema, "features": small_features}
OVER_THEM = ("validation", "reading", "channel", "dataset", "artifact", "evaluation", "train")


def _load() -> dict[str, ModuleType]:
    """Import those modules once more, as they are when the two are replaced."""
    names = (*REPLACED, *OVER_THEM)
    of_project = {name: importlib.import_module(f"container.{name}") for name in names}
    for name in names:
        del sys.modules[f"container.{name}"]
    try:
        for name, module in REPLACED.items():
            sys.modules[f"container.{name}"] = module
            setattr(container, name, module)
        return {name: importlib.import_module(f"container.{name}") for name in OVER_THEM}
    finally:
        for name, module in of_project.items():
            sys.modules[f"container.{name}"] = module
            setattr(container, name, module)


_modules: dict[str, Any] = dict(_load())
validation, reading, channel = (_modules[name] for name in ("validation", "reading", "channel"))
dataset, artifact, train = (_modules[name] for name in ("dataset", "artifact", "train"))
evaluation = _modules["evaluation"]


def make_rows(count: int, seed: int = 0) -> pd.DataFrame:
    """Checked rows whose label the columns tell to a part."""
    random = np.random.default_rng(seed)
    size = random.normal(size=count).round(3)
    note = random.integers(0, max(count // 4, 1), count)
    label = (size + note % 2 + random.normal(size=count) > 0.5).astype(np.int8)
    columns = {
        "bought": label,
        "size": np.where(random.random(count) < 0.1, np.nan, size),
        "count": random.integers(0, 10, count).astype(float),
        "kind": pd.Series(
            np.where(random.random(count) < 0.3 + 0.4 * label, "A", "B"), dtype=object
        ),
        "note": pd.Series([f"note {n}" if n else "" for n in note], dtype=object),
    }
    return pd.DataFrame(columns)
