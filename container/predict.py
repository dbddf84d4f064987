"""Score raw rows with the artifact alone: `python -m container.predict MODEL_DIR < rows.csv`.

The model server reads and writes with the same functions, so both give the same digits.
"""

import argparse
import json
import signal
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from container.artifact import Artifact
from container.errors import InputError
from container.evaluation import DECISION_THRESHOLD
from container.reading import read_rows
from container.schema import LABEL, NUMBERS, TEXTS
from container.validation import check_rows, column_name

import pandas as pd

COLUMNS = [*NUMBERS, *TEXTS]


def read_csv(content: bytes) -> pd.DataFrame:
    """Read rows from CSV with a header."""
    return read_rows(content, "body", labelled=False)


def read_json_lines(content: bytes) -> pd.DataFrame:
    """Read a JSON object a line. Only a line feed ends a line."""
    lines = enumerate(_decode(content).split("\n"), start=1)
    return _to_rows([_parse(text, f"line {n} is not JSON") for n, text in lines if text.strip()])


def read_json(content: bytes) -> pd.DataFrame:
    """Read a list of objects, `{"instances": [...]}`, or one object."""
    document = _parse(_decode(content), "not JSON")
    if isinstance(document, dict):
        document = document.get("instances", [document])
    if not isinstance(document, list):
        raise InputError("body: no list of rows", "write a list of JSON objects")
    return _to_rows(document)


def probability_text(probability: float) -> str:
    """Return nine significant digits: any two float32 differ in them."""
    return f"{probability:.9g}"


def write_csv(probabilities: Iterable[float]) -> str:
    """Write a probability a line, without a header, as batch transform joins it to a row."""
    return "".join(f"{probability_text(each)}\n" for each in probabilities)


def write_json_lines(probabilities: Iterable[float]) -> str:
    """Write an object a line."""
    return "".join(f'{{"probability": {probability_text(each)}}}\n' for each in probabilities)


def write_json(probabilities: Iterable[float]) -> str:
    """Write one document."""
    predictions = ", ".join(write_json_lines(probabilities).splitlines())
    return f'{{"predictions": [{predictions}]}}\n'


FORMS = {
    "text/csv": (read_csv, write_csv),
    "application/jsonlines": (read_json_lines, write_json_lines),
    "application/x-jsonlines": (read_json_lines, write_json_lines),
    "application/json": (read_json, write_json),
}
READERS = {media_type: read for media_type, (read, _) in FORMS.items()}
WRITERS = {media_type: write for media_type, (_, write) in FORMS.items()}


def _decode(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"body: not UTF-8 (byte {error.start})", "send UTF-8") from None


# Numbers stay the text that they were. One decoder for all rows: to make one takes longer than to
# parse a row.
DECODER = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str)


def _parse(text: str, problem: str) -> Any:
    try:
        document = DECODER.decode(text)
        if "\\u" in text:
            json.dumps(document, ensure_ascii=False).encode()  # refuses half a surrogate pair
    except (ValueError, RecursionError) as error:
        raise InputError(f"body: {problem}: {error}", "write JSON objects") from None
    return document


def _to_rows(objects: list[Any]) -> pd.DataFrame:
    """Check rows given as objects, each of which names every column; null is an empty cell."""
    hint = f"name {', '.join(COLUMNS)} in every row, with null where the value is unknown"
    rows = []
    for number, given in enumerate(objects, start=1):
        place = f"body: row {number}"
        if not isinstance(given, dict):
            raise InputError(f"{place} is not a JSON object", hint)
        row = {column_name(key): value for key, value in given.items()}
        if missing := [name for name in COLUMNS if name not in row]:
            raise InputError(f"{place}: missing columns: {', '.join(missing)}", hint)
        for name in COLUMNS:
            if isinstance(row[name], bool | list | dict):
                kind = type(row[name]).__name__
                raise InputError(f"{place}: {name} is a {kind}", "give a text, a number or null")
        rows.append(row)
    if not rows:
        raise InputError("body: no rows", "give at least one row")
    return check_rows(pd.DataFrame(rows, columns=COLUMNS, dtype=object), "body")


def main(argv: Sequence[str] | None = None) -> int:
    """Score standard input, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m container.predict", description=__doc__)
    parser.add_argument("model_dir", type=Path, help="where model.tar.gz was unpacked")
    arguments = parser.parse_args(argv)
    try:
        artifact = Artifact.load(arguments.model_dir)
        with open(0, "rb", closefd=False) as standard_input:
            rows = read_rows(standard_input.read(), "standard input", labelled=False)
        probabilities = artifact.score(rows).tolist()
        with open(1, "w", closefd=False) as output:
            print(f"probability,{LABEL}", file=output)
            for p in probabilities:
                print(f"{probability_text(p)},{int(p >= DECISION_THRESHOLD)}", file=output)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        problem = f"standard input or output: {error.strerror}"
        print(f"error: {problem}\nhint: read from and write to a file", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head` ends it quietly
    raise SystemExit(main())
