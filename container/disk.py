"""The disk that temporary files lie on."""

import errno
import os
import shutil
from pathlib import Path

from container.errors import InputError
from container.resources import MIB


def need(folder: Path, size: int) -> None:
    """Raises InputError when the disk of a folder has no room for so many bytes.

    For what ends the process where the disk is full, as the pages that XGBoost keeps there do.
    """
    free = shutil.disk_usage(folder).free
    if free < size:
        raise InputError(
            f"{folder}: {os.strerror(errno.ENOSPC)}: {free // MIB} MiB are free, the next "
            f"data that do not fit in memory need {-(-size // MIB)} MiB",
            "train with a larger volume (VolumeSizeInGB), or on an instance type with more memory",
        )
