"""The sync of a training job's checkpoint folders with S3.

The folder is filled from S3 once, before the program starts. After that, files that are written or
deleted there are written or deleted in S3. Source: "Checkpoints in Amazon SageMaker AI", developer
guide.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from local_aws.errors import JobFailed
from local_aws.sagemaker.s3 import is_inside, list_keys, path_below, split_uri

from botocore.exceptions import BotoCoreError

SECONDS_BETWEEN = 1.0

Version = tuple[int, int]  # a change of a file changes its size or time


class CheckpointSync:
    """The checkpoint folders of all hosts, with one S3 prefix."""

    def __init__(self, s3: Any, uri: str, roots: Mapping[str, Path]) -> None:
        self._s3 = s3
        self._bucket, prefix = split_uri(uri)
        self._prefix = prefix.rstrip("/") + "/"
        self._folders = [root / "checkpoints" for root in roots.values()]
        self._known: dict[Path, Version] = {}  # as they are in S3
        self._ended = threading.Event()
        self._failure: Exception | None = None

    def fill(self) -> None:
        """Download the checkpoints. Raises JobFailed if they cannot be read."""
        for folder in self._folders:
            folder.mkdir()
        try:
            for key in list(list_keys(self._s3, self._bucket, self._prefix)):
                body = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()
                for folder in self._folders:
                    path = path_below(folder, key.removeprefix(self._prefix))
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(body)
        except (self._s3.exceptions.ClientError, BotoCoreError, OSError, ValueError) as error:
            raise JobFailed(f"ClientError: Checkpoint download failed: {error}") from None
        self._known = self._versions()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Copy the checkpoint folders to S3 during the context, and again at its end.

        Raises JobFailed if this fails.
        """
        thread = threading.Thread(target=self._repeat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()
            self._try_once()
        if self._failure:
            raise JobFailed(f"ClientError: Checkpoint upload failed: {self._failure}")

    def _repeat(self) -> None:
        while not self._ended.wait(SECONDS_BETWEEN) and not self._failure:
            self._try_once()

    def _try_once(self) -> None:
        try:
            self._update()
        except (self._s3.exceptions.ClientError, BotoCoreError, OSError) as error:
            self._failure = error

    def _update(self) -> None:
        present = self._versions()
        for path, version in present.items():
            if self._known.get(path) != version:
                try:
                    body = path.read_bytes()
                except FileNotFoundError:  # the program has deleted it since
                    continue
                self._s3.put_object(Bucket=self._bucket, Key=self._key(path), Body=body)
                self._known[path] = version
        for path in self._known.keys() - present.keys():
            self._s3.delete_object(Bucket=self._bucket, Key=self._key(path))
            del self._known[path]

    def _versions(self) -> dict[Path, Version]:
        found = {}
        for folder in self._folders:
            for path in folder.rglob("*"):
                try:
                    status = path.stat()
                except FileNotFoundError:
                    continue
                if path.is_file() and is_inside(folder.parent, path):
                    found[path] = (status.st_size, status.st_mtime_ns)
        return found

    def _key(self, path: Path) -> str:
        (folder,) = (each for each in self._folders if path.is_relative_to(each))
        return self._prefix + path.relative_to(folder).as_posix()


@contextmanager
def synced_checkpoints(
    s3: Any, config: Mapping[str, str] | None, roots: Mapping[str, Path]
) -> Iterator[None]:
    """Sync the folders of a CheckpointConfig, if there is one, during the context.

    Raises JobFailed.
    """
    if not config:
        yield
        return
    sync = CheckpointSync(s3, config["S3Uri"], roots)
    sync.fill()
    with sync.running():
        yield
