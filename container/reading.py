"""Read CSV and Parquet into DataFrames of checked rows (see `validation.check_rows`).

The data file, the channels of a training job, those in S3 and the rows to score all come here.
"""

import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, cast

from container.errors import InputError
from container.schema import NUMBERS
from container.validation import check_rows, match_columns

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Block: TypeAlias = tuple[bytes, NDArray[np.intp]]  # whole records, and the cells of each

BLOCK_BYTES = 2 * 2**20  # of CSV are parsed at once: more take more memory and no less time
BATCH_ROWS = 16_384  # of Parquet
MAX_RECORD_BYTES = 2**20
NA_VALUES = ["", "?", "NA", "N/A", "NaN", "nan", "null", "NULL", "None"]  # others: check_rows
SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}


def read_rows(source: Path | bytes, name: str = "", *, labelled: bool) -> pd.DataFrame:
    """Read a whole file, or its content: CSV or Parquet, possibly compressed by gzip.

    `name` is what error messages call it. The label is read when it is asked for. Raises
    InputError, which names the row that cannot be used, or says that there is none.
    """
    chunks = list(read_chunks(source, name, labelled=labelled))
    if chunks:
        return pd.concat(chunks, ignore_index=True)
    raise InputError(f"{name or str(source)}: no rows", "give a header and at least one row")


def read_chunks(source: Path | bytes, name: str = "", *, labelled: bool) -> Iterator[pd.DataFrame]:
    """Yield the rows in chunks; nothing for an empty file or a header alone. Raises InputError."""
    name = name or str(source)
    with _opened(source, name) as content:
        if content.read(1):
            content.seek(0)
            yield from _read(content, name, labelled=labelled)


@contextmanager
def _opened(source: Path | bytes, name: str) -> Iterator[BinaryIO]:
    try:
        with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
            compressed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            yield cast(BinaryIO, gzip.GzipFile(fileobj=file)) if compressed else file
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{name}: not a whole gzip file: {error}", "compress it again") from None
    except OSError as error:
        problem = f"{name}: cannot be read: {error.strerror or error}"
        raise InputError(problem, "name a file that can be read") from None


def _read(content: BinaryIO, source: str, *, labelled: bool) -> Iterator[pd.DataFrame]:
    read = _read_parquet if content.read(4) == b"PAR1" else _read_csv
    content.seek(0)
    rows = 0
    try:
        for cells in read(content, source, labelled):
            yield check_rows(cells, source, rows)
            rows += len(cells)
    except (UnicodeDecodeError, csv.Error, pd.errors.ParserError) as error:
        problem = f"{source}: not in UTF-8, or not CSV (after row {rows}): {error}"
        raise InputError(problem, "save it as UTF-8, and quote cells that hold quotes") from None


def _read_csv(content: BinaryIO, source: str, labelled: bool) -> Iterator[pd.DataFrame]:
    line = content.readline(MAX_RECORD_BYTES).decode("utf-8-sig").rstrip("\r\n")
    for separator, name in SEPARATORS.items():
        if line.count(separator) > line.count(","):
            problem = f"{source}: the cells are separated by {name}, not by commas"
            raise InputError(problem, "save it with commas, as pandas.DataFrame.to_csv does")
    header = next(csv.reader([line]), [""])
    columns = match_columns(header, source, labelled)
    rows = 0
    for block, cells in _prefetched(_blocks(content, source)):
        if len(odd := np.flatnonzero(cells != len(header))):
            found, hint = cells[odd[0]], "an unknown cell is left empty, but keeps its comma"
            if found > len(header):
                hint = "quote the cells that contain commas, and double the quotes inside them"
            problem = f"row {rows + odd[0] + 1} has {found} cells, the header has {len(header)}"
            raise InputError(f"{source}: {problem}", hint)
        frame = _parse(block, len(header), columns)
        rows += len(cells)
        if len(frame) != len(cells):
            problem = f"{source}: a carriage return or a stray quote before row {rows}"
            raise InputError(problem, "end lines with LF or CRLF; quote cells that hold line ends")
        yield frame


def _parse(block: bytes, width: int, columns: dict[str, int]) -> pd.DataFrame:
    """Parse whole records; numbers that pandas does not take as such stay texts."""
    at = {place: name for name, place in columns.items()}
    names = [at.get(place, str(place)) for place in range(width)]
    options: Any = {"header": None, "names": names, "usecols": list(columns)}
    types = {name: float if name in NUMBERS else object for name in columns}
    filled: Any = {"keep_default_na": False, "na_values": NA_VALUES, "low_memory": False}
    try:
        return pd.read_csv(io.BytesIO(block), dtype=types, **filled, **options)
    except ValueError:
        return pd.read_csv(io.BytesIO(block), dtype=object, na_filter=False, **options)


def _prefetched(blocks: Iterator[Block]) -> Iterator[Block]:
    """Yield blocks, each made in a second thread while the one before is used."""
    with ThreadPoolExecutor(1) as thread:
        following = thread.submit(next, blocks, None)
        while block := following.result():
            following = thread.submit(next, blocks, None)
            yield block


def _blocks(content: BinaryIO, source: str) -> Iterator[Block]:
    """Yield blocks; pandas fills short rows up and cuts long ones silently, hence the counts."""
    rest, end = b"", False
    while not end:
        block = content.read(BLOCK_BYTES)
        end = not block
        block = rest + (block or (b"\n" if rest.strip() else b""))
        ends, cells = _count_cells(block)
        size = int(ends[-1]) + 1 if len(ends) else 0
        rest = block[size:]
        if len(rest) > MAX_RECORD_BYTES or (end and rest.strip()):
            problem = f"{source}: a quote is not closed, or a row has over {MAX_RECORD_BYTES} bytes"
            raise InputError(problem, "close every quote, and end every row with a line feed")
        if len(cells):
            yield block[:size], cells


def _count_cells(block: bytes) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return where the records of CSV end, and how many cells each has, but for empty lines.

    A comma or a line feed counts where an even number of quotes precedes it (RFC 4180). Raises
    csv.Error where quotes are not around a whole cell: pandas would not read what is counted.
    """
    data = np.frombuffer(block, np.uint8)
    quotes = data == ord('"')
    around = np.frombuffer(b"\n" + block + b"\n", np.uint8)
    for first, beside, allowed in ((0, 0, b',\n"'), (1, 2, b',\r\n"')):
        places = np.flatnonzero(quotes)[first::2]  # the opening ones, then the closing ones
        stray = places[~np.isin(around[places + beside], list(allowed))]
        for place in stray[:1]:
            near = block[max(place - 20, 0) : place + 20].decode(errors="replace")
            raise csv.Error(f"a quote inside a cell that is not quoted, near {near!r}")
    outside = ~np.logical_xor.accumulate(quotes) if quotes.any() else True
    ends = np.flatnonzero((data == ord("\n")) & outside)
    commas = np.flatnonzero((data == ord(",")) & outside)
    cells = np.diff(np.searchsorted(commas, ends), prepend=0) + 1
    lengths = np.diff(ends, prepend=-1) - 1 - (data[ends - 1] == ord("\r"))
    return ends, cells[lengths > 0]


def _read_parquet(content: BinaryIO, source: str, labelled: bool) -> Iterator[pd.DataFrame]:
    import arro3.io  # costs nothing until then, unlike pyarrow, which pandas imports

    try:
        content.seek(-4, io.SEEK_END)
        if content.read() != b"PAR1":
            raise EOFError("its end is missing")
        content.seek(0)
        for batch in arro3.io.read_parquet(content, batch_size=BATCH_ROWS):
            columns = match_columns(batch.column_names, source, labelled)
            cells = {n: _cells(batch.column(at), n, source) for n, at in columns.items()}
            yield pd.DataFrame(cells)
    except (InputError, GeneratorExit, UnicodeDecodeError):
        raise
    except BaseException as error:  # a panic of the Rust library is no Exception
        if not isinstance(error, Exception) and type(error).__module__ != "pyo3_runtime":
            raise
        raise InputError(f"{source}: not a whole Parquet file: {error}", "write it again") from None


def _cells(column: Any, name: str, source: str) -> Any:
    """Return a column of Arrow as numbers (NaN for null) or objects (None for null)."""
    from arro3.core import DataType

    kind = column.type
    if DataType.is_nested(kind):
        problem = f"{source}: {name} is of type {str(kind).strip()}"
        raise InputError(problem, "write the column as numbers or texts")
    numeric = DataType.is_numeric(kind) or DataType.is_boolean(kind)
    if name in NUMBERS and numeric:
        column = column.cast(DataType.float64())
        return np.array(column.to_pylist() if column.null_count else column.to_numpy(), float)
    plain = not column.null_count and (numeric or DataType.is_string(kind))
    return pd.Series(column.to_numpy() if plain else column.to_pylist(), dtype=object)
