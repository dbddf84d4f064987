"""Passengers from large tables, column by column, by the rules of `passengers.py`."""

from collections.abc import Iterator, Mapping
from typing import BinaryIO, Protocol

from container.arrow import floats, is_numeric, parsed, strings
from container.csv_blocks import Block
from container.csv_cells import Cells, cells_of
from container.errors import InputError
from container.passengers import (
    LABEL,
    LARGEST,
    NUMBERS,
    SHOWN_CHARACTERS,
    TEXTS,
    NoHeader,
    Passengers,
    clean,
    column_positions,
)
from container.tables import parquet_tables
from container.texts import Places, Texts, odd_bytes

import arro3.core as arrow
import numpy as np
from numpy.typing import NDArray


class OddCell(Exception):
    """A cell that is not what its column needs."""

    def __init__(self, row: int, problem: str) -> None:
        super().__init__(problem)
        self.row = row


class Column(Protocol):
    numeric: bool  # else its cells are texts

    def floats(self) -> tuple[NDArray[np.float64], Places]:
        """Numbers, NaN where there is none, and the rows with a text that is no number."""

    def texts(self) -> Texts: ...

    def stored(self, row: int) -> object: ...


def passengers_of_csv(
    block: Block, positions: Mapping[str, int], width: int, *, header: bool
) -> Passengers | None:
    """The rows of a block, after its header if it has one; none when not all of it is plain."""
    cells = cells_of(block, width, header=header)
    if cells is None:
        return None
    odd = cells.odd()
    try:
        return _passengers(
            {name: _CsvColumn(cells, position, odd) for name, position in positions.items()}
        )
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
            passengers = _passengers(
                {name: _ArrowColumn(table.column(n)) for name, n in positions.items()}
            )
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


class _CsvColumn:
    numeric = False

    def __init__(self, cells: Cells, position: int, odd: Places) -> None:
        self._data, self._odd = cells.data, odd
        self._starts = cells.starts[:, position].astype(np.intp)
        self._ends = cells.ends[:, position].astype(np.intp)

    def floats(self) -> tuple[NDArray[np.float64], Places]:
        return parsed(self._data, self._starts, self._ends)

    def texts(self) -> Texts:
        return Texts.cleaned(self._data, self._starts, self._ends, self._odd, doubled_quotes=True)

    def stored(self, row: int) -> str:
        return self._data[self._starts[row] : self._ends[row]].tobytes().decode()


class _ArrowColumn:
    def __init__(self, column: arrow.Array) -> None:
        self._column = column
        self.numeric = is_numeric(column)

    def floats(self) -> tuple[NDArray[np.float64], Places]:
        return floats(self._column)

    def texts(self) -> Texts:
        data, starts, ends = strings(self._column)
        return Texts.cleaned(data, starts, ends, odd_bytes(data))

    def stored(self, row: int) -> object:
        return self._column[row].as_py()


def _passengers(columns: Mapping[str, Column]) -> Passengers:
    """Raises OddCell for the first cell that is not what its column needs."""
    return Passengers(
        {name: _numbers(columns[name], name) for name in NUMBERS},
        {name: columns[name].texts() for name in TEXTS},
        _labels(columns[LABEL]) if LABEL in columns else [],
    )


def _numbers(column: Column, name: str) -> NDArray[np.float64]:
    values, unread = column.floats()
    odd = np.flatnonzero((values < 0) | (values > LARGEST))
    if not len(odd) and len(unread):
        odd = unread[column.texts().filled()[unread]]
    if len(odd):
        row = int(odd[0])
        text = clean(str(column.stored(row)))[:SHOWN_CHARACTERS]
        raise OddCell(row, f"{name} is {text!r}, not a number from 0 to {LARGEST:g}")
    return values + 0.0  # makes 0 of -0, as the csv module's reader does


def _labels(column: Column) -> NDArray[np.int8]:
    """Raises OddCell for what is not 0 or 1; a text must be just that digit."""
    labels = column.floats()[0] if column.numeric else _digits(column.texts())
    odd = np.flatnonzero((labels != 0) & (labels != 1))
    if len(odd):
        row = int(odd[0])
        raise OddCell(row, f"{LABEL} is {column.stored(row)!r}, not 0 or 1")
    return labels.astype(np.int8)


def _digits(texts: Texts) -> NDArray[np.float64]:
    """0 or 1, and something else for another text."""
    digits = texts.words(0).astype(np.float64) - ord("0")
    for row, text in texts.others.items():
        digits[row] = int(text) if text in ("0", "1") else np.nan
    return digits
