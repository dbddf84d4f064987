"""Execute the notebook, and write it with its outputs: `python -m pipeline.local_fit.page`.

The page is docs/local-fit.md; its pictures are in docs/local-fit/.
"""

import base64
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "notebooks" / "local_fit.ipynb"
PAGE = ROOT / "docs" / "local-fit.md"
PICTURES = PAGE.with_suffix("")
LINES = 16  # of a longer text: half of them its first, half its last

HEAD = """\
<!-- Written by `python -m pipeline.local_fit.page`: notebooks/local_fit.ipynb as it ran. -->
"""


def page(notebook: Any, pictures: Path) -> str:
    """Return an executed notebook in Markdown, and write its pictures."""
    return "\n\n".join([HEAD.strip(), *_parts(notebook, pictures)]) + "\n"


def _parts(notebook: Any, pictures: Path) -> Iterator[str]:
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            yield cell.source
        else:
            yield f"```python\n{cell.source}\n```"
            for output in cell.outputs:
                yield _output(output, pictures)


def _output(output: Any, pictures: Path) -> str:
    if output.output_type == "stream":
        return _text(output.text)
    if "image/png" in output.data:
        path = pictures / f"{len(list(pictures.iterdir())) + 1}.png"
        path.write_bytes(base64.b64decode(output.data["image/png"]))
        alt = output.metadata.get("image/png", {}).get("alt", "")
        return f"![{alt}]({pictures.name}/{path.name})"
    if "text/html" in output.data:
        return _table(output.data["text/html"])
    return _text(output.data["text/plain"])


def _table(html: str) -> str:
    """Return a table of pandas as a table of Markdown."""
    rows = re.findall(r"<tr.*?</tr>", html, re.DOTALL)
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in rows]
    lines = [f"| {' | '.join(row)} |" for row in cells]
    return "\n".join([lines[0], "| --- " * len(cells[0]) + "|", *lines[1:]])


def _text(text: str) -> str:
    text = re.sub("\x1b\\[[0-9;]*m", "", text)  # colours of a terminal
    lines = text.rstrip("\n").split("\n")
    if len(lines) > LINES:
        half = LINES // 2
        lines = [*lines[:half], f"... {len(lines) - LINES} lines ...", *lines[-half:]]
    return "\n".join(["```text", *lines, "```"])


def main() -> int:
    """Execute the notebook in a new kernel, write the page, and return the exit code."""
    notebook = nbformat.read(NOTEBOOK, as_version=nbformat.NO_CONVERT)  # type: ignore[no-untyped-call]
    NotebookClient(notebook, timeout=600, kernel_name="python3").execute()
    shutil.rmtree(PICTURES, ignore_errors=True)
    PICTURES.mkdir()
    PAGE.write_text(page(notebook, PICTURES), encoding="utf-8")
    print(PAGE)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
