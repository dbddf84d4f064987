"""Read CSV and Parquet into DataFrames of checked rows: nothing else opens a data file."""

import csv
import gzip
import io
import zlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from container.errors import InputError
from container.schema import NUMBERS
from container.validation import check_rows, match_columns

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Parsed: TypeAlias = tuple[NDArray[np.intp], pd.DataFrame]
Content: TypeAlias = io.BufferedReader | gzip.GzipFile

BLOCK_BYTES = 2 * 2**20  # of CSV are parsed at once: more take more memory and no less time
MAX_RECORD_BYTES = 2**20
THREADS = 2  # parse CSV, mostly outside of Python's lock
COMMA, QUOTE, LINE_FEED, CARRIAGE_RETURN = b',"\n\r'
NA_VALUES = ["", "?", "NA", "N/A", "NaN", "nan", "null", "NULL", "None"]  # others: check_rows
SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}


def read_rows(source: Path | bytes, name: str = "", *, labelled: bool) -> pd.DataFrame:
    """Read a whole file, or its content: CSV or Parquet, possibly compressed by gzip.

    `name` is what error messages call it. The label is read when it is asked for. Raises
    InputError, which names the row that cannot be used, or says that there is none.
    """
    chunks = list(read_chunks(source, name, labelled=labelled))
    if not chunks:
        raise InputError(f"{name or source!s}: no rows", "give a header and at least one row")
    return pd.concat(chunks, ignore_index=True)


def read_chunks(source: Path | bytes, name: str = "", *, labelled: bool) -> Iterator[pd.DataFrame]:
    """Yield the rows in chunks; nothing for an empty file or a header alone. Raises InputError."""
    name, rows = name or str(source), 0
    try:
        with open_content(source) as content:
            read = _read_parquet if content.peek(4).startswith(b"PAR1") else _read_csv
            for cells in read(content, name, labelled):
                yield check_rows(cells, name, rows)
                rows += len(cells)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{name}: not a whole gzip file: {error}", "compress it again") from None
    except OSError as error:
        problem = f"{name}: cannot be read: {error.strerror or error}"
        raise InputError(problem, "name a file that can be read") from None
    except (UnicodeDecodeError, csv.Error, pd.errors.ParserError) as error:
        problem = f"{name}: not in UTF-8, or not CSV (after row {rows}): {error}"
        hint = "save it as UTF-8, end lines with LF or CRLF, and quote cells that hold quotes"
        raise InputError(problem, hint) from None


@contextmanager
def open_content(source: Path | bytes) -> Iterator[Content]:
    """Open a file, or its content, and decompress what gzip has compressed."""
    given: Any = io.BytesIO(source) if isinstance(source, bytes) else source.open("rb", 0)
    with io.BufferedReader(given) as file:
        yield gzip.GzipFile(fileobj=file) if file.peek(2).startswith(b"\x1f\x8b") else file


def _read_csv(content: Content, source: str, labelled: bool) -> Iterator[pd.DataFrame]:
    lines = iter(lambda: content.readline(MAX_RECORD_BYTES).decode("utf-8-sig"), "")
    if not (line := next(filter(str.strip, lines), "")):
        return
    for separator, name in SEPARATORS.items():
        if line.count(separator) > line.count(","):
            problem = f"{source}: the cells are separated by {name}, not by commas"
            raise InputError(problem, "save it with commas, as pandas.DataFrame.to_csv does")
    header = next(csv.reader([line]))
    columns, rows = match_columns(header, source, labelled), 0
    for cells, frame in _parse_ahead(_blocks(content, source), len(header), columns):
        if len(odd := np.flatnonzero(cells != len(header))):
            found, hint = cells[odd[0]], "an unknown cell is left empty, but keeps its comma"
            if found > len(header):
                hint = "quote the cells that contain commas, and double the quotes inside them"
            problem = f"row {rows + odd[0] + 1} has {found} cells, the header has {len(header)}"
            raise InputError(f"{source}: {problem}", hint)
        rows += len(cells)
        if len(frame) != len(cells):
            problem = f"{source}: a carriage return or a stray quote before row {rows}"
            raise InputError(problem, "end lines with LF or CRLF; quote cells that hold line ends")
        if len(frame):
            yield frame


def _blocks(content: Content, source: str) -> Iterator[bytes]:
    """Yield whole records, about BLOCK_BYTES of them: up to a line feed outside of quotes."""
    while block := content.read(BLOCK_BYTES):
        parts, quotes, size = [block], block.count(b'"'), 0
        while size <= MAX_RECORD_BYTES and (line := content.readline(MAX_RECORD_BYTES)):
            parts.append(line)
            quotes, size = quotes + line.count(b'"'), size + len(line)
            if quotes % 2 == 0 and line.endswith(b"\n"):
                break
        block = b"".join([*parts, b"\n"])  # the last line of a file may lack it
        if quotes % 2 or size > MAX_RECORD_BYTES:
            _check_quotes(block)
            problem = f"{source}: a quote is not closed, or a row has over {MAX_RECORD_BYTES} bytes"
            raise InputError(problem, "close every quote, and end every row with a line feed")
        yield block


def _parse_ahead(blocks: Iterator[bytes], width: int, columns: dict[str, int]) -> Iterator[Parsed]:
    """Yield what `_parse` makes of each block; two threads are ahead."""
    with ThreadPoolExecutor(THREADS) as threads:
        following: deque[Future[Parsed]] = deque()
        for block in blocks:
            following.append(threads.submit(_parse, block, width, columns))
            if len(following) == THREADS:
                yield following.popleft().result()
        yield from (parsed.result() for parsed in following)


def _parse(block: bytes, width: int, columns: dict[str, int]) -> Parsed:
    """Return the number of cells of each record, and the columns if no record is short or long.

    pandas would fill those up or cut them silently. What it does not take as numbers stays text.
    """
    cells = _count_cells(block)
    if not len(cells) or (cells != width).any():
        return cells, pd.DataFrame()
    places = dict(sorted((place, name) for name, place in columns.items()))
    options: Any = {"header": None, "names": [*places.values()], "usecols": [*places]}
    types = {name: float if name in NUMBERS else object for name in columns}
    filled: Any = {"keep_default_na": False, "na_values": NA_VALUES, "low_memory": False}
    try:
        return cells, pd.read_csv(io.BytesIO(block), dtype=types, **filled, **options)
    except ValueError:
        return cells, pd.read_csv(io.BytesIO(block), dtype=object, na_filter=False, **options)


def _count_cells(block: bytes) -> NDArray[np.intp]:
    """Return the number of cells of each record of CSV (RFC 4180) but for empty lines."""
    data = np.frombuffer(block, np.uint8)
    separators = (data == COMMA) | (data == LINE_FEED)
    if b'"' in block:
        _check_quotes(block)
        separators &= ~np.logical_xor.accumulate(data == QUOTE)  # after an odd number: quoted
    places = np.flatnonzero(separators)
    last = np.flatnonzero(data[places] == LINE_FEED)  # of those of a record
    ends = places[last]
    lengths = np.diff(ends, prepend=-1) - 1 - (data[ends - 1] == CARRIAGE_RETURN)
    return np.asarray(np.diff(last, prepend=-1)[lengths > 0])


def _check_quotes(block: bytes) -> None:
    """Raise csv.Error where quotes are not around a whole cell: pandas reads those otherwise."""
    around = np.frombuffer(b"\n" + block + b"\n", np.uint8)
    quotes = np.flatnonzero(around == QUOTE)
    for places, beside, allowed in ((quotes[::2], -1, b',\n"'), (quotes[1::2], 1, b',\r\n"')):
        for place in places[~np.isin(around[places + beside], list(allowed))][:1]:
            near = block[max(place - 21, 0) : place + 19].decode(errors="replace")
            raise csv.Error(f"a quote inside a cell that is not quoted, near {near!r}")


def _read_parquet(content: Any, source: str, labelled: bool) -> Iterator[pd.DataFrame]:
    import arro3.io  # costs nothing until then, unlike pyarrow, which pandas imports

    try:
        if content.seek(-4, io.SEEK_END) < 8 or content.read() != b"PAR1":
            raise EOFError("its end is missing")
        content.seek(0)
        for batch in arro3.io.read_parquet(content, batch_size=2**14):
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
    if name in NUMBERS and (DataType.is_numeric(kind) or DataType.is_boolean(kind)):
        column = column.cast(DataType.float64())
        return np.array(column.to_pylist() if column.null_count else column.to_numpy(), float)
    plain = not column.null_count and (DataType.is_integer(kind) or DataType.is_string(kind))
    return pd.Series(column.to_numpy() if plain else column.to_pylist(), dtype=object)
