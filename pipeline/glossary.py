"""Print what the columns of the model mean: `python pipeline/glossary.py > docs/features.md`.

The meaning is the docstring of the function of `container/features.py` that makes a column.
"""

import inspect
import sys
from collections.abc import Iterable, Sequence
from types import FrameType
from typing import Any

try:
    from container import features
except ModuleNotFoundError as error:
    raise SystemExit(f"error: {error}\nhint: make .venv/ready, then use .venv/bin/python") from None

from container.contract import TRAIN_CHANNEL
from container.dataset import EncodedDataset
from container.reading import read_rows
from pipeline import cli
from pipeline.data import prepare
from pipeline.settings import load_settings

import pandas as pd

HEAD = """\
# The columns of the model

Of `{data_file}`. Written by `pipeline/glossary.py` from the docstrings of
[container/features.py](../container/features.py), in the order in which they are computed.
"""


def columns_by_function(rows: pd.DataFrame) -> dict[str, list[str]]:
    """Return the columns of the model under the public function of `features` that makes each.

    That is the function named like the column, or else the last one that returned it by name.
    """
    public = {name for name, _ in inspect.getmembers(features, inspect.isfunction)}
    made: dict[str, str] = {}

    def on_event(frame: FrameType, event: str, value: Any) -> None:
        code = frame.f_code
        if event == "return" and code.co_filename == features.__file__ and code.co_name in public:
            returned = value if isinstance(value, dict | pd.DataFrame) else [code.co_name]
            for column in map(str, returned):
                if code.co_name != "transform" or column not in made:
                    made[column] = code.co_name

    data = EncodedDataset(rows)
    encoded, _ = next(iter(data))
    tables = data.learn()
    sys.setprofile(on_event)
    try:
        columns = features.transform(encoded, tables)
    finally:
        sys.setprofile(None)
    functions = [made[str(column)] for column in columns]
    return {
        name: [str(column) for column, by in zip(columns, functions, strict=True) if by == name]
        for name in dict.fromkeys(functions)
    }


def glossary(rows: pd.DataFrame, data_file: str) -> str:
    """Return the page in Markdown."""
    parts = [HEAD.format(data_file=data_file)]
    for function, columns in columns_by_function(rows).items():
        names = ", ".join(f"`{column}`" for column in columns)
        parts.append(f"## {function}\n\n{names}\n\n{meaning(function)}\n")
    return "\n".join(parts)


def meaning(function: str) -> str:
    """Return the docstring of a function of `features`, as what its columns are."""
    text = inspect.getdoc(getattr(features, function)) or "No docstring."
    text = text.removeprefix("Return ")
    return text[0].upper() + text[1:]


def meanings(rows: pd.DataFrame, columns: Iterable[str]) -> pd.DataFrame:
    """Return the first sentence of the glossary on each column, as plain text for a table."""
    functions = {
        column: function for function, made in columns_by_function(rows).items() for column in made
    }
    texts = {name: meaning(functions[name]).partition("\n\n")[0] for name in columns}
    return pd.DataFrame(
        {"meaning": {name: " ".join(text.replace("`", "").split()) for name, text in texts.items()}}
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Print the glossary of the features as Markdown, and return the exit code."""
    arguments = cli.parser(__doc__).parse_args(argv)

    def command() -> int:
        settings = load_settings(arguments.config)
        rows = read_rows(prepare(settings).channels[TRAIN_CHANNEL], TRAIN_CHANNEL, labelled=True)
        print(glossary(rows, settings.data_file.name), end="")
        return cli.SUCCEEDED

    return cli.run(command, arguments.config)


if __name__ == "__main__":
    raise SystemExit(main())
