"""S3 buckets: created in the region of a client, and filled from folders."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local_aws.errors import UserError

DEFAULT_REGION = "us-east-1"  # the one that a request must not name


def create_bucket(s3: Any, name: str) -> None:
    """Create a bucket in the region of the client."""
    region = s3.meta.region_name
    place = {"CreateBucketConfiguration": {"LocationConstraint": region}}
    s3.create_bucket(Bucket=name, **(place if region != DEFAULT_REGION else {}))


def fill_buckets(s3: Any, buckets: Mapping[str, Path]) -> None:
    """Create each bucket, and upload the files of its folder. Raises UserError."""
    for name, folder in buckets.items():
        if not folder.is_dir():
            raise UserError(f"buckets: {name}: {folder} is no folder", "name a folder to fill it")
        create_bucket(s3, name)
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                s3.upload_file(str(path), name, path.relative_to(folder).as_posix())
