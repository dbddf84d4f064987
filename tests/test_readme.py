"""The map of the README is true."""

import re

import pytest
from conftest import ROOT

TREE = re.search(
    r"## The tree\n.*?```text\n(.*?)```",
    (ROOT / "README.md").read_text(encoding="utf-8"),
    re.DOTALL,
)


@pytest.mark.parametrize("folder", ["pipeline", "container", "build"])
def test_the_tree_names_every_program(folder: str) -> None:
    assert TREE
    named = set(re.findall(r"[\w./-]+\.(?:py|yml|yaml)", TREE[1]))
    present = {
        path.name
        for path in (ROOT / folder).rglob("*.*")
        if path.suffix in (".py", ".yml", ".yaml") and path.name != "__init__.py"
    }
    assert present - named == set()


def test_the_tree_names_nothing_that_is_gone() -> None:
    assert TREE
    present = {path.name for path in ROOT.rglob("*") if ".venv" not in path.parts}
    assert set(re.findall(r"[\w-]+\.(?:py|yml|yaml)", TREE[1])) - present == set()
