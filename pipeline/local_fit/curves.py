"""How good probabilities are, as numbers: precision and recall, calibration."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
ONE_IN_TWENTY = 1.96  # standard deviations that a normal variable leaves so often


def precision_recall(metrics: dict[str, Any]) -> tuple[Floats, Floats, float]:
    """Recall, precision and their average (the area below the steps), from metrics.json: its ROC
    points and confusion matrix hold all that is needed.

    Recall rises; the definitions are those of scikit-learn's user guide.
    """
    counts = metrics["confusion_matrix"]
    survived = counts["true_positive"] + counts["false_negative"]
    died = counts["true_negative"] + counts["false_positive"]
    recall = np.asarray(metrics["roc"]["true_positive_rate"][1:])  # at (0, 0) none is predicted
    hits = recall * survived
    false = np.asarray(metrics["roc"]["false_positive_rate"][1:]) * died
    precision = hits / (hits + false)
    average = float(np.sum(np.diff(recall, prepend=0.0) * precision))
    return recall, precision, average


@dataclass(frozen=True)
class Bin:
    """Passengers of about the same probability."""

    predicted: float  # mean probability
    survived: float  # share of them that did
    low: float  # and between which shares the truth lies, 19 times of 20 (Wilson's interval)
    high: float
    count: int


def calibration(
    labels: NDArray[np.int64], probabilities: NDArray[np.float32], bins: int = 8
) -> list[Bin]:
    """As many passengers in each bin, in the order of their probability."""
    order = np.argsort(probabilities, kind="stable")
    return [_bin(labels[rows], probabilities[rows]) for rows in np.array_split(order, bins)]


def _bin(labels: NDArray[np.int64], probabilities: NDArray[np.float32]) -> Bin:
    n, share, z = len(labels), float(np.mean(labels)), ONE_IN_TWENTY
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return Bin(float(np.mean(probabilities)), share, middle - half, middle + half, n)
