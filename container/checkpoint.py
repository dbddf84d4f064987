"""Checkpoints: what a training needs to go on where it was interrupted.

SageMaker copies /opt/ml/checkpoints to S3 while the job runs, deletes there what is deleted here,
and fills the folder from S3 before the program starts ("Checkpoints in Amazon SageMaker AI",
developer guide). Other jobs may have the same S3 prefix, so each training has a folder named after
its fingerprint. Standard library only.
"""

import contextlib
import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from container.cluster import ALONE, Cluster

SECONDS_VARIABLE = "CHECKPOINT_SECONDS"  # least time between two; 0: whenever there could be one
DEFAULT_SECONDS = 30.0
KEPT = 2  # of a stage: the newest could turn out not to be whole
BLOCK = 2**20
MOST_BLOCKS = 64  # of a file are read for the fingerprint


@dataclass(frozen=True)
class Progress:
    """How far a stage of the training has come."""

    rounds: int
    model: bytes
    state: dict[str, Any] = field(default_factory=dict)  # what else it needs, as JSON
    finished: bool = False


@dataclass
class Checkpoints:
    """Those of one training. Without a folder there are none; of several hosts the first one keeps
    them, and all go on from its."""

    folder: Path | None = None
    fingerprint: str = ""
    seconds: float = DEFAULT_SECONDS
    cluster: Cluster = ALONE
    clock: Callable[[], float] = time.monotonic
    _last: float = field(init=False)
    _failed: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self._last = self.clock()
        if (
            self.folder
            and self.cluster.leads
            and not self._own.exists()
            and any(self.folder.iterdir())
        ):
            _warn("only those of other data, hyperparameters or programs are there: left alone")

    @classmethod
    def of_job(
        cls, folder: Path, fingerprint: Callable[[], str], cluster: Cluster = ALONE
    ) -> "Checkpoints":
        """Those of no folder when it is not there on every host: without a CheckpointConfig."""
        if not all(cluster.merge(folder.is_dir())):
            return cls()
        seconds = float(os.environ.get(SECONDS_VARIABLE, DEFAULT_SECONDS))
        of_hosts = cluster.merge(fingerprint())
        whole = (
            of_hosts[0]
            if len(of_hosts) == 1
            else hashlib.sha256(repr(of_hosts).encode()).hexdigest()
        )
        return cls(folder, whole, seconds, cluster)

    def stage(self, name: str) -> "Stage":
        """One of the parts of a training that follow each other, such as one booster."""
        return Stage(name, self)

    @property
    def due(self) -> bool:
        return self.folder is not None and self.clock() - self._last >= self.seconds

    def read(self, stage: str) -> Progress | None:
        """The newest one of a stage that is whole; the others are told of."""
        if not self.folder:
            return None
        newest = next(self._whole(stage), b"") if self.cluster.leads else b""
        shared = self.cluster.from_first(newest)
        return _decode(shared, self.fingerprint) if shared else None

    def write(self, stage: str, progress: Progress) -> None:
        """At once or not at all. A failure is a warning: the training goes on without."""
        if not self.folder or not self.cluster.leads:
            return
        self._last = self.clock()
        unfinished = self._own / f".{stage}"
        try:
            self._own.mkdir(exist_ok=True)
            with unfinished.open("wb") as file:
                file.write(_encode(progress, self.fingerprint))
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(self._own / f"{stage}.{progress.rounds:06}")
            for path in self._paths(stage)[1 if progress.finished else KEPT :]:
                path.unlink()
        except OSError as error:
            with contextlib.suppress(OSError):
                unfinished.unlink()
            if not self._failed:
                _warn(f"{self.folder} cannot be written to: {error.strerror}: going on without")
            self._failed = True

    def remove(self) -> None:
        """A training that has left its artifact needs none."""
        if self.folder:
            shutil.rmtree(self._own, ignore_errors=True)

    @property
    def _own(self) -> Path:
        return (self.folder or Path()) / self.fingerprint[:16]

    def _paths(self, stage: str) -> list[Path]:
        """The newest first."""
        return sorted(self._own.glob(f"{stage}.*"), key=lambda path: path.suffix, reverse=True)

    def _whole(self, stage: str) -> Iterator[bytes]:
        for path in self._paths(stage):
            try:
                content = path.read_bytes()
                _decode(content, self.fingerprint)
            except (OSError, ValueError) as error:
                _warn(f"{path.name} is skipped: {error}")
            else:
                yield content


@dataclass(frozen=True)
class Stage:
    name: str
    checkpoints: Checkpoints

    @property
    def due(self) -> bool:
        """Whether the last checkpoint, of whichever stage, is long enough ago."""
        return self.checkpoints.due

    def resume(self) -> Progress | None:
        progress = self.checkpoints.read(self.name)
        if progress and self.checkpoints.cluster.leads:
            done = "is finished" if progress.finished else "goes on"
            print(f"checkpoint: {self.name} {done} after round {progress.rounds}", flush=True)
        return progress

    def save(self, progress: Progress) -> None:
        self.checkpoints.write(self.name, progress)


def fingerprint(files: Iterable[Path], *others: object) -> str:
    """Of the files' content and what else decides the result, each as its text; in hexadecimal.

    Of a large file it is the size and MOST_BLOCKS blocks, evenly spread.
    """
    digest = hashlib.sha256(repr(others).encode())
    for path in files:
        size = path.stat().st_size
        blocks = -(-size // BLOCK)
        read = sorted({n * blocks // MOST_BLOCKS for n in range(MOST_BLOCKS)} | {blocks - 1})
        digest.update(f"{path.name} {size} ".encode())
        with path.open("rb") as file:
            for block in read if size else ():
                file.seek(block * BLOCK)
                digest.update(file.read(BLOCK))
    return digest.hexdigest()


def _encode(progress: Progress, fingerprint: str) -> bytes:
    """The SHA-256 of what follows, a line of JSON, and the model."""
    header = asdict(progress) | {"fingerprint": fingerprint}
    del header["model"]
    rest = json.dumps(header).encode() + b"\n" + progress.model
    return hashlib.sha256(rest).hexdigest().encode() + b"\n" + rest


def _decode(content: bytes, fingerprint: str) -> Progress:
    """Raises ValueError when it is not whole, or not of this training."""
    checksum, _, rest = content.partition(b"\n")
    if hashlib.sha256(rest).hexdigest().encode() != checksum:
        raise ValueError("it is not whole")
    line, _, model = rest.partition(b"\n")
    header = json.loads(line)
    if header.pop("fingerprint") != fingerprint:
        raise ValueError("it is of other data, hyperparameters or another program")
    return Progress(model=model, **header)


def _warn(text: str) -> None:
    print(f"warning: checkpoints: {text}", file=sys.stderr, flush=True)
