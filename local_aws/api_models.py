"""One loader of botocore's API models for the whole process.

botocore makes a loader for each session, and moto makes one for each service. Each loader lists
hundreds of folders and parses the same files: together a second of CPU time in a rehearsal.
"""

from functools import cache
from typing import Any

import botocore.session
from botocore.loaders import create_loader

loader_of = cache(create_loader)
LOADER: Any = loader_of(None)


def share() -> None:
    """Make all later sessions share one loader (one for each AWS_DATA_PATH)."""
    session: Any = botocore.session
    session.create_loader = loader_of
