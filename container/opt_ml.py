"""The folders and files of a training job, as SageMaker lays them out under /opt/ml.

Source: "How Amazon SageMaker AI Provides Training Information" and "How Amazon SageMaker AI
Processes Training Output" in the SageMaker developer guide. Standard library only.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from container.errors import InputError
from container.passengers import Passengers, read_passengers

FAILURE_CHARACTERS = 1024  # SageMaker shows no more of the failure file
PLATFORM_PREFIXES = ("_", "sagemaker_")  # of hyperparameters


@dataclass(frozen=True)
class OptMl:
    root: Path

    @property
    def model(self) -> Path:
        return self.root / "model"

    @property
    def output_data(self) -> Path:
        return self.root / "output" / "data"

    @property
    def checkpoints(self) -> Path:
        """Only there when the job has a CheckpointConfig."""
        return self.root / "checkpoints"

    def hyperparameters(self) -> dict[str, Any]:
        """Those of the user: what the platform adds (a tuning job, the SDK's script mode) is not
        among them."""
        given = self._config("hyperparameters.json")
        return {name: v for name, v in given.items() if not name.startswith(PLATFORM_PREFIXES)}

    def hosts(self) -> tuple[list[str], str]:
        """All hosts of the job, and this one."""
        resources = self._config("resourceconfig.json")
        hosts = resources.get("hosts") or ["algo-1"]
        return hosts, resources.get("current_host", hosts[0])

    def is_sharded(self, channel: str) -> bool:
        """Whether each host was given objects of its own, and not all of them."""
        config = self._config("inputdataconfig.json").get(channel, {})
        return bool(config.get("S3DistributionType") == "ShardedByS3Key")

    def channel_folder(self, name: str) -> Path:
        return self.root / "input" / "data" / name

    def channel(self, name: str) -> Passengers:
        """All rows of a channel's CSV files on this host, in the order of their names.

        Raises InputError when the channel is missing or empty, or a file of it is not usable.
        """
        folder = self.channel_folder(name)
        channels = folder.parent
        if not folder.is_dir():
            found = sorted(path.name for path in channels.iterdir()) if channels.is_dir() else []
            raise InputError(
                f"channel {name}: {folder} is not there"
                f" (channels found: {', '.join(found) or 'none'})",
                f"give fit() a channel of that name: fit({{'{name}': 's3://...'}})",
            )
        files = _files(folder)
        if not files and self.is_sharded(name):
            hosts, current = self.hosts()
            raise InputError(
                f"channel {name}: no file for {current}, one of {len(hosts)} hosts",
                "give at least as many objects as instances, or fewer instances, or do not shard",
            )
        if not files:
            raise InputError(
                f"channel {name}: no file in {folder}",
                "check that CSV files are under the S3 URI of the channel",
            )
        passengers = Passengers()
        for file in files:
            passengers.extend(read_passengers(_content(file), str(file), labelled=True))
        print(f"channel {name}: {len(passengers)} rows from {len(files)} file(s)", flush=True)
        return passengers

    def data_files(self) -> list[Path]:
        """Of all channels."""
        return _files(self.root / "input" / "data")

    def write_failure(self, text: str) -> None:
        """What SageMaker shows as the job's FailureReason; the message must come first."""
        path = self.root / "output" / "failure"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text[:FAILURE_CHARACTERS], encoding="utf-8")

    def _config(self, name: str) -> dict[str, Any]:
        """Absent after a bare `docker run`, which means the defaults; SageMaker writes them all."""
        path = self.root / "input" / "config" / name
        if not path.exists():
            return {}
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise InputError(f"{path}: not JSON: {error}", "write a JSON object") from None
        if not isinstance(content, dict):
            raise InputError(f"{path}: not a JSON object", "write a JSON object")
        return content


def _files(folder: Path) -> list[Path]:
    """Sorted; without the marks of other programs, which begin so: `_SUCCESS`, `.DS_Store`."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name[0] not in "._")


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read: {error.strerror}", "make the file readable to the container"
        ) from None
