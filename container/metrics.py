"""The metrics of a binary classifier, from labels and predicted probabilities.

Definitions are those of scikit-learn's user guide ("Metrics and scoring"); scikit-learn itself
stays out of the image, where it would cost more than all the rest (`import xgboost` imports it).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

DECISION_THRESHOLD = 0.5
DECIMALS = 6
CALIBRATION_BINS = 10


def evaluate(labels: NDArray[np.int64], probabilities: NDArray[np.floating]) -> dict[str, Any]:
    """accuracy, auc, f1, log_loss (natural logarithm), calibration_error, the confusion matrix at
    probability 0.5 and the ROC points from (0, 0) to (1, 1). `labels` are 0 or 1 and hold both;
    shapes are (rows,).
    """
    p = probabilities.astype(np.float64)
    true, predicted = labels == 1, p >= DECISION_THRESHOLD
    tp, fp = int(np.sum(true & predicted)), int(np.sum(~true & predicted))
    fn, tn = int(np.sum(true & ~predicted)), int(np.sum(~true & ~predicted))
    fpr, tpr, thresholds = _roc(true, p)
    clipped = np.clip(p, np.finfo(np.float64).eps, 1 - np.finfo(np.float64).eps)
    log_loss = -np.mean(np.where(true, np.log(clipped), np.log1p(-clipped)))
    return {
        "accuracy": _round((tp + tn) / len(labels)),
        "auc": _round(np.trapezoid(tpr, fpr)),
        "f1": _round(2 * tp / (2 * tp + fp + fn)),
        "log_loss": _round(log_loss),
        "calibration_error": _round(calibration_error(labels, p)),
        "confusion_matrix": {
            "true_negative": tn,
            "false_positive": fp,
            "false_negative": fn,
            "true_positive": tp,
        },
        "roc": {
            "false_positive_rate": [_round(v) for v in fpr],
            "true_positive_rate": [_round(v) for v in tpr],
            "threshold": [None, *(_round(v) for v in thresholds)],
        },
    }


def calibration_error(labels: NDArray[np.int64], p: NDArray[np.float64]) -> float:
    """The expected calibration error (Naeini, Cooper and Hauskrecht, 2015) over ten bins of equally
    many rows: how far the mean probability of a bin is from the share of 1 in it, on average."""
    order = np.lexsort((labels, p))  # of the same probability, first the 0: whatever came first
    bins = [rows for rows in np.array_split(order, CALIBRATION_BINS) if len(rows)]
    gaps = [abs(float(p[rows].mean() - labels[rows].mean())) * len(rows) for rows in bins]
    return sum(gaps) / len(labels)


def _roc(
    true: NDArray[np.bool_], p: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """One point for each distinct probability, falling; rows with the same one move together."""
    order = np.argsort(-p, kind="stable")
    last_of_tie = np.append(np.flatnonzero(np.diff(p[order])), len(p) - 1)
    tp = np.cumsum(true[order])[last_of_tie]
    fp = last_of_tie + 1 - tp
    return (
        np.append(0.0, fp / fp[-1]),
        np.append(0.0, tp / tp[-1]),
        p[order][last_of_tie],
    )


def _round(value: Any) -> float:
    return round(float(value), DECIMALS)
