"""Reads raw passenger rows from the body of a request: CSV, JSON lines or JSON.

JSON is read by the rules of CSV (`passengers.py`): every row names all columns, in any order and
case; null is an empty cell, a number is the cell that its digits would be. Standard library only.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from container.errors import InputError
from container.passengers import (
    NUMBERS,
    TEXTS,
    NoHeader,
    Passengers,
    decode,
    passengers_of,
    read_passengers,
)

SOURCE = "body"
COLUMNS = [*NUMBERS, *TEXTS]
ONE_OBJECT_A_LINE = "write one JSON object a line"

UNKNOWN_PASSENGER = passengers_of(COLUMNS, [(1, [""] * len(COLUMNS))], "none", labelled=False)


def read_csv(content: bytes) -> Passengers:
    try:
        return read_passengers(content, SOURCE, labelled=False)
    except NoHeader as error:
        raise InputError(
            str(error.args[0]),
            f"{error.hint}; batch transform with SplitType Line sends the header with the first"
            " part only: send application/jsonlines, or set SplitType to None",
        ) from None


def read_json_lines(content: bytes) -> Passengers:
    # Only \n ends a line: str.splitlines knows ten other characters that JSON allows in a text.
    lines = enumerate(decode(content, SOURCE).split("\n"), start=1)
    rows = (
        (line, _json(text, f"{SOURCE}: line {line} is not JSON", ONE_OBJECT_A_LINE))
        for line, text in lines
        if text.strip()
    )
    return _passengers(rows, "line")


def read_json(content: bytes) -> Passengers:
    """Of a list of rows, of `{"instances": [...]}`, or of one row."""
    document = _json(decode(content, SOURCE), f"{SOURCE}: not JSON", "write a list of JSON objects")
    if isinstance(document, dict):
        document = document.get("instances", [document])
    if not isinstance(document, list):
        raise InputError(f"{SOURCE}: no list of rows", "write a list of JSON objects")
    return _passengers(enumerate(document, start=1), "row")


READERS: Mapping[str, Callable[[bytes], Passengers]] = {
    "text/csv": read_csv,
    "application/jsonlines": read_json_lines,
    "application/x-jsonlines": read_json_lines,
    "application/json": read_json,
}


def _json(text: str, problem: str, hint: str) -> Any:
    """Names in lower case; a number stays the text that it was: `passengers.py` says what it is."""
    try:
        return json.loads(
            text, object_pairs_hook=_named, parse_float=str, parse_int=str, parse_constant=str
        )
    except ValueError as error:
        raise InputError(f"{problem}: {error}", hint) from None
    except RecursionError:
        raise InputError(f"{problem}: nested too deeply", hint) from None


def _named(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in pairs:
        name = key.strip().lower()
        if name in values and name in COLUMNS:
            raise ValueError(f"{name} is given twice")
        values[name] = value
    return values


def _passengers(rows: Iterable[tuple[int, Any]], unit: str) -> Passengers:
    records = ((number, _cells(row, f"{SOURCE}: {unit} {number}")) for number, row in rows)
    passengers = passengers_of(COLUMNS, records, SOURCE, labelled=False, unit=unit)
    if not len(passengers):
        raise InputError(f"{SOURCE}: no rows", "give at least one row")
    return passengers


def _cells(row: Any, place: str) -> list[str]:
    """In the order of COLUMNS."""
    if not isinstance(row, dict):
        raise InputError(
            f"{place} is not a JSON object", f"write a row as an object with {', '.join(COLUMNS)}"
        )
    missing = [name for name in COLUMNS if name not in row]
    if missing:
        raise InputError(
            f"{place}: missing columns: {', '.join(missing)}",
            f"name {', '.join(COLUMNS)} in every row, with null where the value is unknown",
        )
    return [_cell(row[name], name, place) for name in COLUMNS]


def _cell(value: Any, name: str, place: str) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    kind = {bool: "true or false", list: "a list", dict: "an object"}[type(value)]
    raise InputError(f"{place}: {name} is {kind}", "give a text, a number or null")
