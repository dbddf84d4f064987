"""The command `python -m local_aws`; see `local_aws.cli`."""

from local_aws import collector
from local_aws.cli import main

collector.end_at_once()
raise SystemExit(main())
