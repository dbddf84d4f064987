"""The metrics of a binary classifier.

Definitions are those of scikit-learn's user guide ("Metrics and scoring"), and tested against it.
scikit-learn itself stays out of the image: `import xgboost` imports it where it is installed, which
doubles the time and the memory of every start (figures in benchmarks/README.md).
"""

from itertools import chain
from typing import Any

from container.artifact import Artifact
from container.channel import Rows, pages
from container.cluster import allgather
from container.errors import InputError
from container.schema import LABEL

import numpy as np
import pandas as pd
from numpy.typing import NDArray

DECISION_THRESHOLD = 0.5


def evaluate(labels: NDArray[Any], probabilities: NDArray[Any]) -> dict[str, Any]:
    """Return accuracy, auc, f1, log_loss (natural logarithm) and the confusion matrix.

    Labels are 0 or 1, and both of them; probabilities are those of label 1; shapes are (rows,).
    Raises InputError when a probability is not finite, or a class is missing.
    """
    true, p = labels == 1, probabilities.astype(float)
    if not np.isfinite(p).all():
        raise InputError("scores that are no numbers cannot be evaluated", "train again")
    tn, fp, fn, tp = np.bincount(2 * true + (p >= DECISION_THRESHOLD), minlength=4).tolist()
    positive, negative = tp + fn, tn + fp
    if not positive or not negative:
        raise InputError(f"{len(p)} rows of one class cannot be evaluated", "give rows of both")
    eps = np.finfo(float).eps
    p_clipped = np.clip(p, eps, 1 - eps)
    log_loss = -np.where(true, np.log(p_clipped), np.log1p(-p_clipped)).mean()
    # The AUC is the share of pairs in order: Mann and Whitney's U over mean ranks.
    ranks = pd.Series(p).rank().to_numpy()
    auc = (ranks[true].sum() - positive * (positive + 1) / 2) / (positive * negative)
    matrix = {"true_negative": tn, "false_positive": fp, "false_negative": fn, "true_positive": tp}
    return {
        "accuracy": (tp + tn) / len(p),
        "auc": float(auc),
        "f1": 2 * tp / (2 * tp + fp + fn),
        "log_loss": float(log_loss),
        "confusion_matrix": matrix,
    }


def measure(artifact: Artifact, rows: Rows) -> dict[str, Any]:
    """Score labelled rows, those of every host, and evaluate; also count trees and rows."""
    scored = [(page[LABEL].to_numpy(), artifact.score(page)) for page in pages(rows)]
    of_hosts = chain(*allgather(scored))
    labels, probabilities = map(np.concatenate, zip(*of_hosts, strict=True))
    counts = {"trees": artifact.booster.num_boosted_rounds(), "validation_rows": len(labels)}
    return evaluate(labels, probabilities) | counts
