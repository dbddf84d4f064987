"""The blocks of a Markdown page that Notion imports as they are."""

import re
from collections.abc import Sequence


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def code(text: str, language: str) -> str:
    longest = max((len(run) for run in re.findall("`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{text.strip(chr(10))}\n{fence}"


def literal(text: object) -> str:
    """Shown as it is, in one line."""
    return f"`{' '.join(str(text).replace('`', chr(39)).split())}`"


def picture(title: str, file: str) -> str:
    return f"![{title}]({file})"
