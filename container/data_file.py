"""A file of a channel: CSV, also packed by gzip, or Parquet. What it is, its content says."""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from container.errors import InputError

_PARQUET = b"PAR1"  # how such a file begins
_GZIP = b"\x1f\x8b"


def is_parquet(content: BinaryIO) -> bool:
    found = content.read(len(_PARQUET)) == _PARQUET
    content.seek(0)
    return found


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The content of a file, unpacked if it was packed by gzip.

    Raises InputError for what cannot be read, also while it is read.
    """
    try:
        with path.open("rb") as file:
            packed = file.read(len(_GZIP)) == _GZIP
            file.seek(0)
            if packed:
                with gzip.GzipFile(fileobj=file) as content:
                    yield cast(BinaryIO, content)
            else:
                yield file
    except (gzip.BadGzipFile, EOFError) as error:
        raise InputError(
            f"{path}: not a whole gzip file: {error}", "compress the file again"
        ) from None
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read: {error.strerror or error}",
            "make the file readable to the container",
        ) from None
