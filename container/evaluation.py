"""The metrics of a binary classifier, on the validation channel or by cross-validation.

Definitions are those of scikit-learn's user guide ("Metrics and scoring"), and tested against it.
scikit-learn itself stays out of the image: `import xgboost` imports it where it is installed, which
doubles the time and the memory of every start (figures in benchmarks/README.md).
"""

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

from container.artifact import Artifact
from container.channel import Rows, chunks
from container.cluster import SINGLE_HOST, Cluster
from container.contract import METRICS
from container.errors import InputError
from container.schema import LABEL

import numpy as np
import pandas as pd
from numpy.typing import NDArray

DECISION_THRESHOLD = 0.5
FOLD_SEED = 0  # one for all: hyperparameters are compared on the same folds


def evaluate(labels: NDArray[Any], probabilities: NDArray[Any]) -> dict[str, Any]:
    """Return accuracy, auc, f1, log_loss (natural logarithm) and the confusion matrix.

    Labels are 0 or 1, and both of them; probabilities are those of label 1; shapes are (rows,).
    Raises InputError when a probability is not finite, or a class is missing.
    """
    true, p = labels == 1, probabilities.astype(float)
    if not np.isfinite(p).all():
        raise InputError("scores that are no numbers cannot be evaluated", "train again")
    positive, negative = int(true.sum()), int((~true).sum())
    if not positive or not negative:
        raise InputError(f"{len(p)} rows of one class cannot be evaluated", "give rows of both")
    predicted = p >= DECISION_THRESHOLD
    tp, fp = int((true & predicted).sum()), int((~true & predicted).sum())
    eps = np.finfo(float).eps
    p_clipped = np.clip(p, eps, 1 - eps)
    log_loss = -np.where(true, np.log(p_clipped), np.log1p(-p_clipped)).mean()
    # The AUC is the share of pairs in order: Mann and Whitney's U over mean ranks.
    ranks = pd.Series(p).rank().to_numpy()
    auc = (ranks[true].sum() - positive * (positive + 1) / 2) / (positive * negative)
    values: dict[str, Any] = {
        "accuracy": (tp + negative - fp) / len(p),
        "auc": auc,
        "f1": 2 * tp / (positive + tp + fp),
        "log_loss": log_loss,
    }
    matrix = {"true_negative": negative - fp, "false_positive": fp}
    matrix |= {"false_negative": positive - tp, "true_positive": tp}
    return {name: float(value) for name, value in values.items()} | {"confusion_matrix": matrix}


def measure(artifact: Artifact, rows: Rows, cluster: Cluster = SINGLE_HOST) -> dict[str, Any]:
    """Score labelled rows, those of every host, and evaluate; also count trees and rows."""
    scored = [(chunk[LABEL].to_numpy(), artifact.score(chunk)) for chunk in chunks(rows)]
    of_hosts = chain(*cluster.allgather(scored))
    labels, probabilities = map(np.concatenate, zip(*of_hosts, strict=True))
    counts = {"trees": artifact.booster.num_boosted_rounds(), "validation_rows": len(labels)}
    return evaluate(labels, probabilities) | counts


def cross_validate(
    rows: pd.DataFrame, folds: int, fit: Callable[[pd.DataFrame, pd.DataFrame], Artifact]
) -> Iterator[dict[str, float]]:
    """Yield the METRICS of each fold, measured by a model that has seen nothing of it.

    `fit` is called with the rows to train on, and with those that early stopping may watch: the
    fold after the measured one, which is not trained on either.
    """
    fold_of = stratified_folds(rows[LABEL].to_numpy(), folds)
    parts = [rows[fold_of == fold].reset_index(drop=True) for fold in range(folds)]
    for measured in range(folds):
        watched = (measured + 1) % folds
        train = rows[~np.isin(fold_of, [measured, watched])].reset_index(drop=True)
        metrics = measure(fit(train, parts[watched]), parts[measured])
        yield {name: metrics[name] for name in METRICS}


def stratified_folds(labels: NDArray[Any], folds: int) -> NDArray[np.intp]:
    """Return the number of the fold of each row; every fold has its share of both labels.

    Raises InputError when there are not enough rows for that.
    """
    random = np.random.default_rng(FOLD_SEED)
    by_label = [random.permutation(np.flatnonzero(labels == label)) for label in (0, 1)]
    for label, rows in enumerate(by_label):
        if len(rows) < folds:
            raise InputError(
                f"{folds} folds: there are only {len(rows)} rows with the label {label}",
                "take fewer folds, or give more rows",
            )
    fold_of = np.empty(len(labels), np.intp)
    fold_of[np.concatenate(by_label)] = np.arange(len(labels)) % folds
    return fold_of
