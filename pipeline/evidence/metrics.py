"""Metrics of scores, and baselines to compare them with, by scikit-learn.

The image computes the metrics without it (see container/evaluation.py); here they are computed
independently.
"""

from typing import Any

from container.contract import METRICS
from container.evaluation import DECISION_THRESHOLD
from container.schema import LABEL, NUMBERS, TEXTS

import pandas as pd
from numpy.typing import NDArray
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, log_loss, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

CLASSES = (f"{LABEL} 0", f"{LABEL} 1")  # in pictures


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


def baselines(train: pd.DataFrame, validation: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Return the METRICS of two simple models, trained and measured on checked rows.

    `prior` gives every row the share of label 1 in training. `logistic` is a logistic regression on
    the numbers and on the texts that have a closed set of values, without engineered features.
    """
    closed = [name for name, text in TEXTS.items() if text.spellings is not None]
    numbers = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
    columns = make_column_transformer(
        (numbers, list(NUMBERS)), (OneHotEncoder(handle_unknown="ignore"), closed)
    )
    models = {
        "prior": DummyClassifier(strategy="prior"),
        "logistic": make_pipeline(columns, LogisticRegression(max_iter=1000)),
    }
    measured = {}
    for name, model in models.items():
        model.fit(train, train[LABEL])
        metrics = evaluate(validation[LABEL].to_numpy(), model.predict_proba(validation)[:, 1])
        measured[name] = {metric: metrics[metric] for metric in METRICS}
    return measured
