"""Rows between the files and XGBoost: encoded once, learned from, then made into its matrices.

Neither the encoded rows nor the matrix need memory that grows with the files: what is more than a
few MiB lies in temporary files, and XGBoost's own copy (about two bytes a cell) moves to disk when
the limit of the process asks for it (`ExtMemQuantileDMatrix`).
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, BinaryIO, cast

from container import features
from container.channel import Rows, chunks
from container.cluster import SINGLE_HOST, Cluster
from container.errors import InputError
from container.hardware import MIB, Memory, ensure_free_space, memory_limit, rss_mib
from container.schema import LABEL
from container.target_encoding import Tables, TableSums

import numpy as np
import pandas as pd
import xgboost as xgb
from numpy.typing import DTypeLike, NDArray

IN_MEMORY_BYTES = 4 * MIB  # of a row buffer
PAGE_ROWS = 2**15
MAX_CATEGORIES = 2**16  # of a column; further ones count as unknown
HIDDEN_WEIGHT = 0.5  # of the copy of a training row in which `features.hidden_in_copy` are hidden
SAMPLE_ROWS = 2**16  # of more rows than twice that, every n-th says where the bins end
ROWS_FOR_THREADS = 10_000  # with fewer, threads wait for each other longer than they work

# What XGBoost holds in memory for each cell and each row, and what a page takes on disk, in bytes:
# measured, see benchmarks/README.md.
BYTES_PER_CELL = 2
BYTES_PER_MISSING_CELL = 13  # of a matrix in which cells are missing
BYTES_PER_ROW = 60
CACHED_BYTES_PER_CELL = 20


class RowBuffer:
    """Records of one numpy dtype, appended once and read often; on disk when they are many."""

    def __init__(self, dtype: DTypeLike) -> None:
        self.dtype = np.dtype(dtype)
        self.rows = 0
        self._file = cast(BinaryIO, tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES))

    def append(self, records: NDArray[Any]) -> None:
        """Write records at the end. Raises InputError when the disk is full."""
        try:
            self._file.write(np.ascontiguousarray(records).data.cast("B"))
        except OSError as error:
            raise InputError(
                f"{tempfile.gettempdir()}: {self.rows} rows are written, the next are not: "
                f"{error.strerror}",
                "train with a larger volume (VolumeSizeInGB), or less data",
            ) from None
        self.rows += len(records)

    def pages(self, page_rows: int = PAGE_ROWS, step: int = 1) -> Iterator[NDArray[Any]]:
        """Yield all records, or every one in `step`, some at a time."""
        self._file.seek(0)
        for start in range(0, self.rows, page_rows * step):
            page = np.empty(min(page_rows * step, self.rows - start), self.dtype)
            self._file.readinto(page.data.cast("B"))  # type: ignore[attr-defined]
            yield page[::step]


class EncodedDataset:
    """The rows of a channel, or this host's share of them, as `features.encode` left them."""

    def __init__(self, rows: Rows) -> None:
        self._categories: dict[str, dict[str, int]] = {}
        self._buffer: RowBuffer | None = None
        self.tables = TableSums()
        for chunk in chunks(rows):
            encoded, labels = features.encode(chunk), chunk[LABEL].to_numpy()
            self.tables.add(features.statistics(encoded, labels))
            self._append(encoded.assign(**{LABEL: labels}))

    @property
    def rows(self) -> int:
        """Return how many rows there are."""
        return self._buffer.rows if self._buffer else 0

    def __iter__(self) -> Iterator[tuple[pd.DataFrame, NDArray[np.int8]]]:
        """Yield pages: encoded rows and their labels."""
        for records in self._buffer.pages() if self._buffer else ():
            columns: dict[str, Any] = {name: records[name] for name in self._buffer.dtype.names}
            for name, known in self._categories.items():
                columns[name] = pd.Categorical.from_codes(columns[name], list(known))
            labels = columns.pop(LABEL)
            yield pd.DataFrame(columns), labels

    def _append(self, frame: pd.DataFrame) -> None:
        columns = {}
        for name, column in frame.items():
            columns[name] = column.to_numpy()
            if isinstance(column.dtype, pd.CategoricalDtype):
                known = self._categories.setdefault(name, {"": 0})
                for value in column.cat.categories[: MAX_CATEGORIES - len(known)]:
                    known.setdefault(value, len(known))
                codes = np.array([known.get(value, 0) for value in column.cat.categories], np.int32)
                columns[name] = codes[column.cat.codes]
        dtype = [(name, values.dtype) for name, values in columns.items()]
        self._buffer = self._buffer or RowBuffer(dtype)
        records = np.empty(len(frame), dtype)
        for name, values in columns.items():
            records[name] = values
        self._buffer.append(records)


class Matrix:
    """The columns that the model sees, with label and weight, as XGBoost reads them."""

    def __init__(self, data: EncodedDataset, tables: Tables, *, training: bool) -> None:
        self.columns: list[str] = []
        self.missing = False
        for rows, labels in data:
            frame = features.transform(rows, tables, labels if training else None)
            if not self.columns:
                self.columns = list(frame)
                hidden = [self.columns.index(name) for name in features.hidden_in_copy(frame)]
                self.buffer = RowBuffer((np.float32, (len(self.columns) + 2,)))
            records = np.ones((len(frame), len(self.columns) + 2), np.float32)
            records[:, :-2] = frame.to_numpy(np.float32)
            records[:, -2] = labels
            if training and hidden:
                copies = records[~np.isnan(records[:, hidden]).all(axis=1)]
                copies[:, hidden] = np.nan
                copies[:, -1] = HIDDEN_WEIGHT
                records = np.concatenate([records, copies])
            self.missing |= bool(np.isnan(records).any())
            self.buffer.append(records)

    @property
    def mib(self) -> int:
        """Return what XGBoost takes to hold it in memory."""
        per_cell = BYTES_PER_MISSING_CELL if self.missing else BYTES_PER_CELL
        return self.buffer.rows * (len(self.columns) * per_cell + BYTES_PER_ROW) // MIB

    def sample(self, rows: int) -> NDArray[np.float32]:
        """Return every n-th record, columns, label and weight: up to twice SAMPLE_ROWS of `rows`."""
        step = max(1, rows // SAMPLE_ROWS)
        return np.concatenate(list(self.buffer.pages(step=step)))


class _Pages(xgb.DataIter):
    """XGBoost reads the pages several times; with a cache, it keeps what it makes of them there."""

    def __init__(self, matrix: Matrix, cache: Path | None = None, step: int = 1) -> None:
        super().__init__(cache_prefix=str(cache) if cache else None)
        self._matrix, self._cache, self._step = matrix, cache, step

    def reset(self) -> None:
        self._pages = self._matrix.buffer.pages(step=self._step)

    def next(self, input_data: Any) -> bool:
        for page in self._pages:
            if self._cache:  # XGBoost writes it after this call, and aborts where the disk is full
                ensure_free_space(self._cache.parent, CACHED_BYTES_PER_CELL * page.size)
            input_data(data=page[:, :-2], label=page[:, -2], weight=page[:, -1])
            return True
        return False


@contextmanager
def quantile_matrices(
    train: Matrix,
    validation: Matrix,
    limit: Memory | None = None,
    cluster: Cluster = SINGLE_HOST,
) -> Iterator[dict[str, xgb.DMatrix]]:
    """Make both what XGBoost trains on with `tree_method` hist, in memory or on disk.

    They live as long as the context. The limit is that of the process, unless another is given; what
    one host has no room for, all keep on disk.
    """
    limit = limit or memory_limit()
    needed = rss_mib() + train.mib + validation.mib
    in_memory = all(cluster.allgather(needed <= limit.mib))
    place = "in memory" if in_memory else "on disk"
    print(f"data {place}: about {needed} of {limit.mib} MiB ({limit.source})", flush=True)
    kind = xgb.QuantileDMatrix if in_memory else xgb.ExtMemQuantileDMatrix
    threads = 1 if train.buffer.rows < ROWS_FOR_THREADS else None
    step = max(cluster.allgather(train.buffer.rows)) // SAMPLE_ROWS
    # Of many rows a sample says where the bins end: XGBoost then reads the rows half as often.
    reference = xgb.QuantileDMatrix(_Pages(train, step=step)) if step > 1 else None
    with nullcontext() if in_memory else tempfile.TemporaryDirectory() as folder:
        matrices: dict[str, xgb.DMatrix] = {}
        for name, matrix in (("train", train), ("validation", validation)):
            pages = _Pages(matrix, Path(folder) / name if folder else None)
            matrices[name] = reference = kind(pages, ref=reference, nthread=threads)
        del reference
        yield matrices
        matrices.clear()  # before the files
