"""Rows of numbers, written once and walked as often as need be: in memory while they are few, in a
temporary file when they are many.

The file is read into one buffer, not mapped: what a process maps counts as its memory.
"""

import tempfile
from collections.abc import Iterator
from typing import BinaryIO, cast

from container.errors import InputError

import numpy as np
from numpy.typing import NDArray

IN_MEMORY_BYTES = 4 * 2**20

Page = tuple[NDArray[np.float32], NDArray[np.float32]]  # rows, and their labels


class Spool:
    """Rows of `width` float32 and a label each, 0 or 1."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.rows = 0
        self.positive = 0  # rows with label 1
        self._files = (_file(), _file())

    def append(self, rows: NDArray[np.float32], labels: NDArray[np.float32]) -> None:
        """Shapes (rows, width) and (rows,). Raises InputError when the disk is full."""
        for file, array in zip(self._files, (rows, labels), strict=True):
            try:
                file.write(np.ascontiguousarray(array, np.float32).data.cast("B"))
            except OSError as error:
                raise InputError(
                    f"{tempfile.gettempdir()}: {self.rows} rows are written, the next are not: "
                    f"{error.strerror}",
                    "train with a larger volume (VolumeSizeInGB), or less data",
                ) from None
        self.rows += len(labels)
        self.positive += int(np.count_nonzero(labels))

    def pages(self, most: int, step: int = 1) -> Iterator[Page]:
        """All rows, or every one in `step`, `most` at a time."""
        for file in self._files:
            file.seek(0)
        for start in range(0, self.rows, most * step):
            count = min(most * step, self.rows - start)
            page = np.empty((count, self.width), np.float32), np.empty(count, np.float32)
            for file, array in zip(self._files, page, strict=True):
                file.readinto(array.data.cast("B"))  # type: ignore[attr-defined]
            yield page[0][::step], page[1][::step]

    def close(self) -> None:
        for file in self._files:
            file.close()

    def __enter__(self) -> "Spool":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _file() -> BinaryIO:
    return cast(BinaryIO, tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES))
