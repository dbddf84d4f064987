"""Rows between the files and XGBoost: encoded once, learned from, then made into its matrices.

Neither the encoded rows nor the matrix need memory that grows with the files: beyond a few MiB they
lie in temporary files, and XGBoost's own copy (about two bytes a cell) moves to disk when the limit
of the process asks for it (`ExtMemQuantileDMatrix`).
"""

import pickle
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from container import features
from container.channel import PAGE_ROWS, Rows, pages
from container.cluster import allgather
from container.errors import Terminated
from container.hardware import MIB, ensure_free_space, memory_limit, rss_mib
from container.schema import LABEL
from container.target_encoding import Tables, add_up

import numpy as np
import pandas as pd
import xgboost as xgb
from numpy.typing import NDArray

BUFFER_BYTES = 4 * MIB  # are held in memory, more in a temporary file
HIDDEN_WEIGHT = 0.5  # of the copy of a training row in which `features.hidden_in_copy` are hidden
SAMPLE_ROWS = 2**16  # of more rows than twice that, every n-th says where the bins end
ROWS_FOR_THREADS = 10_000  # with fewer, threads wait for each other longer than they work

# What XGBoost holds in memory, and what a page takes on disk: measured, see benchmarks/README.md.
BYTES_PER_CELL = 2
BYTES_PER_CELL_IF_SOME_ARE_MISSING = 13
BYTES_PER_ROW = 60
CACHED_BYTES_PER_CELL = 20


class EncodedDataset:
    """The rows of a channel as `features.encode` left them."""

    def __init__(self, rows: Rows) -> None:
        self._pages, self._file = 0, _temporary_file()
        for page in pages(rows):
            pickle.dump((features.encode(page), page[LABEL].to_numpy()), self._file)
            self._pages += 1

    def __iter__(self) -> Iterator[tuple[pd.DataFrame, NDArray[np.int8]]]:
        """Yield the pages, and their labels."""
        self._file.seek(0)
        for _ in range(self._pages):
            yield pickle.load(self._file)  # noqa: S301 (written above)

    def learn(self) -> Tables:
        """Return what the features learn of the rows of all hosts."""
        return add_up(features.statistics(rows, labels) for rows, labels in self)


class Matrix:
    """The columns that the model sees, then label and weight, as float32; on disk when many."""

    def __init__(self, data: EncodedDataset, tables: Tables, *, training: bool) -> None:
        self.rows, self.columns, self._some_are_missing = 0, list[str](), False
        self._file, met = _temporary_file(), defaultdict[str, set[str]](set)
        for rows, labels in data:
            for name, column in rows.select_dtypes("category").items():
                met[str(name)].update(column.cat.categories)
            frame = features.transform(rows, tables, labels if training else None)
            records = np.ones((len(frame), len(frame.columns) + 2), np.float32)
            records[:, :-2], records[:, -2] = frame, labels
            if hidden := features.hidden_in_copy(frame) if training else []:
                places = frame.columns.get_indexer(hidden)
                copies = records[frame[hidden].notna().any(axis=1)]
                copies[:, places], copies[:, -1] = np.nan, HIDDEN_WEIGHT
                records = np.concatenate([records, copies])
            self.columns, self.rows = list(frame), self.rows + len(records)
            self._some_are_missing |= bool(np.isnan(records).any())
            self._file.write(records.data.cast("B"))
        for name, values in met.items():
            if not training and (unseen := values - {"", *tables[name].index}):
                shown = ", ".join(map(repr, sorted(unseen)[:5]))
                print(f"{name}: {len(unseen)} value(s) never seen in training: {shown}", flush=True)

    def pages(self, step: int = 1) -> Iterator[NDArray[np.float32]]:
        """Yield all records, or every one in `step`, of up to PAGE_ROWS at a time."""
        self._file.seek(0)
        page_rows = max(PAGE_ROWS // step, 1) * step
        for start in range(0, self.rows, page_rows):
            shape = min(page_rows, self.rows - start), len(self.columns) + 2
            page = np.empty(shape, np.float32)
            self._file.readinto(page.data.cast("B"))
            yield np.ascontiguousarray(page[::step])  # the others go with the page

    @property
    def mib(self) -> int:
        """Return what XGBoost takes to hold it in memory."""
        cell = BYTES_PER_CELL_IF_SOME_ARE_MISSING if self._some_are_missing else BYTES_PER_CELL
        return self.rows * (len(self.columns) * cell + BYTES_PER_ROW) // MIB


def _temporary_file() -> tempfile.SpooledTemporaryFile[bytes]:
    return tempfile.SpooledTemporaryFile(BUFFER_BYTES)  # goes with its last reference


class _Pages(xgb.DataIter):
    """XGBoost reads the pages several times; with a cache, it keeps what it makes of them there."""

    def __init__(self, matrix: Matrix, cache: Path | None = None, step: int = 1) -> None:
        super().__init__(cache_prefix=str(cache) if cache else None)
        self._matrix, self._cache, self._step = matrix, cache, step

    def reset(self) -> None:
        self._pages = self._matrix.pages(self._step)

    def next(self, input_data: Any) -> bool:
        try:
            for page in self._pages:
                if self._cache:
                    ensure_free_space(self._cache.parent, CACHED_BYTES_PER_CELL * page.size)
                input_data(data=page[:, :-2], label=page[:, -2], weight=page[:, -1])
                return True
        except Terminated as error:
            raise InterruptedError from error  # XGBoost would lose what is no Exception
        return False


@contextmanager
def quantile_matrices(
    train: Matrix, validation: Matrix, limit: int | None = None
) -> Iterator[dict[str, xgb.DMatrix]]:
    """Make both what `hist` takes: in memory, or on disk when a host has no room for them."""
    limit = limit or memory_limit()
    needed = rss_mib() + train.mib + validation.mib
    in_memory = all(allgather(needed <= limit))
    place = "in memory" if in_memory else "on disk"
    print(f"data {place}: about {needed} of {limit} MiB", flush=True)
    kind = xgb.QuantileDMatrix if in_memory else xgb.ExtMemQuantileDMatrix
    threads = 1 if train.rows < ROWS_FOR_THREADS else None
    step = max(allgather(train.rows)) // SAMPLE_ROWS
    # Of many rows a sample says where the bins end: XGBoost then reads the rows half as often.
    reference: Any = xgb.QuantileDMatrix(_Pages(train, step=step)) if step > 1 else None
    with tempfile.TemporaryDirectory() as folder:
        matrices: dict[str, xgb.DMatrix] = {}
        for name, matrix in (("train", train), ("validation", validation)):
            pages = _Pages(matrix, None if in_memory else Path(folder, name))
            matrices[name] = reference = kind(pages, ref=reference, nthread=threads)
        del reference
        yield matrices
        matrices.clear()  # before the files
