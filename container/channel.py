"""A channel of a training job: the files that SageMaker has put into its folder."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from container.batches import read_batches
from container.cluster import ALONE, Cluster
from container.errors import InputError
from container.opt_ml import OptMl
from container.passengers import Passengers


@dataclass
class Channel:
    """Its rows, batch after batch, in the order of the files' names, each time it is walked."""

    folder: Path
    files: list[Path]
    hosts: Cluster = ALONE
    sharded: bool = False  # else each host has all rows, and takes every so many of them
    rows: int | None = None  # known after the first walk, which says it

    @classmethod
    def of_job(cls, opt_ml: OptMl, name: str, hosts: Cluster = ALONE) -> "Channel":
        """This host's share of it. Raises InputError when it is missing or holds no file."""
        channels, folder, sharded = opt_ml.channels, opt_ml.channels / name, opt_ml.is_sharded(name)
        if not folder.is_dir():
            found = sorted(path.name for path in channels.iterdir()) if channels.is_dir() else []
            raise InputError(
                f"channel {name}: {folder} is not there"
                f" (channels found: {', '.join(found) or 'none'})",
                f"give fit() a channel of that name: fit({{'{name}': 's3://...'}})",
            )
        files = data_files(folder)
        if not files and sharded:
            raise InputError(
                f"channel {name}: no file for {hosts.current}, one of {len(hosts.hosts)} hosts",
                "give at least as many objects as instances, or fewer instances, or do not shard",
            )
        if not files:
            raise InputError(
                f"channel {name}: no file in {folder}",
                "check that CSV or Parquet files are under the S3 URI of the channel",
            )
        return cls(folder, files, hosts, sharded)

    def __iter__(self) -> Iterator[Passengers]:
        """Raises InputError when a file is not usable, or all rows have the same label."""
        name, rows, labels = self.folder.name, 0, set[int]()
        for file in self.files:
            for batch in read_batches(file, labelled=True):
                share = self._share(batch, rows)
                rows += len(batch)
                labels.update(label for label in (0, 1) if label in share.labels)
                if len(share):
                    yield share
        if not labels:
            raise InputError(
                f"channel {name}: {rows} rows, none for {self.hosts.current}",
                "give at least as many rows as instances",
            )
        if self.rows is None:
            if len(set().union(*self.hosts.merge(labels))) < 2:
                raise InputError(
                    f"channel {name}: every row of {self.folder} has the same label",
                    "give rows of both classes, 0 and 1",
                )
            print(f"channel {name}: {rows} rows from {len(self.files)} file(s)", flush=True)
        self.rows = rows

    def _share(self, batch: Passengers, before: int) -> Passengers:
        """This host's rows of a batch that comes after so many rows."""
        every = len(self.hosts.hosts)
        if self.sharded or every == 1:
            return batch
        return batch.take(list(range((self.hosts.number - before) % every, len(batch), every)))


def data_files(folder: Path) -> list[Path]:
    """Sorted; without the marks of other programs, which begin so: `_SUCCESS`, `.DS_Store`."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name[0] not in "._")
