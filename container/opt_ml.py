"""The folders and files of a training job, as SageMaker lays them out under /opt/ml.

Source: "How Amazon SageMaker AI Provides Training Information" and "How Amazon SageMaker AI
Processes Training Output" in the SageMaker developer guide. Standard library only.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from container.errors import InputError

FAILURE_CHARACTERS = 1024  # SageMaker shows no more of the failure file
PLATFORM_PREFIXES = ("_", "sagemaker_")  # of hyperparameters


class OptMl:
    """A tree of /opt/ml, below any root."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.channels = root / "input" / "data"  # a folder for each
        self.model = root / "model"  # becomes model.tar.gz
        self.output_data = root / "output" / "data"  # becomes output.tar.gz
        self.checkpoints = root / "checkpoints"  # only there when the job has a CheckpointConfig

    def hyperparameters(self) -> dict[str, Any]:
        """Return the user's hyperparameters, without those that the platform adds."""
        given = self._config("hyperparameters.json")
        return {name: v for name, v in given.items() if not name.startswith(PLATFORM_PREFIXES)}

    def hosts(self) -> tuple[list[str], str]:
        """Return all hosts of the job, and this one."""
        resources = self._config("resourceconfig.json")
        hosts = resources.get("hosts", ["algo-1"])
        return hosts, resources.get("current_host", hosts[0])

    def is_sharded(self, channel: str) -> bool:
        """Return whether each host got other files of a channel, rather than all of them."""
        config = self._config("inputdataconfig.json").get(channel)
        return isinstance(config, dict) and config.get("S3DistributionType") == "ShardedByS3Key"

    def write_failure(self, text: str) -> None:
        """Write to the log and to the file that SageMaker shows as the job's FailureReason."""
        print(f"error: {text}", file=sys.stderr, flush=True)
        path = self.root / "output" / "failure"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text[:FAILURE_CHARACTERS], "utf-8", "backslashreplace")
        except OSError as error:
            print(f"error: the failure file cannot be written: {error}", file=sys.stderr)

    def _config(self, name: str) -> dict[str, Any]:
        """Read a file that SageMaker always writes; it is absent after a bare `docker run`."""
        path = self.root / "input" / "config" / name
        try:
            content = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}: not JSON: {error}", "write a JSON object") from None
        if not isinstance(content, dict):
            raise InputError(f"{path}: not a JSON object", "write a JSON object")
        return content


def data_files(folder: Path) -> list[Path]:
    """Return the files below a folder that hold data, sorted; hidden ones are left out."""

    def fail(error: OSError) -> None:  # else a folder that cannot be read is skipped
        raise error

    walk = os.walk(folder, onerror=fail)
    paths = sorted(Path(parent, name) for parent, _, names in walk for name in names)
    shown = (path for path in paths if not is_hidden(path.relative_to(folder).as_posix()))
    return [path for path in shown if path.is_file()]


def is_hidden(path: str) -> bool:
    """Return whether a part of a relative path is hidden: `_SUCCESS`, `.ipynb_checkpoints/`."""
    return any(part.startswith((".", "_")) for part in path.split("/"))
