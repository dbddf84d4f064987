"""Parquet as Arrow tables."""

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
