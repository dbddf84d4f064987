"""Reads passenger rows from CSV text and checks them. Standard library only.

The same reader serves the user's data file, the channels of a training job and the rows to be
scored. The columns may come in any order and case (Kaggle's `Pclass` is `pclass`); others are
ignored, above all `boat` and `body`, which were recorded after the sinking.
"""

import csv
import io
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from container.contract import parse_number
from container.errors import InputError

LABEL = "survived"
NUMBERS = ("pclass", "age", "sibsp", "parch", "fare")
TEXTS = ("name", "sex", "ticket", "cabin", "embarked")

MISSING = frozenset({"", "?", "na", "n/a", "<na>", "nan", "null", "none"})  # compared in lower case
LARGEST = 1e9
LINES_SHOWN = 10
SHOWN_CHARACTERS = 60

# A list. In a batch of many rows: of numbers an array of float64, of texts `container.texts.Texts`,
# of labels an array of int8.
Column: TypeAlias = Any
Record = tuple[int, list[str]]  # the line on which it begins (from 1), and its cells


class NoHeader(InputError):
    """The first line has none of the columns' names."""


@dataclass(frozen=True)
class Passengers:
    """Columns of equal length: floats (NaN where missing) and texts ("" where missing).

    `labels` holds a 0 or 1 for each row, or nothing when the rows were read without labels.
    """

    numbers: dict[str, Column] = field(default_factory=lambda: {name: [] for name in NUMBERS})
    texts: dict[str, Column] = field(default_factory=lambda: {name: [] for name in TEXTS})
    labels: Column = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.texts["name"])

    def extend(self, other: "Passengers") -> None:
        for name, numbers in other.numbers.items():
            self.numbers[name] = [*self.numbers[name], *numbers]
        for name, texts in other.texts.items():
            self.texts[name].extend(texts)
        self.labels.extend(map(int, other.labels))

    def take(self, rows: list[int]) -> "Passengers":
        """The rows with these indices, in this order."""
        return Passengers(
            {name: _take(column, rows) for name, column in self.numbers.items()},
            {name: _take(column, rows) for name, column in self.texts.items()},
            _take(self.labels, rows if len(self.labels) else []),
        )


def _take(column: Column, rows: list[int]) -> Column:
    return [column[row] for row in rows] if isinstance(column, list) else column.take(rows)


def read_passengers(content: bytes, source: str, *, labelled: bool) -> Passengers:
    """The rows of one CSV file with a header. `source` names it in error messages.

    Raises InputError, naming the file and the lines, for what is not UTF-8, has no header, lacks a
    column or a label, or holds a cell that is not what its column needs.
    """
    found = records(io.StringIO(decode(content, source), newline=""), source)
    passengers = passengers_of(header_of(found, source), found, source, labelled=labelled)
    if not len(passengers):
        raise InputError(f"{source}: a header but no rows", "give at least one row")
    return passengers


def header_of(found: Iterator[Record], source: str) -> list[str]:
    """The first of the records."""
    first = next(found, None)
    if first is None:
        raise InputError(f"{source}: the file is empty", "give a CSV file with a header and rows")
    return first[1]


def passengers_of(
    names: list[str],
    records: Iterable[Record],
    source: str,
    *,
    labelled: bool,
    unit: str = "line",
) -> Passengers:
    """The rows whose cells stand under `names`, whatever format they were written in.

    `unit` is what the number of a record counts. Raises InputError as `read_passengers` does.
    """
    positions, width = column_positions(names, source, labelled=labelled), len(names)
    place = f"{source}: {unit}"

    numbers: dict[str, list[float]] = {name: [] for name in NUMBERS}
    texts: dict[str, list[str]] = {name: [] for name in TEXTS}
    labels: list[int] = []
    bad_labels: dict[int, str] = {}
    for line, cells in records:
        if len(cells) != width:
            raise InputError(
                f"{place} {line} has {len(cells)} cells, the header has {width}",
                "quote the cells that contain commas or quotes",
            )
        for name in NUMBERS:
            numbers[name].append(_number(cells[positions[name]], name, place, line))
        for name in TEXTS:
            texts[name].append(clean(cells[positions[name]]))
        if labelled:
            cell = clean(cells[positions[LABEL]])
            if cell in ("0", "1"):
                labels.append(int(cell))
            else:
                bad_labels[line] = cell
    _refuse_labels(bad_labels, source)
    return Passengers({**numbers}, {**texts}, labels)


def canonical_rows(passengers: Passengers) -> list[tuple[str, ...]]:
    """Each row as texts: the label if there is one, then NUMBERS, then TEXTS.

    The same passenger gives the same texts, however the file it came from orders its columns and
    spells its numbers.
    """
    labels = [[str(label) for label in passengers.labels]] if len(passengers.labels) else []
    numbers = [[_number_text(v) for v in passengers.numbers[name]] for name in NUMBERS]
    texts = [passengers.texts[name] for name in TEXTS]
    return list(zip(*labels, *numbers, *texts, strict=True))


def write_passengers(passengers: Passengers) -> bytes:
    """The rows as CSV in their one canonical form, with a header."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([LABEL, *NUMBERS, *TEXTS] if len(passengers.labels) else [*NUMBERS, *TEXTS])
    writer.writerows(canonical_rows(passengers))
    return text.getvalue().encode()


def decode(content: bytes, source: str, first_line: int = 1) -> str:
    """UTF-8, with or without a byte order mark. `first_line` is that of the content in the file."""
    try:
        return content.decode("utf-8-sig" if first_line == 1 else "utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + first_line
        raise InputError(f"{source}: not UTF-8 (line {line})", "save the file as UTF-8") from None


def records(lines: Iterable[str], source: str, first_line: int = 1) -> Iterator[Record]:
    """What the csv module finds in lines that keep their ends; empty lines are left out."""
    reader = csv.reader(lines, strict=True)
    line = first_line
    try:
        for cells in reader:
            if cells:
                yield line, cells
            line = first_line + reader.line_num
    except csv.Error as error:
        raise InputError(
            f"{source}: line {line} is not CSV: {error}",
            "separate cells with commas and quote those that contain commas or quotes",
        ) from None


def column_positions(cells: list[str], source: str, *, labelled: bool) -> dict[str, int]:
    """Where the columns are under a header. Raises InputError when one is missing or twice."""
    header = [cell.strip().lower() for cell in cells]
    needed = ([LABEL] if labelled else []) + [*NUMBERS, *TEXTS]
    missing = [name for name in needed if name not in header]
    if len(missing) == len(needed):
        shown = ",".join(cells)[:SHOWN_CHARACTERS]
        raise NoHeader(
            f"{source}: no header: the first line is {shown!r}",
            f"begin the file with the column names: {', '.join(needed)}",
        )
    if missing:
        raise InputError(
            f"{source}: missing columns: {', '.join(missing)}",
            f"the columns needed, in any order and case, are {', '.join(needed)}",
        )
    twice = sorted({name for name in needed if header.count(name) > 1})
    if twice:
        raise InputError(
            f"{source}: columns given twice: {', '.join(twice)}", "keep one column of each name"
        )
    return {name: header.index(name) for name in needed}


def clean(cell: str) -> str:
    """Without white space around it, and with one blank for any white space within."""
    text = " ".join(cell.split())
    return "" if text.lower() in MISSING else text


def _number_text(number: float) -> str:
    return "" if math.isnan(number) else f"{number:.15g}"


def _number(cell: str, name: str, place: str, line: int) -> float:
    text = clean(cell)
    if not text:
        return math.nan
    try:
        number = float(parse_number(text))
    except ValueError:
        number = math.nan
    if not 0 <= number <= LARGEST:
        shown = text[:SHOWN_CHARACTERS]
        raise InputError(
            f"{place} {line}: {name} is {shown!r}, not a number from 0 to {LARGEST:g}",
            "correct the cell, or leave it empty when the value is unknown",
        )
    return number


def _refuse_labels(bad: dict[int, str], source: str) -> None:
    """`bad` maps the line of each row whose label is not 0 or 1 to what stands there."""
    for problem, lines in (
        ("no label", [line for line, cell in bad.items() if not cell]),
        ("a label that is not 0 or 1", [line for line, cell in bad.items() if cell]),
    ):
        if lines:
            shown = ", ".join(map(str, lines[:LINES_SHOWN]))
            more = f" and {len(lines) - LINES_SHOWN} more" if len(lines) > LINES_SHOWN else ""
            raise InputError(
                f"{source}: rows with {problem} in {LABEL}: {len(lines)} (line {shown}{more})",
                f"{LABEL} must be 0 or 1 in every row: correct or remove these",
            )
