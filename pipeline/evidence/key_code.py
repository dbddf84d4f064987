"""Quotes the code that matters from its files, with the lines on which it stands."""

import ast
import subprocess
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Quote:
    key: str  # what the page says about it
    path: str  # relative to the project
    first: int  # line, from 1
    last: int
    text: str  # its common indentation is left out


@dataclass(frozen=True)
class Commit:
    sha: str
    changed: bool  # files differ from it


# By name for Python (a function, or what is assigned to in it), else from one line to another.
NAMED = (
    ("code_estimator", "pipeline/definition.py", "build_estimator"),
    ("code_step", "pipeline/definition.py", "build_pipeline.train"),
    ("code_gate", "pipeline/definition.py", "build_pipeline.gate"),
    ("code_register", "pipeline/workflow/registration.py", "register_model"),
    ("code_fit", "container/train.py", "fit"),
    ("code_measure", "container/evaluation.py", "measure"),
)
BETWEEN = (
    ("code_image", "container/Dockerfile", "ENV PYTHONPATH", "ENTRYPOINT"),
    ("code_role", "build/infrastructure.yml", "              - Sid: FindTheData", "}/models/*"),
)


def quotes(root: Path = ROOT) -> list[Quote]:
    """Raises LookupError when what is to be quoted is no longer there."""
    named = [_named(root, key, path, name) for key, path, name in NAMED]
    return named + [_between(root, key, path, a, b) for key, path, a, b in BETWEEN]


def _named(root: Path, key: str, path: str, name: str) -> Quote:
    text = (root / path).read_text(encoding="utf-8")
    node: ast.AST = ast.parse(text)
    for part in name.split("."):
        found = next((each for each in _body(node) if part in _names(each)), None)
        if found is None:
            raise LookupError(f"{path} has no {name}")
        node = found
    assert isinstance(node, ast.stmt)  # noqa: S101 - what has a name here is a statement
    return _quote(key, path, text, node.lineno, node.end_lineno or node.lineno)


def _body(node: ast.AST) -> Iterable[ast.stmt]:
    body: Iterable[ast.stmt] = getattr(node, "body", ())
    return body


def _names(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    return []


def _between(root: Path, key: str, path: str, begin: str, end: str) -> Quote:
    text = (root / path).read_text(encoding="utf-8")
    lines = text.splitlines()
    first = next((n for n, line in enumerate(lines) if line.startswith(begin)), None)
    if first is None:
        raise LookupError(f"{path} has no line that begins with {begin!r}")
    last = next((n for n in range(first, len(lines)) if end in lines[n]), None)
    if last is None:
        raise LookupError(f"{path} has no {end!r} after line {first + 1}")
    return _quote(key, path, text, first + 1, last + 1)


def _quote(key: str, path: str, text: str, first: int, last: int) -> Quote:
    quoted = "\n".join(text.splitlines()[first - 1 : last]) + "\n"
    return Quote(key, path, first, last, textwrap.dedent(quoted))


def present_commit(root: Path = ROOT) -> Commit | None:
    """None where the project is not a git checkout, or there is no git."""
    top = _git(root, "rev-parse", "--show-toplevel")
    if top is None or Path(top).resolve() != root.resolve():
        return None
    sha = _git(root, "rev-parse", "HEAD")
    return Commit(sha, bool(_git(root, "status", "--porcelain"))) if sha else None


def _git(root: Path, *arguments: str) -> str | None:
    try:
        answer = subprocess.run(  # noqa: S603 - fixed arguments
            ["git", *arguments],  # noqa: S607 - found on PATH
            cwd=root,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None
