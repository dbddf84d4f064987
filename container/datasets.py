"""Spools as XGBoost's data sets: in memory while they fit, on disk when they do not."""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import starmap
from pathlib import Path
from typing import Any

from container.ahead import ahead
from container.cluster import ALONE, Cluster
from container.disk import need
from container.resources import MIB, Memory, held_memory_mib, memory_limit
from container.spool import Spool

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray

SAMPLE_ROWS = 2**16  # of more rows than twice that, every n-th says where the bins end
ROWS_FOR_THREADS = 10_000  # with fewer, threads wait for each other longer than they work
PAGE_BYTES = MIB  # of the matrix: what is made of one stays in the processor's cache
PAGE_BYTES_ON_DISK = 4 * MIB  # larger pages take more memory, smaller ones more time

# What XGBoost holds in memory for each cell and each row, and what a page of it takes: measured,
# see benchmarks/README.md.
BYTES_PER_CELL = 2
BYTES_PER_CELL_IF_SOME_ARE_MISSING = 13
BYTES_PER_ROW = 60
CACHED_BYTES_PER_CELL = 20  # at most: with missing cells, it keeps the rows of those that are not
WORTH_SAYING_MIB = 64

Prepare = Callable[[NDArray[np.float32], NDArray[np.float32]], Mapping[str, Any]]


@dataclass(frozen=True)
class Table:
    """The rows of a spool. `prepare` makes of some of them, and their labels, what XGBoost takes:
    `data`, a matrix with so many columns, `label`, and `weight` if they have one. `missing` says
    that cells may be NaN, `copies` how many rows a row may become."""

    spool: Spool
    prepare: Prepare
    columns: int
    missing: bool = False
    copies: int = 1

    @property
    def mib(self) -> int:
        """What XGBoost takes to hold it in memory."""
        cell = BYTES_PER_CELL_IF_SOME_ARE_MISSING if self.missing else BYTES_PER_CELL
        return self.spool.rows * self.copies * (self.columns * cell + BYTES_PER_ROW) // MIB


class _Pages(xgb.DataIter):
    """XGBoost walks them several times; with a cache, it keeps what it makes of them on disk."""

    def __init__(self, table: Table, cache: Path | None = None, step: int = 1) -> None:
        super().__init__(cache_prefix=str(cache) if cache else None)
        self._table, self._step, self._cache = table, step, cache
        size = PAGE_BYTES_ON_DISK if cache else PAGE_BYTES
        self._rows = max(1, size // (4 * table.columns * step))
        self._pages: Iterator[Mapping[str, Any]] = iter(())

    def reset(self) -> None:
        pages = starmap(self._table.prepare, self._table.spool.pages(self._rows, self._step))
        self._pages = pages if self._cache else ahead(pages)

    def next(self, input_data: Any) -> bool:
        for page in self._pages:
            if self._cache:  # XGBoost writes it after this call, and aborts where the disk is full
                need(self._cache.parent, CACHED_BYTES_PER_CELL * page["data"].size)
            input_data(**page)
            return True
        return False


@contextmanager
def datasets(
    train: Table, validation: Table, limit: Memory | None = None, hosts: Cluster = ALONE
) -> Iterator[dict[str, xgb.DMatrix]]:
    """Both as XGBoost trains on them with `tree_method` hist. They live as long as the context.

    `limit` is that of the process, unless another one is given. Of several hosts all do the same:
    what one has no room for, all keep on disk.
    """
    limit, tables = limit or memory_limit(), train.mib + validation.mib
    needed = held_memory_mib() + tables
    in_memory = all(hosts.merge(needed <= limit.mib))
    if tables >= WORTH_SAYING_MIB or not in_memory:
        place = "in memory" if in_memory else "on disk"
        print(
            f"data {place}: about {needed} MiB are needed in memory, the limit is {limit.mib} MiB"
            f" ({limit.source})",
            flush=True,
        )
    reference: xgb.DMatrix | None = _sample(train, max(hosts.merge(train.spool.rows)))
    threads = 1 if train.spool.rows < ROWS_FOR_THREADS else None
    kind = xgb.QuantileDMatrix if in_memory else xgb.ExtMemQuantileDMatrix
    with tempfile.TemporaryDirectory() if not in_memory else nullcontext() as folder:
        data: dict[str, xgb.DMatrix] = {}
        for name, table in (("train", train), ("validation", validation)):
            pages = _Pages(table, Path(folder) / name if folder else None)
            data[name] = reference = kind(pages, ref=reference, nthread=threads)
        del reference
        yield data
        data.clear()  # before the files


def _sample(table: Table, rows: int) -> xgb.QuantileDMatrix | None:
    """Every n-th row, for where the bins end: XGBoost then need not walk all rows to find that.

    `rows` is the number of them on the host that has most."""
    step = rows // SAMPLE_ROWS
    if step < 2:
        return None
    return xgb.QuantileDMatrix(_Pages(table, step=step))
