"""Generated files: a test finds a stale one, and `make regenerate` writes all of them anew."""

import os
import re
from pathlib import Path


def assert_current(path: Path, text: str) -> None:
    """Fail unless the file holds `text`. With REGENERATE in the environment, write it first."""
    if "REGENERATE" in os.environ:
        path.write_text(text, encoding="utf-8")
    current = path.read_text(encoding="utf-8")
    assert current == text, f"{path.name} is stale: `make regenerate` writes it anew"


def assert_section_current(path: Path, name: str, text: str) -> None:
    """Do the same for the lines between `<!-- NAME -->` and `<!-- /NAME -->` of a page."""
    page = path.read_text(encoding="utf-8")
    section = re.compile(f"(<!-- {name} -->\n).*(<!-- /{name} -->)", re.DOTALL)
    assert section.search(page), f"{path.name} has no section {name}"
    assert_current(path, section.sub(lambda match: match[1] + text + match[2], page))


# What differs between two runs of the same program.
OF_A_RUN = (
    (r"(runs/|execution/|execution |pipelines-)[a-z0-9]{12}", r"\1ID"),
    (r"(?<=-)[0-9a-f]{10}(?= )|(?<=-)[0-9a-f]{10}\b", "HASH"),
    (r"sha256:[0-9a-f]{12,64}|\b[0-9a-f]{16}\b", "HASH"),
    (r"127\.0\.0\.1:\d+", "HOST"),
    (r"\d\d:\d\d:\d\d", "TIME"),
    (r"\b\d+ (s|MiB)\b", r"N \1"),
    (r"about [\d.]+ USD", "about N USD"),
    (r"(titanic-pipeline/|version )\d+", r"\1N"),
    (r"since \S+", "since TIME"),
)


def assert_sample_current(path: Path, name: str, text: str) -> None:
    """Do the same for a sample of output, but for the ids, times and hosts of a run."""
    fenced = f"```text\n{text}\n```\n"
    page = path.read_text(encoding="utf-8")
    found = re.search(f"<!-- {name} -->\n(.*?)<!-- /{name} -->", page, re.DOTALL)
    assert found, f"{path.name} has no section {name}"
    old, new = _without_ids(found[1]), _without_ids(fenced)
    if "REGENERATE" not in os.environ:  # an id or a time may break a line elsewhere
        old, new = " ".join(old.split()), " ".join(new.split())
    if old != new:
        assert_section_current(path, name, fenced)


def _without_ids(text: str) -> str:
    for pattern, replacement in OF_A_RUN:
        text = re.sub(pattern, replacement, text)
    return text
