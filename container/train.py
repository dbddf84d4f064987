"""Trains XGBoost on the channels and writes the artifact: read, fit, evaluate, save."""

import json
from collections.abc import Mapping

from container import contract
from container.artifact import Artifact
from container.errors import InputError
from container.features import Features
from container.metrics import evaluate
from container.opt_ml import OptMl
from container.passengers import Passengers

import numpy as np
import xgboost as xgb

ROUNDS_BETWEEN_LOG_LINES = 50


def train(opt_ml: OptMl) -> None:
    """One training job. Raises InputError for what the user can mend."""
    if len(opt_ml.hosts()) > 1:
        raise InputError(
            f"{len(opt_ml.hosts())} instances: this program trains on one",
            "set instance_count to 1",
        )
    hyperparameters = contract.parse_hyperparameters(opt_ml.hyperparameters())
    for name, value in hyperparameters.items():
        print(f"hyperparameter {name}={value}", flush=True)
    train_rows = opt_ml.channel(contract.TRAIN_CHANNEL)
    validation_rows = opt_ml.channel(contract.VALIDATION_CHANNEL)

    save(fit(train_rows, validation_rows, hyperparameters), opt_ml)
    report(Artifact.load(opt_ml.model), validation_rows, opt_ml)


def fit(
    train_rows: Passengers,
    validation_rows: Passengers,
    hyperparameters: Mapping[str, int | float],
) -> Artifact:
    """Boosts until the validation log loss stops falling, and keeps the trees up to its minimum."""
    features = Features.learn(train_rows)
    datasets = {
        name: xgb.DMatrix(features.matrix(rows), rows.labels, feature_names=features.names)
        for name, rows in (("train", train_rows), ("validation", validation_rows))
    }
    params = dict(hyperparameters)
    num_round = int(params.pop("num_round"))
    early_stopping_rounds = int(params.pop("early_stopping_rounds"))
    booster = xgb.train(
        params | {"objective": "binary:logistic", "eval_metric": "logloss", "tree_method": "hist"},
        datasets["train"],
        num_round,
        evals=[(dataset, name) for name, dataset in datasets.items()],
        early_stopping_rounds=early_stopping_rounds,
        verbose_eval=ROUNDS_BETWEEN_LOG_LINES,
    )
    print(f"best round {booster.best_iteration + 1} of {booster.num_boosted_rounds()}", flush=True)
    return Artifact(booster[: booster.best_iteration + 1], features)


def save(artifact: Artifact, opt_ml: OptMl) -> None:
    for folder in (opt_ml.model, opt_ml.output_data):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"{folder}: cannot be made: {error.strerror}", "mount /opt/ml writable"
            ) from None
    artifact.save(opt_ml.model)


def report(artifact: Artifact, validation_rows: Passengers, opt_ml: OptMl) -> None:
    """Evaluates the artifact as it was saved, so that the metrics are those of what is shipped."""
    probabilities = artifact.score(validation_rows)
    metrics = evaluate(np.array(validation_rows.labels), probabilities)
    metrics["trees"] = artifact.booster.num_boosted_rounds()
    metrics["validation_rows"] = len(validation_rows)
    text = json.dumps(metrics, indent=2) + "\n"
    for folder in (opt_ml.model, opt_ml.output_data):
        (folder / contract.METRICS_FILE).write_text(text, encoding="utf-8")
    for metric in contract.METRICS:
        print(contract.metric_line(metric, metrics[metric]), flush=True)
