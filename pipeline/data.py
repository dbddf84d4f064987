"""Read the data, split them into channels, and upload them under the hash of their content.

`.venv/bin/python pipeline/data.py` runs this step alone.
"""

import base64
import hashlib
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

try:
    from container.contract import TRAIN_CHANNEL, VALIDATION_CHANNEL
except ModuleNotFoundError as error:
    raise SystemExit(f"error: {error}\nhint: make .venv/ready, then use .venv/bin/python") from None

from container.errors import InputError
from container.opt_ml import is_hidden
from container.reading import read_chunks, read_rows
from container.schema import LABEL
from pipeline import cli
from pipeline.settings import Settings, load_settings
from pipeline.stack import read_stack

import boto3
import pandas as pd

HASH_CHARACTERS = 16
DATA = "data/"  # all data is below it; build/infrastructure.yml names it in the policies
URI_KEY = "{channel}_data_uri"  # under which a model version keeps where its data are
MIN_VALIDATION_ROWS = 10
READ_BYTES = 16 * 2**20  # the most of a channel in S3 that is read to check or to compare


@dataclass(frozen=True)
class Dataset:
    """The CSV content of each channel."""

    channels: dict[str, bytes]

    @property
    def content_hash(self) -> str:
        """The SHA-256 of all channels, shortened: the S3 prefix of equal data is the same."""
        digest = hashlib.sha256()
        for name, content in sorted(self.channels.items()):
            digest.update(f"{name} {hashlib.sha256(content).hexdigest()}\n".encode())
        return digest.hexdigest()[:HASH_CHARACTERS]

    def key(self, channel: str, prefix: str) -> str:
        """Return the S3 key of a channel's one file."""
        return f"{DATA}{prefix}/{self.content_hash}/{channel}/{channel}.csv"

    def uris(self, bucket: str, prefix: str) -> dict[str, str]:
        """Return the S3 prefix of each channel, as a training job takes it."""
        folder = f"s3://{bucket}/{DATA}{prefix}/{self.content_hash}"
        return {channel: f"{folder}/{channel}/" for channel in self.channels}


def prepare(settings: Settings) -> Dataset:
    """Read the data file, and split it into the content of the channels.

    The split is stratified by the label. The rows are sorted before the split, so the order of the
    rows in the file does not matter.

    Raises:
        InputError: The file is missing, its rows cannot be trained on, or too few of them validate.
    """
    path = settings.data_file
    rows = read_rows(path, labelled=True)
    rows = rows.sort_values(list(rows), ignore_index=True)
    fraction = settings.validation_fraction
    expected = round(len(rows) * fraction)
    zeros, ones = (int((rows[LABEL] == label).sum()) for label in (0, 1))
    if expected < MIN_VALIDATION_ROWS:
        needed = math.ceil(MIN_VALIDATION_ROWS / min(fraction, 1 - fraction))
        raise InputError(
            f"{path}: {len(rows)} rows, of which {expected} are for validation, are too few",
            f"give at least {needed} rows, {MIN_VALIDATION_ROWS} of each label",
        )
    if min(zeros, ones) < MIN_VALIDATION_ROWS:
        raise InputError(
            f"{path}: {LABEL} is 0 in {zeros} rows and 1 in {ones}: nothing can be learned",
            f"give at least {MIN_VALIDATION_ROWS} rows of each label",
        )
    from sklearn.model_selection import train_test_split  # a second at the start

    parts = train_test_split(
        rows, test_size=fraction, random_state=settings.split_seed, stratify=rows[LABEL]
    )
    return Dataset(
        {
            channel: to_csv(part.sort_index())
            for channel, part in zip((TRAIN_CHANNEL, VALIDATION_CHANNEL), parts, strict=True)
        }
    )


def to_csv(rows: pd.DataFrame) -> bytes:
    """Return rows as the CSV of a channel: the same rows give the same bytes."""
    text: str = rows.to_csv(index=False, lineterminator="\n", float_format="%.15g")
    return text.encode()


def upload(s3: Any, dataset: Dataset, bucket: str, prefix: str) -> dict[str, bool]:
    """Upload each channel to S3 with its SHA-256, and return which channels were sent.

    A file that S3 already has with the same checksum is not sent again.
    """
    sent = {}
    for channel, content in dataset.channels.items():
        checksum = base64.b64encode(hashlib.sha256(content).digest()).decode()
        key = dataset.key(channel, prefix)
        sent[channel] = _stored_checksum(s3, bucket, key) != checksum
        if sent[channel]:
            s3.put_object(
                Bucket=bucket,
                Key=key,
                Body=content,
                ChecksumAlgorithm="SHA256",
                ChecksumSHA256=checksum,
                ContentType="text/csv",
            )
    return sent


def write(dataset: Dataset, folder: Path) -> None:
    """Write each channel into `folder` as CSV. Raises InputError when that is not possible."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for channel, content in dataset.channels.items():
            (folder / f"{channel}.csv").write_bytes(content)
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be written to: {error.strerror}", "give another --output FOLDER"
        ) from None


def list_channel(s3: Any, uri: str) -> dict[str, int]:
    """Return the sizes of the objects that a training job reads under an S3 URI, by key, sorted."""
    bucket, prefix = split_uri(uri)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    sizes = {item["Key"]: item["Size"] for page in pages for item in page.get("Contents", [])}
    return {
        key: size
        for key, size in sorted(sizes.items())
        if not (key.endswith("/") or is_hidden(key.removeprefix(prefix)))
    }


def read_channel(s3: Any, uri: str) -> pd.DataFrame:
    """Read the labelled rows of a channel in S3, as a training job does.

    Raises InputError when there are none, or they cannot be trained on.
    """
    bucket, _ = split_uri(uri)
    parts: list[pd.DataFrame] = []
    for key in list_channel(s3, uri):
        content = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        parts += read_chunks(content, f"s3://{bucket}/{key}", labelled=True)
    if not parts:
        raise InputError(f"no rows in {uri}", "upload rows, or correct the S3 URI")
    return pd.concat(parts, ignore_index=True)


def split_uri(uri: str) -> tuple[str, str]:
    """Split `s3://bucket/a/b` into `("bucket", "a/b")`."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def _stored_checksum(s3: Any, bucket: str, key: str) -> str | None:
    # Listed first: who may list only below some prefixes gets 403, not 404, from HeadObject for an
    # object that is not there.
    found = s3.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1).get("Contents", [])
    if [item["Key"] for item in found] != [key]:
        return None
    head = s3.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    checksum: str | None = head.get("ChecksumSHA256")
    return checksum


def main(argv: Sequence[str] | None = None) -> int:
    """Upload the channels to S3, and return the exit code."""
    parser = cli.local_parser(__doc__)
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="also write each channel as a CSV file to this folder",
    )
    arguments = parser.parse_args(argv)

    def command() -> int:
        settings = load_settings(arguments.config)
        dataset = prepare(settings)
        if arguments.output:
            write(dataset, arguments.output)
        with cli.endpoint(arguments, settings):
            session = boto3.Session(region_name=settings.region)
            stack = read_stack(session.client("cloudformation"), settings.stack_name)
            sent = upload(session.client("s3"), dataset, stack.bucket, settings.prefix)
        for channel, uri in dataset.uris(stack.bucket, settings.prefix).items():
            state = "uploaded" if sent[channel] else "already there"
            print(f"{channel}: {state}", file=sys.stderr)
            print(uri)
        return cli.SUCCEEDED

    return cli.run(command, arguments.config)


if __name__ == "__main__":
    raise SystemExit(main())
