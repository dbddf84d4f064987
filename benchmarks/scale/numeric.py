"""The image's program for rows of 28 numbers, as docs/own-data.md makes it for other data.

`write_program` copies container/ and replaces the two modules that know the data. The copy is
run as the original is: `python -m container train`.
"""

import shutil
from pathlib import Path

CONTAINER = Path(__file__).parent.parent.parent / "container"

SCHEMA = """
LABEL = "label"
NUMBERS = {f"f{n}": Number(-1e6, 1e6) for n in range(28)}
TEXTS: dict[str, Text] = {}
ALIASES: dict[str, str] = {}
"""

FEATURES = '''"""The numbers themselves are the features."""

import numpy as np

TREES_SHARE = 1  # trees alone, as those that it is compared with


def encode(rows):
    return rows.drop(columns="label", errors="ignore").astype(np.float32)


def statistics(rows, labels):
    return {}


def transform(rows, tables, labels=None):
    return rows


def hidden_in_copy(columns):
    return []
'''


def write_program(folder: Path) -> None:
    """Write the package `container` for 28 numbers into a folder."""
    target = folder / "container"
    shutil.copytree(CONTAINER, target, ignore=shutil.ignore_patterns("__pycache__"))
    types, _, _ = (CONTAINER / "schema.py").read_text(encoding="utf-8").partition("\nLABEL = ")
    (target / "schema.py").write_text(types + SCHEMA, encoding="utf-8")
    (target / "features.py").write_text(FEATURES, encoding="utf-8")
