"""Read the .tar.gz of a training job from S3, within limits: any program may have made it."""

import gzip
import io
import json
import tarfile
import zlib
from typing import Any

from container.errors import InputError
from pipeline.data import split_uri

ARCHIVE_BYTES = 2**30  # of an archive as it lies in S3
UNPACKED_BYTES = 2**28  # of all its files
JSON_BYTES = 2**20  # of a JSON file in it

HINT = "download it and check its content; if it should be a model, train again"


def download(s3: Any, uri: str) -> bytes:
    """Return an object. Raises InputError when there is none, or a larger one than an archive."""
    bucket, key = split_uri(uri)
    try:
        answer = s3.get_object(Bucket=bucket, Key=key)
    except s3.exceptions.NoSuchKey:
        problem = f"{uri}: there is no such object"
        raise InputError(problem, "train again, or restore a former version of it") from None
    if answer["ContentLength"] > ARCHIVE_BYTES:
        raise InputError(f"{uri}: larger than {ARCHIVE_BYTES >> 20} MiB", HINT)
    content: bytes = answer["Body"].read()
    return content


def download_artifact(s3: Any, uri: str) -> dict[str, bytes]:
    """Return the files of a model.tar.gz in S3 by name. Raises InputError as `unpack` does."""
    return unpack(download(s3, uri), uri)


def unpack(content: bytes, uri: str) -> dict[str, bytes]:
    """Return the files of an archive by name.

    Raises InputError for an archive that is incomplete, that contains anything but files and
    folders, or that unpacks to more than UNPACKED_BYTES.
    """
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
            unpacked = file.read(UNPACKED_BYTES + 1)
        if len(unpacked) > UNPACKED_BYTES:
            raise InputError(f"{uri}: unpacks to more than {UNPACKED_BYTES >> 20} MiB", HINT)
        files = {}
        with tarfile.open(fileobj=io.BytesIO(unpacked), mode="r:") as archive:
            for member in archive:
                if not member.isfile() and not member.isdir():
                    raise InputError(f"{uri}: {member.name} is neither file nor folder", HINT)
                if inside := archive.extractfile(member):
                    files[member.name.removeprefix("./")] = inside.read()
    except (EOFError, OSError, ValueError, tarfile.TarError, zlib.error) as error:
        raise InputError(f"{uri}: not a whole tar.gz: {error}", HINT) from None
    return files


def load_json(content: bytes, name: str) -> Any:
    """Return what a JSON file holds. Raises ValueError for one that is too large or too deep."""
    if len(content) > JSON_BYTES:
        raise ValueError(f"{name}: larger than {JSON_BYTES >> 20} MiB")
    try:
        return json.loads(content)
    except RecursionError:
        raise ValueError(f"{name}: nested too deeply") from None
