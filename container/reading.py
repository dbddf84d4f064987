"""Read CSV and Parquet into DataFrames of checked rows. pandas is the only reader of CSV.

Every reader of the project ends in `check_rows`: the data file, the channels of a training job, the
channels in S3 and the rows to score all obey `schema.py` alike. A DataFrame of rows has the label
(int8, when it was asked for), then NUMBERS (float64, NaN where missing), then TEXTS (str, "" where
missing).
"""

import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from container.errors import InputError
from container.schema import ALIASES, LABEL, NUMBERS, TEXTS
from container.validation import SHOWN_CHARACTERS, check_rows

import numpy as np
import pandas as pd
from numpy.typing import NDArray

BLOCK_BYTES = 4 * 2**20  # of CSV are parsed at once
BATCH_ROWS = 32_768  # of Parquet
MAX_RECORD_BYTES = 2**20
NA_VALUES = ["", "?", "NA", "N/A", "NaN", "nan", "null", "NULL", "None"]  # others: check_rows
SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}


def read_rows(source: Path | bytes, name: str = "", *, labelled: bool) -> pd.DataFrame:
    """Read one whole file, or its content.

    Args:
        source: Path or bytes of CSV or Parquet, either of them possibly compressed by gzip.
        name: What error messages call it; the path by default.
        labelled: Whether the label is needed; without, it is not read.

    Returns:
        The rows, as the module describes them; at least one.

    Raises:
        InputError: Names the file and the row that cannot be used, or says that there is none.
    """
    name = name or str(source)
    with _opened(source, name) as content:
        chunks = list(_read(content, name, labelled=labelled))
    if not chunks:
        raise InputError(f"{name}: a header but no rows", "give at least one row")
    return pd.concat(chunks, ignore_index=True)


def read_chunks(path: Path, *, labelled: bool) -> Iterator[pd.DataFrame]:
    """Yield the rows of a file in chunks, so that memory does not grow with the file.

    An empty file, or one of a header alone, yields nothing. Raises InputError as `read_rows` does.
    """
    with _opened(path, str(path)) as content:
        if content.read(1):
            content.seek(0)
            yield from _read(content, str(path), labelled=labelled)


@contextmanager
def _opened(source: Path | bytes, name: str) -> Iterator[BinaryIO]:
    """Open a file or its content, decompressed when it begins as gzip does."""
    try:
        with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
            compressed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            if compressed:
                with gzip.GzipFile(fileobj=file) as content:
                    yield cast(BinaryIO, content)
            else:
                yield file
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{name}: not a whole gzip file: {error}", "compress it again") from None
    except OSError as error:
        raise InputError(
            f"{name}: cannot be read: {error.strerror or error}", "make the file readable"
        ) from None


def _read(content: BinaryIO, source: str, *, labelled: bool) -> Iterator[pd.DataFrame]:
    is_parquet = content.read(4) == b"PAR1"
    content.seek(0)
    read = _read_parquet if is_parquet else _read_csv
    return read(content, source, labelled=labelled)


def match_columns(header: list[str], source: str, *, labelled: bool) -> dict[int, str]:
    """Find the columns of the schema in a header.

    Returns:
        The schema's name by position, in the schema's order.

    Raises:
        InputError: Columns are missing or given twice.
    """
    names = [ALIASES.get(name, name) for name in (cell.strip().lower() for cell in header)]
    needed = [*([LABEL] if labelled else []), *NUMBERS, *TEXTS]
    missing = [name for name in needed if name not in names]
    wanted = f"the columns needed, in any order and case, are {', '.join(needed)}"
    if len(missing) == len(needed):
        shown = ",".join(header)[:SHOWN_CHARACTERS]
        raise InputError(f"{source}: no header: the first line is {shown!r}", wanted)
    if missing:
        raise InputError(f"{source}: missing columns: {', '.join(missing)}", wanted)
    twice = sorted({name for name in needed if names.count(name) > 1})
    if twice:
        raise InputError(f"{source}: columns given twice: {', '.join(twice)}", "keep one of each")
    return {names.index(name): name for name in needed}


def _read_csv(content: BinaryIO, source: str, *, labelled: bool) -> Iterator[pd.DataFrame]:
    line = content.readline(MAX_RECORD_BYTES)
    try:
        text = line.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        raise InputError(f"{source}: not UTF-8 (first line)", "save the file as UTF-8") from None
    for separator, name in SEPARATORS.items():
        if text.count(separator) > text.count(","):
            raise InputError(
                f"{source}: the cells are separated by {name}, not by commas",
                "save the file with commas, as pandas.DataFrame.to_csv does by default",
            )
    header = next(csv.reader([text]), [])
    if not header:
        raise InputError(f"{source}: the first line is empty", "begin with the column names")
    columns = match_columns(header, source, labelled=labelled)
    rows = 0
    for block, cells in _blocks(content, source):
        odd = np.flatnonzero(cells != len(header))
        if len(odd):
            few = cells[odd[0]] < len(header)
            raise InputError(
                f"{source}: row {rows + odd[0] + 1} has {cells[odd[0]]} cells, the header has "
                f"{len(header)}",
                "an unknown cell is left empty, but keeps its comma"
                if few
                else "quote the cells that contain commas, and double the quotes inside them",
            )
        try:
            chunk = _parse(block, header, columns)
        except UnicodeDecodeError:
            row = next(n for n, each in enumerate(block.split(b"\n"), rows + 1) if not _utf8(each))
            raise InputError(f"{source}: not UTF-8 (near row {row})", "save it as UTF-8") from None
        except pd.errors.ParserError as error:
            raise InputError(f"{source}: not CSV: {error}", "quote cells with commas") from None
        if len(chunk) != len(cells):
            raise InputError(
                f"{source}: a carriage return ends no row (after row {rows})",
                "end the lines with LF or CRLF, and quote cells that hold line ends",
            )
        yield check_rows(chunk, source, rows)
        rows += len(chunk)


def _parse(block: bytes, header: list[str], columns: dict[int, str]) -> pd.DataFrame:
    """Parse whole records; numbers that pandas does not take at once stay texts."""
    names = [columns.get(place, str(place)) for place in range(len(header))]
    options = {"header": None, "names": names, "usecols": list(columns.values())}
    options |= {"keep_default_na": False, "engine": "c", "low_memory": False}
    types = {name: float if name in NUMBERS else object for name in columns.values()}
    try:
        na_values = dict.fromkeys(NUMBERS, NA_VALUES)
        return pd.read_csv(io.BytesIO(block), dtype=types, na_values=na_values, **options)
    except UnicodeDecodeError:
        raise
    except ValueError:
        return pd.read_csv(io.BytesIO(block), dtype=object, na_filter=False, **options)


def _blocks(content: BinaryIO, source: str) -> Iterator[tuple[bytes, NDArray[np.intp]]]:
    """Yield blocks of whole records, and the number of cells of each record in them.

    pandas fills short rows up and cuts long ones without a word, hence the count: a comma or a line
    feed counts where an even number of quotes precedes it (RFC 4180). Empty lines are no records.
    """
    rest = b""
    while block := content.read(BLOCK_BYTES):
        block = rest + block
        ends, cells = _count_cells(block)
        size = int(ends[-1]) + 1 if len(ends) else 0
        rest = block[size:]
        if len(rest) > MAX_RECORD_BYTES:
            raise InputError(
                f"{source}: a row of more than {MAX_RECORD_BYTES:,} bytes",
                "close every quote, and end every row with a line feed",
            )
        if size:
            yield block[:size], cells
    if rest.strip():
        ends, cells = _count_cells(rest + b"\n")
        if not len(ends):
            raise InputError(f"{source}: a quote is not closed", "close it")
        yield rest, cells


def _count_cells(block: bytes) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return where records end, and how many cells each of them has; empty lines are left out."""
    data = np.frombuffer(block, np.uint8)
    outside = ~np.logical_xor.accumulate(data == ord('"'))
    ends = np.flatnonzero((data == ord("\n")) & outside)
    commas = np.flatnonzero((data == ord(",")) & outside)
    cells = np.diff(np.searchsorted(commas, ends), prepend=0) + 1
    lengths = np.diff(ends, prepend=-1) - 1
    blank = (lengths == 0) | ((lengths == 1) & (data[ends - 1] == ord("\r")))
    return ends, cells[~blank]


def _utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _read_parquet(content: BinaryIO, source: str, *, labelled: bool) -> Iterator[pd.DataFrame]:
    """Read Parquet through arro3, which costs nothing until it is imported here."""
    import arro3.io

    rows = 0
    try:
        for batch in arro3.io.read_parquet(content, batch_size=BATCH_ROWS):
            columns = match_columns(batch.column_names, source, labelled=labelled)
            cells = {name: _cells(batch.column(place), name) for place, name in columns.items()}
            yield check_rows(pd.DataFrame(cells), source, rows)
            rows += batch.num_rows
    except InputError:
        raise
    except BaseException as error:  # a panic of the Rust library is no Exception
        if not isinstance(error, Exception) and type(error).__module__ != "pyo3_runtime":
            raise
        raise InputError(f"{source}: not a whole Parquet file: {error}", "write it again") from None


def _cells(column: Any, name: str) -> Any:
    """Return a column of Arrow as numbers (NaN for null) or objects (None for null)."""
    from arro3.core import DataType

    kind = column.type
    if DataType.is_nested(kind):
        raise InputError(f"{name} is of type {kind}", "write the column as numbers or texts")
    if name in NUMBERS and (DataType.is_numeric(kind) or DataType.is_boolean(kind)):
        column = column.cast(DataType.float64())
        if not column.null_count:
            return column.to_numpy()
        return np.array(column.to_pylist(), float)
    return pd.Series(column.to_pylist(), dtype=object)
