"""The folder that keeps a record of each execution that was waited for."""

import json
import tempfile
from pathlib import Path
from typing import Any

from container.errors import InputError

RUNS = Path("runs")  # below the folder in which a command is given

Record = dict[str, Any]


def make_folder(runs: Path) -> None:
    """Make the folder. Raises InputError when that fails, before anything is billed."""
    try:
        runs.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=runs).close()
    except OSError as error:
        raise InputError(
            f"{runs.absolute()}: cannot be written to: {error.strerror}",
            "the record of the run is kept there: start in a folder that can be written to",
        ) from None


def run_folder(execution_arn: str, runs: Path) -> Path:
    """Return the folder of an execution, `<runs>/<execution id>`; it need not exist."""
    return runs / execution_arn.rpartition("/")[2]


def recorded_runs(runs: Path, region: str, pipeline_name: str) -> list[Record]:
    """Return the records in `runs` of executions of this pipeline, newest first.

    Raises InputError for a record that cannot be read.
    """
    records = []
    for path in runs.glob("*/run.json"):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            if (record["region"], record["pipeline_arn"].rpartition("/")[2]) == (
                region,
                pipeline_name,
            ):
                records.append((record["ended_at"], record))
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise InputError(f"{path}: not the record of a run: {error}", "remove it") from None
    return [record for _, record in sorted(records, key=lambda each: each[0], reverse=True)]


def completed_runs(runs: Path, region: str, pipeline_name: str) -> list[Record]:
    """Return those of `recorded_runs` whose training job completed."""
    found = recorded_runs(runs, region, pipeline_name)
    return [record for record in found if record.get("training_job_status") == "Completed"]
