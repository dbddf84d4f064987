"""Only container/schema.py and container/features.py know the columns of the data."""

import json
import re
from pathlib import Path

from container.schema import ALIASES, LABEL, NUMBERS, TEXTS

import pytest
from conftest import ROOT

KNOW_THEM = {Path("container/schema.py"), Path("container/features.py")}
SAID_OF_ANYTHING = {"name", "age"}  # columns whose names are also other words

COLUMNS = sorted({LABEL, *NUMBERS, *TEXTS, *ALIASES} - SAID_OF_ANYTHING)
WORDS = rf"\b(?:{'|'.join(map(re.escape, COLUMNS))}|passengers?|surviv\w+)\b"

FILES = sorted(
    path.relative_to(ROOT)
    for folder in ("container", "pipeline", "build", "local_aws")
    for path in (ROOT / folder).rglob("*")
    if path.suffix in {".py", ".yml", ".yaml"}
    and not {".venv", "tests"} & set(path.relative_to(ROOT).parts)
)


@pytest.mark.parametrize("path", [path for path in FILES if path not in KNOW_THEM], ids=str)
def test_no_other_file_names_a_column(path: Path) -> None:
    lines = enumerate((ROOT / path).read_text("utf-8").splitlines(), start=1)
    assert [f"{n}: {line}" for n, line in lines if re.search(WORDS, line, re.IGNORECASE)] == []


def test_no_cell_of_the_notebook_names_a_column() -> None:
    notebook = json.loads((ROOT / "notebooks" / "local_fit.ipynb").read_text("utf-8"))
    sources = ["".join(cell["source"]) for cell in notebook["cells"]]
    assert [text for text in sources if re.search(WORDS, text, re.IGNORECASE)] == []


def test_the_words_are_found_where_they_may_stand() -> None:
    for path in KNOW_THEM:
        assert re.search(WORDS, (ROOT / path).read_text("utf-8"), re.IGNORECASE)
