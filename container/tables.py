"""CSV and Parquet as Arrow tables."""

import io
from collections.abc import Iterator
from typing import BinaryIO

from container.errors import InputError

import arro3.core as arrow
import arro3.io

BATCH_ROWS = 32_768


def parquet_tables(content: BinaryIO, source: str) -> Iterator[arrow.RecordBatch]:
    try:
        yield from arro3.io.read_parquet(content, batch_size=BATCH_ROWS)
    except BaseException as error:  # what Rust calls a panic is no Exception
        if not isinstance(error, Exception) and type(error).__module__ != "pyo3_runtime":
            raise
        raise InputError(f"{source}: not a whole Parquet file: {error}", "write it again") from None


def csv_table(content: bytes, width: int, *, header: bool) -> arrow.RecordBatch | None:
    """All cells as texts; none when this is not CSV with `width` cells in every row."""
    fields = [arrow.Field(str(n), arrow.DataType.string()) for n in range(width)]
    rows = content.count(b"\n") + 1  # or more than there are: space is made for so many
    try:
        tables = [
            *arro3.io.read_csv(
                io.BytesIO(content), arrow.Schema(fields), has_header=header, batch_size=rows
            )
        ]
    except Exception:  # noqa: BLE001 - arro3 raises no other kind
        return None
    return tables[0] if len(tables) == 1 else None
