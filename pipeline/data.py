"""The data: read, split into channels, and uploaded under the hash of their content.

`python pipeline/data.py` does just this step.
"""

import base64
import hashlib
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from container.contract import TRAIN_CHANNEL, VALIDATION_CHANNEL
from container.errors import InputError
from container.passengers import Passengers, canonical_rows, read_passengers, write_passengers
from pipeline import cli
from pipeline.settings import Settings, load_settings
from pipeline.stack import read_stack

import boto3

HASH_CHARACTERS = 16
DATA = "data/"  # all data is below it; build/infrastructure.yml names it in the policies


@dataclass(frozen=True)
class Dataset:
    """The CSV content of each channel."""

    channels: dict[str, bytes]

    @property
    def content_hash(self) -> str:
        digest = hashlib.sha256()
        for name, content in sorted(self.channels.items()):
            digest.update(f"{name} {hashlib.sha256(content).hexdigest()}\n".encode())
        return digest.hexdigest()[:HASH_CHARACTERS]

    def key(self, channel: str, prefix: str) -> str:
        return f"{DATA}{prefix}/{self.content_hash}/{channel}/{channel}.csv"

    def uris(self, bucket: str, prefix: str) -> dict[str, str]:
        """The S3 prefix of each channel, as a training job takes it."""
        folder = f"s3://{bucket}/{DATA}{prefix}/{self.content_hash}"
        return {channel: f"{folder}/{channel}/" for channel in self.channels}


def prepare(settings: Settings) -> Dataset:
    """Raises InputError when the file is missing, or its rows cannot be trained on."""
    path = settings.data_file
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path}: {error.strerror}", "name a CSV file in data_file of pipeline.yaml"
        ) from None
    passengers = read_passengers(content, str(path), labelled=True)
    train, validation = split(passengers, settings.validation_fraction, settings.split_seed)
    for channel, rows in ((TRAIN_CHANNEL, train), (VALIDATION_CHANNEL, validation)):
        if set(passengers.take(rows).labels) != {0, 1}:
            raise InputError(
                f"{path}: the {channel} part ({len(rows)} rows) does not hold both labels, 0 and 1",
                "give more rows of both, or another validation_fraction",
            )
    return Dataset(
        {
            TRAIN_CHANNEL: write_passengers(passengers.take(train)),
            VALIDATION_CHANNEL: write_passengers(passengers.take(validation)),
        }
    )


def split(passengers: Passengers, fraction: float, seed: int) -> tuple[list[int], list[int]]:
    """Row indices for training and validation, each in the order of the file.

    Stratified: of each label, the share `fraction` (rounded half up) goes to validation. Which
    rows these are depends on the seed and the rows' own content, not on their order.
    """
    by_label: dict[int, list[tuple[bytes, int]]] = {0: [], 1: []}
    for row, cells in enumerate(canonical_rows(passengers)):
        draw = hashlib.sha256("\x1f".join((str(seed), *cells)).encode()).digest()
        by_label[passengers.labels[row]].append((draw, row))
    validation: set[int] = set()
    for draws in by_label.values():
        held_out = math.floor(len(draws) * fraction + 0.5)
        validation.update(row for _, row in sorted(draws)[:held_out])
    rows = range(len(passengers))
    return [row for row in rows if row not in validation], sorted(validation)


def upload(s3: Any, dataset: Dataset, bucket: str, prefix: str) -> dict[str, bool]:
    """Puts each channel into S3, with its SHA-256 as checksum; says for each whether it was sent.

    What S3 already holds with the same checksum is not sent again.
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


def split_uri(uri: str) -> tuple[str, str]:
    """`s3://bucket/a/b` as `("bucket", "a/b")`."""
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
    arguments = cli.parser(__doc__).parse_args(argv)

    def command() -> int:
        settings = load_settings(arguments.config)
        dataset = prepare(settings)
        session = boto3.Session(region_name=settings.region)
        stack = read_stack(session.client("cloudformation"), settings.stack_name)
        sent = upload(session.client("s3"), dataset, stack.bucket, settings.prefix)
        for channel, uri in dataset.uris(stack.bucket, settings.prefix).items():
            state = "uploaded" if sent[channel] else "already there"
            print(f"{channel}: {state}", file=sys.stderr)
            print(uri)
        return cli.SUCCEEDED

    return cli.run(command)


if __name__ == "__main__":
    raise SystemExit(main())
