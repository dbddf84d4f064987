"""The files of a job: downloads from S3 before its program, and uploads after it."""

import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from local_aws.errors import JobFailed
from local_aws.partitions import partition_of
from local_aws.sagemaker.s3 import is_inside, key_below, list_keys, path_below, put_file, split_uri

from botocore.exceptions import BotoCoreError
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends


def download_prefix(s3: Any, uri: str, folder: Path, shard: tuple[int, int] = (0, 1)) -> int:
    """Download the objects under an S3 prefix to `folder`, which is created.

    `shard` is the index of the host and the number of hosts: a host gets its part of the objects,
    possibly none. Returns the number of objects for all hosts. Raises JobFailed.
    """
    bucket, prefix = split_uri(uri)
    _check_region(s3, bucket, uri)
    folder.mkdir(parents=True, exist_ok=True)
    objects = 0
    host, every = shard
    try:
        for key in list_keys(s3, bucket, prefix):
            objects += 1
            if (objects - 1) % every != host % every:
                continue
            path = path_below(folder, key_below(prefix, key))
            path.parent.mkdir(parents=True, exist_ok=True)
            content = s3.get_object(Bucket=bucket, Key=key)["Body"]
            with path.open("wb") as file:
                shutil.copyfileobj(content, file)
    except OSError as error:
        raise JobFailed(f"ClientError: Data download failed: {_no_room(error, folder)}") from None
    except (s3.exceptions.ClientError, BotoCoreError, ValueError) as error:
        raise JobFailed(f"ClientError: Data download failed for {uri}: {error}") from None
    return objects


def unpack_source(s3: Any, place: str, root: Path) -> None:
    """Unpack the source of script mode into `code` of the tree, where toolkits search first.

    Toolkits would download it, but a container cannot reach the S3 of this machine. `place` is the
    value of their hyperparameter, as text or as JSON. Does nothing if it is not in S3.

    Raises:
        JobFailed: The source does not exist, or is not an archive.
    """
    uri = place.strip('"')
    if not uri.startswith("s3://"):
        return
    bucket, key = split_uri(uri)
    try:
        with tempfile.TemporaryFile() as file:
            shutil.copyfileobj(s3.get_object(Bucket=bucket, Key=key)["Body"], file)
            file.seek(0)
            with tarfile.open(fileobj=file, mode="r:gz") as archive:
                archive.extractall(root / "code", filter="data")
    except (s3.exceptions.ClientError, BotoCoreError, OSError, tarfile.TarError) as error:
        raise JobFailed(f"ClientError: the source {uri} cannot be unpacked: {error}") from None


def _check_region(s3: Any, bucket: str, uri: str) -> None:
    """Raise JobFailed if the bucket is in another region than the job.

    S3 redirects to the region. This function reads moto's state, because HeadBucket would need the
    permission to list the whole bucket.
    """
    partition = partition_of(s3.meta.region_name)
    found = s3_backends[DEFAULT_ACCOUNT_ID][partition].buckets.get(bucket)
    if found is not None and found.region_name != s3.meta.region_name:
        raise JobFailed(
            f"ClientError: Data download failed for {uri}: PermanentRedirect (301): The bucket you "
            "are attempting to access must be addressed using the specified endpoint. It is in "
            f"{found.region_name}"
        )


def upload(s3: Any, folders: Sequence[Path], uri: str, key_id: str | None = None) -> bool:
    """Upload the files of all `folders`, one of each host, as one tar.gz to `uri`.

    If several hosts have a file with the same name, the first host's file is used. Returns whether
    there were files; without files, nothing is uploaded.

    Raises:
        JobFailed: The disk is full, or S3 refuses the archive.
    """
    files = _files(folders)
    if not files:
        return False
    with _explained("Artifact upload", s3), tempfile.TemporaryFile() as file:
        with tarfile.open(fileobj=file, mode="w:gz", compresslevel=6) as archive:
            for name, path in sorted(files.items()):
                archive.add(path, arcname=str(name), recursive=False)
        file.seek(0)
        put_file(s3, uri, file, key_id)
    return True


def upload_files(s3: Any, folders: Sequence[Path], uri: str, key_id: str | None = None) -> bool:
    """Upload the files of all `folders` like `upload`, but each as an object below `uri`."""
    files = {name: path for name, path in _files(folders).items() if path.is_file()}
    with _explained("Artifact upload", s3):
        for name, path in sorted(files.items()):
            if is_inside(next(each for each in folders if path.is_relative_to(each)), path):
                with path.open("rb") as file:
                    put_file(s3, f"{uri.rstrip('/')}/{name.as_posix()}", file, key_id)
    return bool(files)


def _files(folders: Sequence[Path]) -> dict[Path, Path]:
    return {
        path.relative_to(folder): path
        for folder in reversed(folders)
        if not folder.is_symlink() and is_inside(folder.parent, folder)
        for path in folder.rglob("*")
    }


@contextmanager
def _explained(what: str, s3: Any) -> Iterator[None]:
    """Convert errors of S3 and of the disk of this machine to JobFailed."""
    try:
        yield
    except OSError as error:
        place = Path(tempfile.gettempdir())
        raise JobFailed(f"ClientError: {what} failed: {_no_room(error, place)}") from None
    except (s3.exceptions.ClientError, BotoCoreError) as error:
        raise JobFailed(f"ClientError: {what} failed: {error}") from None


def _no_room(error: OSError, place: Path) -> str:
    """Return AWS's `Insufficient disk space` with the disk of this machine."""
    return f"{error.strerror}: {error.filename or place}"
