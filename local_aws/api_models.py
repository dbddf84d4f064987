"""One loader of botocore's API models for the whole process.

botocore makes a loader for each session, and moto one for each service. Each of them lists hundreds
of folders and parses the same files again: a second of CPU time of a rehearsal.
"""

from functools import cache
from typing import Any

import botocore.session
from botocore.loaders import create_loader

loader_of = cache(create_loader)
LOADER: Any = loader_of(None)


def share() -> None:
    """Give the sessions that are made from now on the same loader (one for each AWS_DATA_PATH)."""
    session: Any = botocore.session
    session.create_loader = loader_of
