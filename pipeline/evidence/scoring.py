"""Scores an artifact again: as it lies in S3, on the validation data as they lie in S3."""

import math
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from container.artifact import Artifact
from container.contract import ARTIFACT_FILES, METRICS_FILE, TRAIN_CHANNEL, VALIDATION_CHANNEL
from container.errors import InputError
from container.schema import LABEL
from pipeline.data import READ_BYTES, list_channel, read_channel
from pipeline.evidence.metrics import baselines, evaluate
from pipeline.execution.archive import download_artifact, load_json
from pipeline.execution.record import Record

import numpy as np
import pandas as pd
from botocore.exceptions import BotoCoreError, ClientError
from numpy.typing import NDArray

# Two units of the last decimal of metrics.json, for the rounding of another
# processor or of SageMaker, which keeps a metric with 32 bits.
TOLERANCE = 2e-6


@dataclass(frozen=True)
class Scores:
    """Labels and probabilities of label 1 of the validation rows, shape (rows,)."""

    labels: NDArray[np.int8]
    probabilities: NDArray[np.float32]


@dataclass
class Scoring:
    """What could be done; `problem` says why the rest could not."""

    files: dict[str, int] = field(default_factory=dict)  # of the artifact, in bytes
    metrics: dict[str, Any] | None = None  # metrics.json of the artifact
    importances: dict[str, float] | None = None  # by column of the model
    scores: Scores | None = None
    again: dict[str, Any] | None = None  # measured now
    baselines: dict[str, dict[str, float]] | None = None  # metrics by name of the model
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
            scoring.metrics = dict(load_json(files[METRICS_FILE], METRICS_FILE))
        loaded = load_artifact(files)
        if VALIDATION_CHANNEL not in record["data"]:
            raise InputError("the job had no validation channel", "train again")
        rows = read_channel(s3, record["data"][VALIDATION_CHANNEL]["uri"])
        scoring.importances = importances(loaded, rows)
        scoring.scores = Scores(rows[LABEL].to_numpy(), loaded.score(rows))
        scoring.again = measure_again(loaded, scoring.scores)
        train = record["data"][TRAIN_CHANNEL]["uri"]
        if sum(list_channel(s3, train).values()) <= READ_BYTES:
            scoring.baselines = baselines(read_channel(s3, train), rows)
    except InputError as error:
        scoring.problem = str(error.args[0])
    except (BotoCoreError, ClientError, ValueError, TypeError) as error:
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
    """Yield every number in it, under its path. What is none is left out."""
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _numbers(item, f"{name}.{key}" if name else str(key))
    elif isinstance(value, int | float) and not math.isnan(value):
        yield name, value


def load_artifact(files: dict[str, bytes]) -> Artifact:
    """Raises InputError when one of its files is missing or not whole."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name in ARTIFACT_FILES:
            if name not in files:
                raise InputError(f"the artifact has no {name}", "train again")
            (folder / name).write_bytes(files[name])
        return Artifact.load(folder)


def importances(artifact: Artifact, rows: pd.DataFrame) -> dict[str, float]:
    """Return the mean absolute SHAP value of each column of the model, in log odds."""
    moved = artifact.contributions(rows).drop(columns="intercept").abs().mean()
    return {str(name): float(value) for name, value in moved.items()}


def measure_again(artifact: Artifact, scores: Scores) -> dict[str, Any]:
    """Return what metrics.json holds, computed by scikit-learn."""
    counts = {
        "trees": artifact.booster.num_boosted_rounds(),
        "validation_rows": len(scores.labels),
    }
    return evaluate(scores.labels, scores.probabilities) | counts
