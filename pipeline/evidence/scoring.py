"""Score the artifact in S3 again, on the validation data in S3."""

import functools
import math
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from container.artifact import Artifact
from container.contract import (
    ARTIFACT_FILES,
    HYPERPARAMETERS,
    METRICS_FILE,
    TRAIN_CHANNEL,
    VALIDATION_CHANNEL,
)
from container.errors import InputError
from container.features import TREES_SHARE
from container.reading import read_rows
from container.schema import LABEL
from pipeline.data import READ_BYTES, list_channel, read_channel, to_csv
from pipeline.evidence.metrics import Intervals, baselines, cross_validate, evaluate, intervals
from pipeline.execution.archive import download_artifact, load_json
from pipeline.runs import Record

import numpy as np
import pandas as pd
import xgboost as xgb
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
    """The metrics of the artifact, computed again; `problem` is the reason for missing ones."""

    files: dict[str, int] = field(default_factory=dict)  # of the artifact, in bytes
    metrics: dict[str, Any] | None = None  # metrics.json of the artifact
    importances: dict[str, float] | None = None  # by column of the model
    scores: Scores | None = None
    again: dict[str, Any] | None = None  # measured now
    intervals: Intervals | None = None  # of `again`, 95 %
    train_rows: int | None = None
    baselines: dict[str, dict[str, float]] | None = None  # metrics by name of the model
    folds: pd.DataFrame | None = None  # metrics of cross-validation inside the training rows
    problem: str | None = None


def score_again(s3: Any, record: Record) -> Scoring:
    """Return what the artifact, its data and the record's hyperparameters give."""
    scoring = Scoring()
    artifact = record["model_artifact"]
    if artifact is None:
        scoring.problem = "there is no artifact in S3"
        return scoring
    try:
        _score(s3, record, artifact["uri"], scoring)
    except InputError as error:
        scoring.problem = str(error.args[0])
    except (BotoCoreError, ClientError, ValueError, TypeError) as error:
        scoring.problem = str(error)
    return scoring


def _score(s3: Any, record: Record, uri: str, scoring: Scoring) -> None:
    files = download_artifact(s3, uri)
    scoring.files = {name: len(content) for name, content in sorted(files.items())}
    if METRICS_FILE in files:
        scoring.metrics = dict(load_json(files[METRICS_FILE], METRICS_FILE))
    loaded = load_artifact(files)
    if VALIDATION_CHANNEL not in record["data"]:
        raise InputError("the job had no validation channel", "train again")
    rows = read_channel(s3, record["data"][VALIDATION_CHANNEL]["uri"])
    scoring.importances = importances(loaded, rows)
    scores = scoring.scores = Scores(rows[LABEL].to_numpy(), loaded.score(rows))
    scoring.again = measure_again(loaded, scores)
    scoring.intervals = intervals(scores.labels, scores.probabilities)
    train_uri = record["data"][TRAIN_CHANNEL]["uri"]
    if sum(list_channel(s3, train_uri).values()) <= READ_BYTES:
        train = read_channel(s3, train_uri)
        scoring.train_rows = len(train)
        scoring.baselines = baselines(train, rows)
        scoring.folds = _cross_validated(to_csv(train), _hyperparameters(record))


def _hyperparameters(record: Record) -> tuple[tuple[str, int | float], ...]:
    given = record["parameters"]
    return tuple(
        (name, declared.parse(given[name]) if name in given else declared.default)
        for name, declared in HYPERPARAMETERS.items()
    )


@functools.lru_cache(maxsize=8)  # it takes seconds, and many runs have the same data
def _cross_validated(
    train: bytes, hyperparameters: tuple[tuple[str, int | float], ...]
) -> pd.DataFrame:
    return cross_validate(read_rows(train, labelled=True), dict(hyperparameters))


def largest_difference(one: Any, other: Any) -> tuple[str, float]:
    """Return where two metrics.json differ most, and by how much; infinite for a missing value."""
    left, right = dict(_numbers(one)), dict(_numbers(other))
    differences = {
        name: abs(left[name] - right[name]) if name in left and name in right else math.inf
        for name in {**left, **right}
    }
    name = max(differences, key=lambda each: differences[each])
    return name, differences[name]


def _numbers(value: Any, name: str = "") -> Iterator[tuple[str, float]]:
    """Yield every number of a JSON document with its path."""
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _numbers(item, f"{name}.{key}" if name else str(key))
    elif isinstance(value, int | float) and not math.isnan(value):
        yield name, value


def load_artifact(files: dict[str, bytes]) -> Artifact:
    """Load an artifact from its files. Raises InputError when one is missing or not whole."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name in ARTIFACT_FILES:
            if name not in files:
                raise InputError(f"the artifact has no {name}", "train again")
            (folder / name).write_bytes(files[name])
        return Artifact.load(folder)


def contributions(artifact: Artifact, rows: pd.DataFrame) -> pd.DataFrame:
    """Return what each column adds to the log odds of each row, and `intercept` to all.

    The sum of a row is the logit of its score, except for rounding. The SHAP values of trees
    (TreeSHAP) and of a linear model (weight times distance from the mean) have this property, and
    so does their weighted mean.
    """
    columns = artifact.columns(rows)
    matrix = columns.to_numpy(np.float32)
    trees = artifact.booster.predict(xgb.DMatrix(matrix), pred_contribs=True)
    intercept = np.full(len(matrix), artifact.linear.intercept)
    linear = np.column_stack([artifact.linear.contributions(matrix), intercept])
    weighted = TREES_SHARE * trees + (1 - TREES_SHARE) * linear
    return pd.DataFrame(weighted, columns=[*columns, "intercept"])


def importances(artifact: Artifact, rows: pd.DataFrame) -> dict[str, float]:
    """Return the mean absolute SHAP value of each column of the model, in log odds."""
    moved = contributions(artifact, rows).drop(columns="intercept").abs().mean()
    return {str(name): float(value) for name, value in moved.items()}


def measure_again(artifact: Artifact, scores: Scores) -> dict[str, Any]:
    """Return what metrics.json holds, computed by scikit-learn."""
    counts = {
        "trees": artifact.booster.num_boosted_rounds(),
        "validation_rows": len(scores.labels),
    }
    return evaluate(scores.labels, scores.probabilities) | counts
