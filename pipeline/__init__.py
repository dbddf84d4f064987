"""The programs that run on a laptop or in CI. They may import sagemaker and boto3.

Every module imports the project's own modules before the SDK, so that what is set here counts.
"""

import logging
import os
import sys
from pathlib import Path

from local_aws import collector, interrupts

PROGRAMS = (Path(__file__).parent, Path(__file__).parent.parent / "build")

if Path(sys.argv[0]).absolute().parent in PROGRAMS:  # not in a notebook, and not in a test
    interrupts.end_quietly()
    collector.postpone()

# The SDK's version 2 is pinned on purpose (see pyproject.toml): no warning on each run.
os.environ.setdefault("SAGEMAKER_SUPPRESS_V2_WARNING", "1")

# It reports on stdout, at import, where it looks for its defaults: stdout is for data.
logging.getLogger("sagemaker.config").setLevel(logging.WARNING)
