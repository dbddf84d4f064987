"""S3 objects: their URIs, their keys, and the paths of downloaded files."""

from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any


def split_uri(uri: str) -> tuple[str, str]:
    """Return the bucket and the key (or prefix) of `s3://bucket/key`."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def path_below(root: Path, key: str) -> Path:
    """Return the path below `root` for the part of a key after the prefix.

    Raises:
        ValueError: The key does not give a path below the folder.
    """
    parts = [part for part in key.split("/") if part]
    if not parts or "\0" in key or {".", ".."} & set(parts):
        raise ValueError(f"the key {key!r} is not the path of a file below a folder")
    return root.joinpath(*parts)


def is_inside(root: Path, path: Path) -> bool:
    """Return whether `path` is below `root` after all links are resolved.

    The program of a job can create links in its tree that lead to other files of this machine.
    """
    return path.resolve().is_relative_to(root.resolve())


def list_keys(s3: Any, bucket: str, prefix: str) -> Iterator[str]:
    """Yield the keys that begin with `prefix`, without the folder keys that a console creates."""
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        yield from (each["Key"] for each in page.get("Contents", []) if each["Key"][-1] != "/")


def key_below(prefix: str, key: str) -> str:
    """Return the part of a key after the prefix, or the file name if the prefix ends inside it."""
    folder = f"{prefix.rstrip('/')}/" if prefix else ""
    if not key.startswith(folder):
        folder = prefix.rpartition("/")[0]
    return key.removeprefix(folder).lstrip("/")


def put_file(s3: Any, uri: str, file: IO[bytes], key_id: str | None) -> None:
    """Upload a file to `uri`, encrypted with a key of KMS if one is given."""
    bucket, key = split_uri(uri)
    encrypted = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key_id} if key_id else {}
    s3.put_object(Bucket=bucket, Key=key, Body=file, **encrypted)
