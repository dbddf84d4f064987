"""The metrics of a binary classifier, on the validation channel or by cross-validation.

Definitions are those of scikit-learn's user guide ("Metrics and scoring"), and tested against it.
scikit-learn itself stays out of the image: `import xgboost` imports it where it is installed, which
doubles the time and the memory of every start (figures in benchmarks/README.md).
"""

from collections.abc import Callable, Iterator
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
DECIMALS = 6
CALIBRATION_BINS = 10
MAX_ROC_POINTS = 500  # what a picture can show; all of them would be 48 bytes for each row
FEW_ROWS = 100  # with fewer validation rows, the 95 % interval of an AUC of 0.85 is wider than 0.15
FOLD_SEED = 0  # one for all: hyperparameters are compared on the same folds


def evaluate(labels: NDArray[np.integer], probabilities: NDArray[np.floating]) -> dict[str, Any]:
    """Return the metrics of some rows.

    Args:
        labels: 0 or 1, and both of them, shape (rows,).
        probabilities: Of label 1, shape (rows,).

    Returns:
        accuracy, auc, f1, log_loss (natural logarithm), calibration_error, the confusion matrix at
        DECISION_THRESHOLD, and the points of the ROC curve from (0, 0) to (1, 1), of many rows
        MAX_ROC_POINTS at most.

    Raises:
        InputError: A probability is not finite, or a class is missing.
    """
    p = probabilities.astype(np.float64)
    if not np.isfinite(p).all():
        raise InputError("scores that are no numbers cannot be evaluated", "train again")
    true, predicted = labels == 1, p >= DECISION_THRESHOLD
    if true.all() or not true.any():
        raise InputError(f"{len(p)} rows of one class cannot be evaluated", "give rows of both")
    tp, fp = int(np.sum(true & predicted)), int(np.sum(~true & predicted))
    fn, tn = int(np.sum(true & ~predicted)), int(np.sum(~true & ~predicted))
    fp_above, tp_above, thresholds = _roc(true, p)
    clipped = np.clip(p, np.finfo(np.float64).eps, 1 - np.finfo(np.float64).eps)
    log_loss = -np.mean(np.where(true, np.log(clipped), np.log1p(-clipped)))
    return {
        "accuracy": _round((tp + tn) / len(labels)),
        "auc": _round(np.trapezoid(tp_above, fp_above) / (tp_above[-1] * fp_above[-1])),
        "f1": _round(2 * tp / (2 * tp + fp + fn)),
        "log_loss": _round(log_loss),
        "calibration_error": _round(calibration_error(labels, p)),
        "confusion_matrix": {
            "true_negative": tn,
            "false_positive": fp,
            "false_negative": fn,
            "true_positive": tp,
        },
        "roc": _curve(fp_above, tp_above, thresholds),
    }


def calibration_error(labels: NDArray[np.integer], p: NDArray[np.float64]) -> float:
    """Return the expected calibration error (Naeini, Cooper and Hauskrecht, 2015).

    How far the mean probability of a bin is from the share of label 1 in it, on average over ten
    bins of equally many rows. Rows of equal probability are taken in the order of their labels, so
    that the order of the rows does not matter.
    """
    order = np.lexsort((labels, p))
    bins = zip(*(np.array_split(each[order], CALIBRATION_BINS) for each in (labels, p)), strict=True)
    return sum(abs(float(q.mean() - y.mean())) * len(q) for y, q in bins if len(q)) / len(labels)


def measure(artifact: Artifact, rows: Rows, cluster: Cluster = SINGLE_HOST) -> dict[str, Any]:
    """Score labelled rows, those of every host, and evaluate.

    Returns:
        What `evaluate` returns, with `trees` and `validation_rows`.
    """
    scored = [(chunk[LABEL].to_numpy(), artifact.score(chunk)) for chunk in chunks(rows)]
    of_hosts = sum(cluster.allgather(scored), [])
    labels, probabilities = map(np.concatenate, zip(*of_hosts, strict=True))
    counts = {"trees": artifact.booster.num_boosted_rounds(), "validation_rows": len(labels)}
    return evaluate(labels, probabilities) | counts


def cross_validate(
    rows: pd.DataFrame, folds: int, fit: Callable[[pd.DataFrame, pd.DataFrame], Artifact]
) -> Iterator[dict[str, float]]:
    """Yield the METRICS of each fold, measured by a model that has seen nothing of it.

    Args:
        rows: Labelled rows.
        folds: How many, at least 3.
        fit: Called with the rows to train on, and with those that early stopping may watch: the
            fold after the measured one, which is not trained on either.
    """
    fold_of = stratified_folds(rows[LABEL].to_numpy(), folds)
    for measured in range(folds):
        watched = (measured + 1) % folds
        train = rows[(fold_of != measured) & (fold_of != watched)]
        artifact = fit(*(part.reset_index(drop=True) for part in (train, rows[fold_of == watched])))
        metrics = measure(artifact, rows[fold_of == measured].reset_index(drop=True))
        yield {name: metrics[name] for name in METRICS}


def stratified_folds(labels: NDArray[np.integer], folds: int) -> NDArray[np.intp]:
    """Return the number of the fold of each row; every fold has its share of both labels.

    Raises InputError when there are not enough rows for that.
    """
    random = np.random.default_rng(FOLD_SEED)
    fold_of = np.empty(len(labels), np.intp)
    dealt = 0
    for label in (0, 1):
        of_label = random.permutation(np.flatnonzero(labels == label))
        if len(of_label) < folds:
            raise InputError(
                f"{folds} folds: there are only {len(of_label)} rows with the label {label}",
                "take fewer folds, or give more rows",
            )
        fold_of[of_label] = (dealt + np.arange(len(of_label))) % folds
        dealt += len(of_label)
    return fold_of


def _roc(
    true: NDArray[np.bool_], p: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return false and true positives at each distinct probability, falling, after (0, 0)."""
    order = np.argsort(-p, kind="stable")
    true, p = true[order], p[order]
    last_of_tie = np.append(np.flatnonzero(np.diff(p)), len(p) - 1)
    tp = np.cumsum(true)[last_of_tie]
    return np.append(0, last_of_tie + 1 - tp), np.append(0, tp), p[last_of_tie]


def _curve(
    fp: NDArray[np.int64], tp: NDArray[np.int64], thresholds: NDArray[np.float64]
) -> dict[str, list[float | None]]:
    """Return all points while they are few, else some of them, evenly along the curve."""
    kept = np.arange(len(fp))
    if len(kept) > MAX_ROC_POINTS:
        along = fp / fp[-1] + tp / tp[-1]
        kept = np.unique(np.searchsorted(along, np.linspace(0, 2, MAX_ROC_POINTS)))
    return {
        "false_positive_rate": [_round(v) for v in fp[kept] / fp[-1]],
        "true_positive_rate": [_round(v) for v in tp[kept] / tp[-1]],
        "threshold": [None, *(_round(v) for v in thresholds[kept[1:] - 1])],
    }


def _round(value: Any) -> float:
    return round(float(value), DECIMALS)
