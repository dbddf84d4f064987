"""Reads passengers from CSV and Parquet files, batch after batch, in memory that does not grow.

A small CSV file is read by the csv module (`passengers.py`), so that Arrow need not be loaded. Of a
large one, numpy finds the cells of what is plain. A block with anything else in it is left to the
csv module too, which names the line of what it cannot use: both read the same from the same file.
"""

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from container.csv_blocks import BLOCK_BYTES, Block, blocks
from container.data_file import is_parquet, opened
from container.errors import InputError
from container.passengers import (
    Passengers,
    column_positions,
    decode,
    header_of,
    passengers_of,
    read_passengers,
    records,
)

SMALL_BYTES = 2**20
BATCH_ROWS = 32_768

Rows = Passengers | Iterable[Passengers]  # an Iterable that can be walked again and again


def batches(rows: Rows) -> Iterator[Passengers]:
    """Rows that are together are one batch."""
    return iter([rows]) if isinstance(rows, Passengers) else iter(rows)


def read_batches(
    path: Path, *, labelled: bool, small: int = SMALL_BYTES, block: int = BLOCK_BYTES
) -> Iterator[Passengers]:
    """The rows of one file; at least one. Raises InputError as `read_passengers` does.

    CSV of less than `small` bytes is read at once, larger files in blocks of about `block` bytes.
    """
    with opened(path) as content:
        if is_parquet(content):
            yield from _parquet(content, str(path), labelled=labelled)
            return
        start = content.read(small)
        if len(start) < small:
            yield read_passengers(start, str(path), labelled=labelled)
            return
        content.seek(0)
        yield from _csv(blocks(content, block), str(path), labelled=labelled)


def _csv(found_blocks: Iterator[Block], source: str, *, labelled: bool) -> Iterator[Passengers]:
    from container.passenger_tables import passengers_of_csv

    names: list[str] = []
    rows = 0
    for block in found_blocks:
        found = _records(block, source)
        first = not names
        if first:
            names = header_of(found, source)
            positions = column_positions(names, source, labelled=labelled)
        passengers = passengers_of_csv(block, positions, len(names), header=first)
        if passengers:
            rows += len(passengers)
            yield passengers
            continue
        while some := list(itertools.islice(found, BATCH_ROWS)):
            rows += len(some)
            yield passengers_of(names, some, source, labelled=labelled)
    if not names:
        header_of(iter(()), source)
    if not rows:
        raise InputError(f"{source}: a header but no rows", "give at least one row")


def _records(block: Block, source: str) -> Iterator[tuple[int, list[str]]]:
    lines = (decode(line, source, n) for n, line in enumerate(block.lines(), block.first_line))
    return records(lines, source, block.first_line)


def _parquet(content: BinaryIO, source: str, *, labelled: bool) -> Iterator[Passengers]:
    from container.passenger_tables import passengers_of_parquet

    rows = 0
    for passengers in passengers_of_parquet(content, source, labelled=labelled):
        rows += len(passengers)
        yield passengers
    if not rows:
        raise InputError(f"{source}: no rows", "give at least one row")
