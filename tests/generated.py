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
