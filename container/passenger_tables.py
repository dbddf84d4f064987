"""Passengers from an Arrow table, column by column, by the rules of `passengers.py`."""

import functools
import itertools
from collections.abc import Iterator, Mapping
from typing import BinaryIO

from container.arrow import floats, texts
from container.csv_blocks import Block
from container.errors import InputError
from container.passengers import (
    LABEL,
    LARGEST,
    MISSING,
    NUMBERS,
    SHOWN_CHARACTERS,
    TEXTS,
    NoHeader,
    Passengers,
    clean,
    column_positions,
)
from container.tables import csv_table, parquet_tables

import arro3.core as arrow
import numpy as np
from numpy.typing import NDArray

LONGEST_MISSING = max(map(len, MISSING))

_clean = functools.lru_cache(1024)(clean)


class OddCell(Exception):
    """A cell that is not what its column needs."""

    def __init__(self, row: int, problem: str) -> None:
        super().__init__(problem)
        self.row = row


def passengers_of_csv(
    block: Block, positions: Mapping[str, int], width: int, *, header: bool
) -> Passengers | None:
    """The rows of a block, after its header if it has one; none when not all of it is plain."""
    table = None if block.rest else csv_table(block.content, width, header=header)
    try:
        return _passengers(table, positions) if table else None
    except OddCell:
        return None


def passengers_of_parquet(
    content: BinaryIO, source: str, *, labelled: bool
) -> Iterator[Passengers]:
    """Batches. Raises InputError naming row and column of what cannot be used."""
    rows = 0
    for table in parquet_tables(content, source):
        try:
            positions = column_positions(table.column_names, source, labelled=labelled)
            passengers = _passengers(table, positions)
        except NoHeader as error:
            shown = ", ".join(table.column_names)[:SHOWN_CHARACTERS]
            raise InputError(f"{source}: its columns are others: {shown}", error.hint) from None
        except OddCell as odd:
            raise InputError(
                f"{source}: row {rows + odd.row + 1}: {odd}",
                "correct the cell, or leave it null when the value is unknown",
            ) from None
        rows += len(passengers)
        yield passengers


def _passengers(table: arrow.RecordBatch, positions: Mapping[str, int]) -> Passengers:
    """Raises OddCell for the first cell that is not what its column needs."""
    columns = {name: table.column(position) for name, position in positions.items()}
    return Passengers(
        {name: _numbers(columns[name], name) for name in NUMBERS},
        {name: _texts(columns[name]) for name in TEXTS},
        _labels(columns[LABEL]) if LABEL in columns else [],
    )


def _numbers(column: arrow.Array, name: str) -> NDArray[np.float64]:
    values, unread = floats(column)
    outside = np.flatnonzero((values < 0) | (values > LARGEST))
    for row in itertools.chain(outside.tolist(), unread.tolist()):
        text = clean(str(column[row].as_py()))
        if text:
            allowed = f"not a number from 0 to {LARGEST:g}"
            raise OddCell(row, f"{name} is {text[:SHOWN_CHARACTERS]!r}, {allowed}")
    return values + 0.0  # makes 0 of -0, as the csv module's reader does


def _texts(column: arrow.Array) -> list[str]:
    return texts(column, _clean, LONGEST_MISSING)


def _labels(column: arrow.Array) -> list[int]:
    """Raises OddCell for what is not 0 or 1; a text must be just that digit."""
    values, _ = floats(column)
    if arrow.DataType.is_numeric(column.type) or arrow.DataType.is_boolean(column.type):
        odd = np.flatnonzero((values != 0) & (values != 1))
    else:
        cells = _texts(column)
        odd = np.array([row for row, cell in enumerate(cells) if cell not in ("0", "1")], np.int64)
    if len(odd):
        row = int(odd[0])
        raise OddCell(row, f"{LABEL} is {column[row].as_py()!r}, not 0 or 1")
    return [int(value) for value in values.tolist()]
