"""Cross-validation inside the training rows, with scikit-learn's splitter."""

import contextlib
import io
from collections.abc import Mapping

from container.contract import METRICS
from container.schema import LABEL
from container.train import fit
from pipeline.evidence.metrics import evaluate

import pandas as pd
from sklearn.model_selection import StratifiedKFold


def cross_validate(
    rows: pd.DataFrame, hyperparameters: Mapping[str, int | float], folds: int = 5
) -> pd.DataFrame:
    """Return the METRICS of each fold, a row each, by models that have seen nothing of it.

    Early stopping, where it is asked for, watches the fold after the measured one, which is not
    trained on either.
    """
    splitter = StratifiedKFold(folds, shuffle=True, random_state=0)
    folds_of_rows = [fold for _, fold in splitter.split(rows, rows[LABEL])]
    parts = [rows.iloc[fold].reset_index(drop=True) for fold in folds_of_rows]
    measured = []
    for number, part in enumerate(parts):
        watched = (number + 1) % folds
        others = [each for place, each in enumerate(parts) if place not in (number, watched)]
        with contextlib.redirect_stdout(io.StringIO()):
            artifact = fit(pd.concat(others, ignore_index=True), parts[watched], hyperparameters)
        metrics = evaluate(part[LABEL].to_numpy(), artifact.score(part))
        measured.append({metric: metrics[metric] for metric in METRICS})
    return pd.DataFrame(measured)
