"""Metrics of scores with their intervals, baselines and cross-validation, by scikit-learn.

The image computes the metrics without it (see container/evaluation.py); here they are computed
independently.
"""

import contextlib
import io
from collections.abc import Mapping
from typing import Any

from container.contract import METRICS
from container.evaluation import DECISION_THRESHOLD
from container.schema import LABEL, NUMBERS, TEXTS
from container.train import fit

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, log_loss, roc_auc_score
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

CLASSES = (f"{LABEL} 0", f"{LABEL} 1")  # in pictures
CLOSED = [name for name, text in TEXTS.items() if text.spellings is not None]
MAX_VALUES = 8  # of a column are groups of their own; more become bins of equally many rows
RESAMPLES = 1000  # of the bootstrap
FOLDS = 5
SHARES = (0.1, 0.25, 0.5, 1)  # of the training rows, for the learning curve

Intervals = dict[str, tuple[float, float]]


def evaluate(labels: NDArray[Any], probabilities: NDArray[Any]) -> dict[str, Any]:
    """Return METRICS and the confusion matrix at DECISION_THRESHOLD, named as in metrics.json.

    Raises ValueError when a probability is not finite, or a class is missing.
    """
    p = probabilities.astype(float)
    predicted = p >= DECISION_THRESHOLD
    (tn, fp), (fn, tp) = confusion_matrix(labels, predicted, labels=[0, 1]).tolist()
    return {
        "accuracy": float(accuracy_score(labels, predicted)),
        "auc": float(roc_auc_score(labels, p)),
        "f1": float(f1_score(labels, predicted)),
        "log_loss": float(log_loss(labels, p)),
        "confusion_matrix": {
            "true_negative": tn,
            "false_positive": fp,
            "false_negative": fn,
            "true_positive": tp,
        },
    }


def intervals(labels: NDArray[Any], probabilities: NDArray[Any]) -> Intervals:
    """Return the 95 % percentile intervals of METRICS over RESAMPLES bootstrap samples."""
    samples = pd.DataFrame(metrics_of_samples(labels, probabilities, RESAMPLES))
    ends = samples.quantile([0.025, 0.975])
    return {name: (float(ends[name].iloc[0]), float(ends[name].iloc[1])) for name in METRICS}


def metrics_of_samples(
    labels: NDArray[Any], probabilities: NDArray[Any], samples: int
) -> list[dict[str, float]]:
    """Return METRICS of bootstrap samples of the rows; one without both classes is left out.

    The samples are the same for all probabilities of the same rows, so they can be compared. Each
    row has a count instead of copies, because scikit-learn takes 5 ms for a sample.
    """
    order = np.argsort(probabilities, kind="stable")
    true, p = labels[order] == 1, probabilities[order].astype(float)
    predicted = p >= DECISION_THRESHOLD
    eps = np.finfo(float).eps
    loss = -np.log(np.clip(np.where(true, p, 1 - p), eps, 1 - eps))
    ties = np.flatnonzero(np.diff(p, prepend=-1.0))  # where each group of equal scores begins
    random = np.random.default_rng(0)
    measured = []
    for _ in range(samples):
        counts = np.bincount(random.integers(len(p), size=len(p)), minlength=len(p))[order]
        positive = np.add.reduceat(counts * true, ties)
        negative = np.add.reduceat(counts * ~true, ties)
        if not positive.sum() or not negative.sum():
            continue
        below = np.cumsum(negative) - negative / 2
        found = counts[true & predicted].sum()
        measured.append(
            {
                "accuracy": counts[true == predicted].sum() / len(p),
                "auc": (positive * below).sum() / (positive.sum() * negative.sum()),
                "f1": 2 * found / (positive.sum() + counts[predicted].sum()),
                "log_loss": (counts * loss).sum() / len(p),
            }
        )
    return measured


def baselines(train: pd.DataFrame, validation: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Return the METRICS of simple models, trained and measured on checked rows.

    `prior` gives every row the share of label 1 in training. `logistic` is a logistic regression on
    the numbers and on the texts that have a closed set of values, without engineered features. The
    third is named after the column that predicts the label best in training, and gives every row
    the share of label 1 among the training rows with its value.
    """
    numbers = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
    columns = make_column_transformer(
        (numbers, list(NUMBERS)), (OneHotEncoder(handle_unknown="ignore"), CLOSED)
    )
    models = {
        "prior": DummyClassifier(strategy="prior"),
        "logistic": make_pipeline(columns, LogisticRegression(max_iter=1000)),
    }
    measured = {}
    for name, model in models.items():
        model.fit(train, train[LABEL])
        measured[name] = _metrics(validation, model.predict_proba(validation)[:, 1])
    for column in most_telling_columns(train)[:1]:
        edges = _edges(train[column])
        share = train.groupby(_groups(train[column], edges), observed=True)[LABEL].mean()
        groups = _groups(validation[column], edges).astype(object)
        scores = groups.map(share.to_dict()).astype(float).fillna(train[LABEL].mean())
        measured[column] = _metrics(validation, scores.to_numpy())
    return measured


def _metrics(rows: pd.DataFrame, probabilities: NDArray[Any]) -> dict[str, float]:
    metrics = evaluate(rows[LABEL].to_numpy(), probabilities)
    return {metric: metrics[metric] for metric in METRICS}


def most_telling_columns(rows: pd.DataFrame) -> list[str]:
    """Return the columns by the AUC of each column alone, the best first.

    The score of a value is the share of label 1 among its rows, as in `group_shares`.
    """
    auc = {}
    for name in [*NUMBERS, *CLOSED]:
        groups = _groups(rows[name], _edges(rows[name]))
        share = rows.groupby(groups, dropna=False, observed=True)[LABEL].transform("mean")
        auc[name] = roc_auc_score(rows[LABEL], share)
    return sorted(auc, key=lambda name: -auc[name])


def group_shares(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return the share of label 1 (`mean`) and the rows (`size`) of each value or bin."""
    groups = _groups(rows[column], _edges(rows[column]))
    return rows.groupby(groups, observed=True)[LABEL].agg(["mean", "size"])


def _edges(column: pd.Series) -> NDArray[Any] | None:
    """Return the inner edges of bins of equally many rows; None where values are few."""
    if column.nunique() <= MAX_VALUES:
        return None
    shares = np.linspace(0, 1, MAX_VALUES + 1)[1:-1]
    edges: NDArray[Any] = np.unique(column.dropna().quantile(shares, interpolation="nearest"))
    return edges


def _groups(column: pd.Series, edges: NDArray[Any] | None) -> pd.Series:
    if edges is None:
        return column.map("{:g}".format, na_action="ignore") if column.dtype == float else column
    labels = [*(f"≤ {edge:g}" for edge in edges), f"> {edges[-1]:g}"]
    return pd.cut(column, [-np.inf, *edges, np.inf], labels=labels)


def learning_curve(
    rows: pd.DataFrame, hyperparameters: Mapping[str, int | float], folds: int = 3
) -> pd.DataFrame:
    """Return `mean` and `spread` of the cross-validated AUC, by the number of training rows."""
    auc: dict[int, list[float]] = {}
    splitter = StratifiedKFold(folds, shuffle=True, random_state=0)
    least = len(rows) * (folds - 1) // folds  # so many rows every fold has to learn from
    random = np.random.default_rng(0)  # the rows may be sorted
    for learned, held_out in splitter.split(rows, rows[LABEL]):
        part, order = rows.iloc[held_out].reset_index(drop=True), random.permutation(learned)
        for share in SHARES:
            some = rows.iloc[order[: round(share * least)]]
            with contextlib.redirect_stdout(io.StringIO()):
                artifact = fit(some.reset_index(drop=True), part, hyperparameters)
            auc.setdefault(len(some), []).append(_metrics(part, artifact.score(part))["auc"])
    folds_by_rows = pd.DataFrame(auc)
    return pd.DataFrame({"mean": folds_by_rows.mean(), "spread": folds_by_rows.std()})


def cross_validate(
    rows: pd.DataFrame, hyperparameters: Mapping[str, int | float], folds: int = FOLDS
) -> pd.DataFrame:
    """Return the METRICS of each fold, one row a fold, by models trained on the other folds.

    Early stopping, if set, uses the fold after the measured one, which is then not used for
    training either.
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
        measured.append(_metrics(part, artifact.score(part)))
    return pd.DataFrame(measured)
