"""Quote marked parts of the project's files: from `# docs: NAME` to `# docs: end`."""

import textwrap
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from pipeline.git import git

ROOT = Path(__file__).parents[2]
MARK, END = "# docs: ", "# docs: end"
FILES = {  # name of the mark -> file
    "dockerfile": "container/Dockerfile",
    "estimator": "pipeline/workflow/estimator.py",
    "fit": "pipeline/definition.py",
    "save": "container/train.py",
}


@dataclass(frozen=True)
class Snippet:
    """Lines of a file, without their common indentation; None when the marks are missing."""

    path: str
    lines: str  # as in "12-30, 41-44"
    text: str | None


@dataclass(frozen=True)
class Commit:
    """The commit of this checkout, and its remote `origin` where it has one."""

    sha: str
    changed: bool  # files differ from it
    origin: str | None


def read_snippets(root: Path = ROOT) -> dict[str, Snippet]:
    """Return the marked parts by name; several parts of one name are joined by a line of dots."""
    return {name: _read(root, path, name) for name, path in FILES.items()}


def _read(root: Path, path: str, name: str) -> Snippet:
    try:
        lines = (root / path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return Snippet(path, "", None)
    quoted: list[str] = []
    numbers: list[str] = []
    begin = None
    for number, line in enumerate(lines, 1):
        if line.strip() == MARK + name:
            begin = number + 1
        elif line.strip() == END and begin is not None:
            part = lines[begin - 1 : number - 1]
            if quoted and part:
                quoted.append(part[0][: len(part[0]) - len(part[0].lstrip())] + "# ...")
            quoted += part
            numbers.append(f"{begin}-{number - 1}")
            begin = None
    text = textwrap.dedent("\n".join(quoted)) if quoted and begin is None else None
    return Snippet(path, ", ".join(numbers), text)


def present_commit(root: Path = ROOT) -> Commit | None:
    """Return the commit of this checkout; None outside of one, or without git."""
    top = git(root, "rev-parse", "--show-toplevel")
    if top is None or Path(top).resolve() != root.resolve():
        return None
    sha = git(root, "rev-parse", "HEAD")
    if sha is None:
        return None
    changed = bool(git(root, "status", "--porcelain"))
    return Commit(sha, changed, _public(git(root, "remote", "get-url", "origin")))


def _public(url: str | None) -> str | None:
    """Return a URL without the user and password that it may hold."""
    if url is None or "://" not in url:
        return url
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
