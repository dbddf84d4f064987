"""Local AWS stands alone: it imports nothing of the project that it came from, and no SDK."""

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parent.parent
FORBIDDEN = {"pipeline", "container", "sagemaker"}


def imported(path: Path) -> Iterator[str]:
    """The top-level names of all imports of a file, wherever they stand in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (each.name.partition(".")[0] for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield (node.module or "").partition(".")[0]


def test_it_imports_neither_the_project_nor_the_sdk() -> None:
    files = [
        path for path in PACKAGE.rglob("*.py") if "build" not in path.relative_to(PACKAGE).parts
    ]
    found = {str(path): set(imported(path)) & FORBIDDEN for path in files}
    assert len(found) > 40
    assert {path: names for path, names in found.items() if names} == {}
