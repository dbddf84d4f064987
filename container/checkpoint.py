"""The checkpoint: a training that is interrupted goes on, and ends with the same bytes.

SageMaker copies /opt/ml/checkpoints to S3 while the job runs, deletes there what is deleted here,
and fills the folder from S3 before the program starts ("Checkpoints in Amazon SageMaker AI",
developer guide). Other jobs may have the same S3 prefix, so the file is named after the fingerprint
of its training.
"""

import contextlib
import functools
import hashlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from container.cluster import allgather
from container.opt_ml import OptMl, data_files

import xgboost as xgb
from xgboost import collective

PROGRAM = sorted(Path(__file__).parent.glob("*.py"))


@dataclass(frozen=True)
class Checkpoint:
    """That of one training: rank 0 writes it, all resume from it; without a path, none."""

    path: Path | None = None

    @classmethod
    def of_job(cls, opt_ml: OptMl, *parameters: object) -> "Checkpoint":
        """Return that of a job, disabled unless each host has a folder (a CheckpointConfig)."""
        folder = opt_ml.checkpoints
        if not all(allgather(folder.is_dir())):
            return cls()
        files = [*data_files(opt_ml.channels), *PROGRAM]
        of_hosts = "".join(allgather(fingerprint(opt_ml.channels, files, *parameters)))
        own = folder / f"{hashlib.sha256(of_hosts.encode()).hexdigest()[:16]}.ubj"
        if collective.get_rank() == 0 and not own.exists() and any(folder.glob("*.ubj")):
            _warn("those found are of other data, hyperparameters or programs: left alone")
        return cls(own)

    def load(self) -> xgb.Booster | None:
        """Return the model that was saved last, on all hosts that of rank 0."""
        content = b""
        if self.path and self.path.is_file() and collective.get_rank() == 0:
            content = self.path.read_bytes()
        content = allgather(content)[0]
        try:
            return xgb.Booster(model_file=bytearray(content)) if content else None
        except xgb.core.XGBoostError:
            _warn(f"{self.path} is skipped: it is not whole")
            return None

    def save(self, model: xgb.Booster) -> None:
        """Write a model, whole or not at all. A failure is a warning: the training goes on."""
        if not self.path or collective.get_rank() > 0:
            return
        unfinished = self.path.with_suffix(".unfinished")
        try:
            unfinished.write_bytes(model.save_raw("ubj"))
            unfinished.replace(self.path)
        except OSError as error:
            _warn(f"{self.path} cannot be written to: {error.strerror}: going on without")
            with contextlib.suppress(OSError):
                unfinished.unlink()

    def remove(self) -> None:
        """Delete it: a training that has left its artifact needs none."""
        if self.path:
            for path in self.path.parent.glob(f"{self.path.stem}.*"):
                with contextlib.suppress(OSError):
                    path.unlink()


def fingerprint(root: Path, files: Sequence[Path], *others: object) -> str:
    """Return a digest of all content of files and their paths below the root, and of the others."""
    digest = hashlib.sha256(repr(others).encode())
    for path in files:
        name = path.relative_to(root) if path.is_relative_to(root) else path.name
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        digest.update(os.fsencode(f"{name} {content}\n"))
    return digest.hexdigest()


@functools.cache  # once is enough
def _warn(text: str) -> None:
    print(f"warning: checkpoints: {text}", file=sys.stderr, flush=True)
