"""README.md and docs/: links lead somewhere, and the tables of files are generated."""

import ast
import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest
from conftest import ROOT
from generated import assert_section_current

FOLDERS_OF_PAGES = (".", "docs", "benchmarks", "local_aws", "pipeline/titanic")
PAGES = [page for folder in FOLDERS_OF_PAGES for page in sorted((ROOT / folder).glob("*.md"))]
FOLDERS = ("pipeline", "container", "build")
NOT_SOURCE = {"tests", "build", "__pycache__"}  # below a folder: tests, and what pip leaves behind


def modules(folder: str) -> Iterator[Path]:
    for path in sorted((ROOT / folder).rglob("*.py"), key=lambda path: (path.parent, path.name)):
        inner = path.relative_to(ROOT / folder).parts[:-1]
        if not path.name.startswith("__") and not NOT_SOURCE & set(inner):
            yield path


def purpose(path: Path) -> str:
    """Return the first paragraph of the docstring of a module, without its last period."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(docstring.partition("\n\n")[0].split()).removesuffix(".").replace("|", "\\|")


@pytest.mark.generated
def test_the_tables_of_files_are_those_of_the_docstrings() -> None:
    lines = []
    for parent, paths in groupby((p for f in FOLDERS for p in modules(f)), lambda p: p.parent):
        lines += ["", f"### {parent.relative_to(ROOT)}/", "", "| file | purpose |", "| --- | --- |"]
        lines += [f"| `{path.name}` | {purpose(path)} |" for path in paths]
    packages = sorted((ROOT / "local_aws").glob("*/**/__init__.py"))
    lines += ["", "### local_aws/", "", "| folder | purpose |", "| --- | --- |"]
    lines += [
        f"| `{path.parent.relative_to(ROOT / 'local_aws')}/` | {purpose(path)} |"
        for path in packages
        if not NOT_SOURCE & set(path.parts[len(ROOT.parts) :])
    ]
    assert_section_current(ROOT / "docs" / "architecture.md", "files", "\n".join([*lines, "", ""]))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if re.match(r"https?://", target):
            continue
        name, _, anchor = target.partition("#")
        path = page.parent / name if name else page
        if not path.exists() or (anchor and anchor not in anchors(path)):
            broken.append(target)
    assert broken == []


def anchors(page: Path) -> set[str]:
    """Return the anchors of the headings of a page, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_readme_is_short() -> None:
    """It is to be read in one go; the rest has its own pages."""
    for name in ("README.md", "README.ko.md"):
        path = ROOT / name
        if path.exists():
            assert len(path.read_text(encoding="utf-8").splitlines()) <= 220
