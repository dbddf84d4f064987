"""The command `python -m local_aws`; see `local_aws.cli`."""

from local_aws import collector

collector.end_at_once()
try:
    from local_aws.cli import main

    code = main()
except ImportError as error:
    hint = "pip install ./local_aws, or use the python of the environment that has it"
    raise SystemExit(f"error: {error}\nhint: {hint}") from None
raise SystemExit(code)
