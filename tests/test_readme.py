"""The map of the README is true."""

import re
from pathlib import Path

import pytest
from conftest import ROOT

TREE = re.search(
    r"## The tree\n.*?```text\n(.*?)```",
    (ROOT / "README.md").read_text(encoding="utf-8"),
    re.DOTALL,
)

IGNORED = {"tests", "build"}  # below a folder: what the map leaves out, and what pip leaves behind


def mapped_paths() -> set[Path]:
    """Of the entries of the tree: their indentation says in which folder they are."""
    assert TREE
    paths = set()
    folder = [Path()]  # at each depth
    for indentation, name in re.findall(r"^((?:  )*)([\w./-]+)(?=  |$)", TREE[1], re.MULTILINE):
        depth = len(indentation) // 2
        if depth >= len(folder):  # no entry: the description above goes on
            continue
        path = folder[depth] / name
        folder[depth + 1 :] = [path] if name.endswith("/") else []
        paths.add(path)
    return paths


@pytest.mark.parametrize("folder", ["pipeline", "container", "build", "local_aws"])
def test_the_tree_has_every_program_in_its_folder(folder: str) -> None:
    present = {
        path.relative_to(ROOT)
        for path in (ROOT / folder).rglob("*.py")
        if path.name != "__init__.py" and not IGNORED & set(path.relative_to(ROOT).parts[1:])
    }
    mapped = {path for path in mapped_paths() if path.parts[0] == folder and path.suffix == ".py"}
    assert mapped == present


@pytest.mark.parametrize("folder", ["pipeline", "container", "build", "local_aws"])
def test_the_tree_names_every_yaml_file(folder: str) -> None:
    assert TREE
    present = {path.name for path in (ROOT / folder).rglob("*.y*ml")}
    assert present - set(re.findall(r"[\w.-]+\.ya?ml", TREE[1])) == set()


def test_the_tree_names_nothing_that_is_gone() -> None:
    assert TREE
    present = {path.name for path in ROOT.rglob("*") if ".venv" not in path.parts}
    assert set(re.findall(r"[\w-]+\.(?:py|yml|yaml)", TREE[1])) - present == set()
    assert [path for path in mapped_paths() if not (ROOT / path).exists()] == []
