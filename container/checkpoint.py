"""Checkpoints: a training that is interrupted goes on, and ends with the same bytes.

SageMaker copies /opt/ml/checkpoints to S3 while the job runs, deletes there what is deleted here,
and fills the folder from S3 before the program starts ("Checkpoints in Amazon SageMaker AI",
developer guide). Other jobs may have the same S3 prefix, so each training has a folder named after
its fingerprint. A file's name holds its boosting rounds and the SHA-256 of its content.
"""

import contextlib
import functools
import hashlib
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from container.cluster import allgather
from container.opt_ml import OptMl, data_files

from xgboost import collective

PROGRAM = sorted(Path(__file__).parent.glob("*.py"))
KEPT = 2  # the newest could turn out not to be whole


@dataclass(frozen=True)
class Checkpoints:
    """Those of one training: rank 0 writes them, all resume from them; without a folder, none."""

    folder: Path | None = None

    @classmethod
    def of_job(cls, opt_ml: OptMl, *parameters: object) -> "Checkpoints":
        """Return those of a job, disabled unless each host has a folder (a CheckpointConfig)."""
        folder = opt_ml.checkpoints
        if not all(allgather(folder.is_dir())):
            return cls()
        files = [*data_files(opt_ml.channels), *PROGRAM]
        of_hosts = "".join(allgather(fingerprint(opt_ml.channels, files, *parameters)))
        own = folder / hashlib.sha256(of_hosts.encode()).hexdigest()[:16]
        if collective.get_rank() == 0 and not own.exists() and any(folder.iterdir()):
            _warn("those found are of other data, hyperparameters or programs: left alone")
        return cls(own)

    def load(self) -> bytes:
        """Return the newest model that is whole, or nothing; others are reported."""
        whole = b""
        for path in self._newest_first() if collective.get_rank() == 0 else ():
            content = path.read_bytes() if path.is_file() else b""
            if path.name == _name(path.name[:6], content):
                whole = content
                break
            _warn(f"{path.name} is skipped: it is not whole")
        return allgather(whole)[0]

    def save(self, rounds: int, content: bytes) -> None:
        """Write a model, whole or not at all. A failure is a warning: the training goes on."""
        if not self.folder or collective.get_rank() > 0:
            return
        unfinished = self.folder / ".unfinished"
        try:
            self.folder.mkdir(exist_ok=True)
            unfinished.write_bytes(content)
            unfinished.replace(self.folder / _name(f"{rounds:06}", content))
            for path in self._newest_first()[KEPT:]:
                path.unlink()
        except OSError as error:
            _warn(f"{self.folder} cannot be written to: {error.strerror}: going on without")
            with contextlib.suppress(OSError):
                unfinished.unlink()

    def remove(self) -> None:
        """Delete them: a training that has left its artifact needs none."""
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _newest_first(self) -> list[Path]:
        return sorted(self.folder.glob("[0-9]*"), reverse=True) if self.folder else []


def fingerprint(root: Path, files: Sequence[Path], *others: object) -> str:
    """Return a digest of all content of files and their paths below the root, and of the others."""
    digest = hashlib.sha256(repr(others).encode())
    for path in files:
        name = path.relative_to(root) if path.is_relative_to(root) else path.name
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        digest.update(os.fsencode(f"{name} {content}\n"))
    return digest.hexdigest()


def _name(rounds: str, content: bytes) -> str:
    return f"{rounds}-{hashlib.sha256(content).hexdigest()[:16]}.ubj"


@functools.cache  # once is enough
def _warn(text: str) -> None:
    print(f"warning: checkpoints: {text}", file=sys.stderr, flush=True)
