"""A channel of a training job: the files that SageMaker has put into its folder."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from container.batches import read_batches
from container.errors import InputError
from container.passengers import Passengers


@dataclass
class Channel:
    """Its rows, batch after batch, in the order of the files' names, each time it is walked."""

    folder: Path
    files: list[Path]
    rows: int | None = None  # known after the first walk, which says it

    @classmethod
    def of_folder(cls, folder: Path) -> "Channel":
        """Raises InputError when it is missing or holds no file."""
        name, channels = folder.name, folder.parent
        if not folder.is_dir():
            found = sorted(path.name for path in channels.iterdir()) if channels.is_dir() else []
            raise InputError(
                f"channel {name}: {folder} is not there"
                f" (channels found: {', '.join(found) or 'none'})",
                f"give fit() a channel of that name: fit({{'{name}': 's3://...'}})",
            )
        # What begins so are marks of other programs: `_SUCCESS`, `.DS_Store`.
        files = sorted(
            path for path in folder.rglob("*") if path.is_file() and path.name[0] not in "._"
        )
        if not files:
            raise InputError(
                f"channel {name}: no file in {folder}",
                "check that CSV or Parquet files are under the S3 URI of the channel",
            )
        return cls(folder, files)

    def __iter__(self) -> Iterator[Passengers]:
        """Raises InputError when a file is not usable, or all rows have the same label."""
        rows, labels = 0, set[int]()
        for file in self.files:
            for batch in read_batches(file, labelled=True):
                rows += len(batch)
                labels.update(batch.labels)
                yield batch
        if len(labels) < 2:
            raise InputError(
                f"channel {self.folder.name}: every row of {self.folder} has the same label",
                "give rows of both classes, 0 and 1",
            )
        if self.rows is None:
            name, files = self.folder.name, len(self.files)
            print(f"channel {name}: {rows} rows from {files} file(s)", flush=True)
        self.rows = rows
