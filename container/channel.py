"""A channel of a training job: the files that SageMaker has put into its folder."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from container.cluster import allgather
from container.errors import InputError
from container.opt_ml import OptMl, data_files
from container.reading import read_chunks
from container.schema import LABEL

import pandas as pd
from xgboost import collective

PAGE_ROWS = 2**15
MAX_CHUNKS = 1000  # are held: one of a few rows takes some kilobytes

# Labelled rows: at once, or in chunks that can be read again and again.
Rows: TypeAlias = pd.DataFrame | Iterable[pd.DataFrame]


def pages(rows: Rows) -> Iterator[pd.DataFrame]:
    """Yield PAGE_ROWS rows at a time, whatever the chunks are; the last page has what is left."""
    rest, held = list[pd.DataFrame](), 0
    for chunk in [rows] if isinstance(rows, pd.DataFrame) else rows:
        rest.append(chunk)
        held += len(chunk)
        if held >= PAGE_ROWS or len(rest) > MAX_CHUNKS:
            whole = pd.concat(rest, ignore_index=True)
            while len(whole) >= PAGE_ROWS:
                yield whole[:PAGE_ROWS].reset_index(drop=True)
                whole = whole[PAGE_ROWS:]
            rest, held = [whole], len(whole)
    if held:
        yield pd.concat(rest, ignore_index=True)


@dataclass
class Channel:
    """This host's rows of a channel in chunks, in the order of the files' names."""

    folder: Path
    files: list[Path]
    sharded: bool = False  # each host has its own files; else all have all, and share the rows
    counted: bool = False

    @classmethod
    def of_job(cls, opt_ml: OptMl, name: str) -> "Channel":
        """Return this host's share of a channel. Raises InputError when it holds no file."""
        folder, sharded = opt_ml.channels / name, opt_ml.is_sharded(name)
        if not folder.is_dir():
            found = ", ".join(sorted(path.name for path in opt_ml.channels.glob("*"))) or "none"
            problem = f"channel {name}: {folder} is not there (channels found: {found})"
            hint = f"give fit() a channel of that name: fit({{'{name}': 's3://...'}})"
            raise InputError(problem, hint)
        if files := data_files(folder):
            return cls(folder, files, sharded)
        hint = "check that CSV or Parquet files are under the S3 URI of the channel"
        if sharded:
            hint = "give at least as many objects as instances, or do not shard"
        raise InputError(f"channel {name}: no file in {folder} on {opt_ml.hosts()[1]}", hint)

    def __iter__(self) -> Iterator[pd.DataFrame]:
        """Yield chunks; the first time, count their rows; raises InputError for one class."""
        name, rows, empty, labels = f"channel {self.folder.name}", 0, 0, set[int]()
        every = 1 if self.sharded else collective.get_world_size()
        for file in self.files:
            before = rows
            for chunk in read_chunks(file, labelled=True):
                share = chunk.iloc[(collective.get_rank() - rows) % every :: every]
                rows += len(chunk)
                labels.update(share[LABEL].unique().tolist())
                yield share
            empty += rows == before
        if self.counted:
            return
        self.counted = True
        of_hosts = allgather(labels)
        if not all(of_hosts):
            hint = "give rows, at least as many as instances"
            raise InputError(f"{name}: {rows} rows for {len(of_hosts)} host(s)", hint)
        if len(set().union(*of_hosts)) < 2:
            problem = f"{name}: every row has the same label, {LABEL}={labels.pop()}"
            raise InputError(problem, f"give rows of both classes, {LABEL} 0 and 1")
        without = f", {empty} of them without rows" if empty else ""
        print(f"{name}: {rows} rows from {len(self.files)} file(s){without}", flush=True)
