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
MOST_ROC_POINTS = 500  # what a picture can show; all of them would be 48 bytes for each row


def evaluate(labels: NDArray[np.int64], probabilities: NDArray[np.floating]) -> dict[str, Any]:
    """accuracy, auc, f1, log_loss (natural logarithm), calibration_error, the confusion matrix at
    probability 0.5 and the ROC points from (0, 0) to (1, 1), of many rows MOST_ROC_POINTS at most.
    `labels` are 0 or 1 and hold both; shapes are (rows,).
    """
    p = probabilities.astype(np.float64)
    true, predicted = labels == 1, p >= DECISION_THRESHOLD
    tp, fp = int(np.sum(true & predicted)), int(np.sum(~true & predicted))
    fn, tn = int(np.sum(true & ~predicted)), int(np.sum(~true & ~predicted))
    order = _rising(labels, p)
    fp_above, tp_above, thresholds = _roc(true[order], p[order])
    clipped = np.clip(p, np.finfo(np.float64).eps, 1 - np.finfo(np.float64).eps)
    log_loss = -np.mean(np.where(true, np.log(clipped), np.log1p(-clipped)))
    return {
        "accuracy": _round((tp + tn) / len(labels)),
        "auc": _round(np.trapezoid(tp_above, fp_above) / (tp_above[-1] * fp_above[-1])),
        "f1": _round(2 * tp / (2 * tp + fp + fn)),
        "log_loss": _round(log_loss),
        "calibration_error": _round(_calibration_error(labels[order], p[order])),
        "confusion_matrix": {
            "true_negative": tn,
            "false_positive": fp,
            "false_negative": fn,
            "true_positive": tp,
        },
        "roc": _curve(fp_above, tp_above, thresholds),
    }


def calibration_error(labels: NDArray[np.int64], p: NDArray[np.float64]) -> float:
    """The expected calibration error (Naeini, Cooper and Hauskrecht, 2015) over ten bins of equally
    many rows: how far the mean probability of a bin is from the share of 1 in it, on average."""
    order = _rising(labels, p)
    return _calibration_error(labels[order], p[order])


def _calibration_error(labels: NDArray[np.int64], p: NDArray[np.float64]) -> float:
    bins = zip(*(np.array_split(each, CALIBRATION_BINS) for each in (labels, p)), strict=True)
    gaps = [abs(float(q.mean() - y.mean())) * len(q) for y, q in bins if len(q)]
    return sum(gaps) / len(labels)


def _rising(labels: NDArray[np.int64], p: NDArray[np.float64]) -> NDArray[np.intp]:
    """The order of the probabilities; of the same ones first those of 0: whatever came first."""
    return np.lexsort((labels, p))


def _roc(
    true: NDArray[np.bool_], p: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """False and true positives at one point for each distinct probability, falling, after (0, 0);
    rows with the same one move together. `p` rises."""
    true, p = true[::-1], p[::-1]
    last_of_tie = np.append(np.flatnonzero(np.diff(p)), len(p) - 1)
    tp = np.cumsum(true)[last_of_tie]
    return np.append(0, last_of_tie + 1 - tp), np.append(0, tp), p[last_of_tie]


def _curve(
    fp: NDArray[np.int64], tp: NDArray[np.int64], thresholds: NDArray[np.float64]
) -> dict[str, list[float | None]]:
    """All points while they are few, else some of them, evenly along the curve. Those on a straight
    line stay with the others: precision changes along it."""
    kept = np.arange(len(fp))
    if len(kept) > MOST_ROC_POINTS:
        along = fp / fp[-1] + tp / tp[-1]
        kept = np.unique(np.searchsorted(along, np.linspace(0, 2, MOST_ROC_POINTS)))
    return {
        "false_positive_rate": [_round(v) for v in fp[kept] / fp[-1]],
        "true_positive_rate": [_round(v) for v in tp[kept] / tp[-1]],
        "threshold": [None, *(_round(v) for v in thresholds[kept[1:] - 1])],
    }


def _round(value: Any) -> float:
    return round(float(value), DECIMALS)
