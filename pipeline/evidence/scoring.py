"""Scores an artifact again: as it lies in S3, on the validation data as they lie in S3."""

import io
import json
import math
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from container.artifact import Artifact
from container.contract import ARTIFACT_FILES, METRICS_FILE, VALIDATION_CHANNEL
from container.errors import InputError
from container.passengers import Passengers, read_passengers
from container.train import measure
from pipeline.data import split_uri
from pipeline.execution.record import Record

from botocore.exceptions import BotoCoreError, ClientError

# Two units of the last decimal that container/metrics.py keeps, for the rounding of another
# processor or of SageMaker, which keeps a metric with 32 bits.
TOLERANCE = 2e-6


@dataclass
class Scoring:
    """What could be done; `problem` says why the rest could not."""

    files: dict[str, int] = field(default_factory=dict)  # of the artifact, in bytes
    metrics: dict[str, Any] | None = None  # metrics.json of the artifact
    importances: dict[str, float] | None = None  # by feature: see _importances
    again: dict[str, Any] | None = None  # measured now
    problem: str | None = None


def score_again(s3: Any, record: Record) -> Scoring:
    scoring = Scoring()
    artifact = record["model_artifact"]
    if artifact is None:
        scoring.problem = "there is no artifact in S3"
        return scoring
    try:
        files = download_artifact(s3, artifact["uri"])
        scoring.files = {name: len(content) for name, content in sorted(files.items())}
        if METRICS_FILE in files:
            scoring.metrics = dict(json.loads(files[METRICS_FILE]))
        loaded = load_artifact(files)
        if VALIDATION_CHANNEL not in record["data"]:
            raise InputError("the job had no validation channel", "train again")
        passengers = read_channel(s3, record["data"][VALIDATION_CHANNEL]["uri"])
        scoring.importances = importances(loaded, passengers)
        scoring.again = measure(loaded, passengers)
    except InputError as error:
        scoring.problem = str(error.args[0])
    except (BotoCoreError, ClientError, tarfile.TarError, ValueError, TypeError) as error:
        scoring.problem = str(error)
    return scoring


def largest_difference(one: Any, other: Any) -> tuple[str, float]:
    """Between two metrics.json, and where it is; infinite where something stands in one only."""
    left, right = dict(_numbers(one)), dict(_numbers(other))
    differences = {
        name: abs(left[name] - right[name]) if name in left and name in right else math.inf
        for name in {**left, **right}
    }
    name = max(differences, key=lambda each: differences[each])
    return name, differences[name]


def _numbers(value: Any, name: str = "") -> Iterator[tuple[str, float]]:
    """Every number in it, under its path. What is none (the threshold of (0, 0) is null) is left
    out."""
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _numbers(item, f"{name}.{key}" if name else str(key))
    elif isinstance(value, int | float) and not math.isnan(value):
        yield name, value


def _download(s3: Any, uri: str) -> bytes:
    bucket, key = split_uri(uri)
    content: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    return content


def download_artifact(s3: Any, uri: str) -> dict[str, bytes]:
    """The files of a model.tar.gz in S3, by name."""
    files = {}
    with tarfile.open(fileobj=io.BytesIO(_download(s3, uri))) as archive:
        for member in archive:
            file = archive.extractfile(member)
            if file:
                files[member.name.removeprefix("./")] = file.read()
    return files


def load_artifact(files: dict[str, bytes]) -> Artifact:
    """Raises InputError when one of its files is missing or not whole."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name in ARTIFACT_FILES:
            if name not in files:
                raise InputError(f"the artifact has no {name}", "train again")
            (folder / name).write_bytes(files[name])
        return Artifact.load(folder)


def importances(artifact: Artifact, passengers: Passengers) -> dict[str, float]:
    """How much each feature moves the log odds of a passenger, in the mean of the absolute
    values."""
    moved = abs(artifact.contributions(passengers)[:, :-1]).mean(axis=0)
    return dict(zip(artifact.features.names, moved.tolist(), strict=True))


def read_channel(s3: Any, uri: str) -> Passengers:
    """The rows of a channel, in the order of their files' names, as the training program reads.

    Raises InputError when there are none, or they cannot be read.
    """
    bucket, prefix = split_uri(uri)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    keys = sorted(item["Key"] for page in pages for item in page.get("Contents", []))
    passengers = Passengers()
    for key in keys:
        content = _download(s3, f"s3://{bucket}/{key}")
        passengers.extend(read_passengers(content, f"s3://{bucket}/{key}", labelled=True))
    if not len(passengers):
        raise InputError(f"there are no data at {uri}", "upload them again")
    return passengers
