"""The folders and files of a training job, as SageMaker lays them out under /opt/ml.

Source: "How Amazon SageMaker AI Provides Training Information" and "How Amazon SageMaker AI
Processes Training Output" in the SageMaker developer guide.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from container.channel import Channel, data_files
from container.cluster import ALONE, Cluster
from container.errors import InputError

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

    def channel(self, name: str, hosts: Cluster = ALONE) -> Channel:
        """This host's share of it. Raises InputError when it is missing or empty."""
        config = self._config("inputdataconfig.json").get(name, {})
        sharded = config.get("S3DistributionType") == "ShardedByS3Key"
        return Channel.of_folder(self._channels / name, hosts, sharded=sharded)

    def data_files(self) -> list[Path]:
        """Of all channels."""
        return data_files(self._channels)

    def write_failure(self, text: str) -> None:
        """What SageMaker shows as the job's FailureReason; the message must come first."""
        path = self.root / "output" / "failure"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text[:FAILURE_CHARACTERS], encoding="utf-8")

    @property
    def _channels(self) -> Path:
        return self.root / "input" / "data"

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
