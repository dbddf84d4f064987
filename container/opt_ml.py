"""The folders and files of a training job, as SageMaker lays them out under /opt/ml.

Source: "How Amazon SageMaker AI Provides Training Information" and "How Amazon SageMaker AI
Processes Training Output" in the SageMaker developer guide. Standard library only: it must work to
say that a library is missing.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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

    @property
    def channels(self) -> Path:
        """Holds a folder for each channel."""
        return self.root / "input" / "data"

    def is_sharded(self, channel: str) -> bool:
        """Whether each host got other files of it, and not all of them."""
        config: dict[str, str] = self._config("inputdataconfig.json").get(channel, {})
        return config.get("S3DistributionType") == "ShardedByS3Key"

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
