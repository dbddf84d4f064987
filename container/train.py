"""Trains XGBoost on the channels and writes the artifact: read, fit, evaluate, save."""

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from container import contract
from container.artifact import Artifact
from container.batches import Rows, batches
from container.datasets import ROWS_FOR_THREADS, datasets
from container.errors import InputError
from container.features import Features
from container.linear import fit_linear
from container.metrics import evaluate
from container.opt_ml import OptMl
from container.resources import peak_memory_mib
from container.spooled import SpooledRows

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
    given = opt_ml.hyperparameters()
    folds = contract.parse_folds(given.pop(contract.FOLDS, None))
    hyperparameters = contract.parse_hyperparameters(given)
    for name, value in hyperparameters.items():
        print(f"hyperparameter {name}={value}", flush=True)
    train_rows = opt_ml.channel(contract.TRAIN_CHANNEL)
    if folds:
        from container.cross_validation import compare  # which itself needs `fit`

        compare(train_rows, hyperparameters, folds, opt_ml)
        return
    validation_rows = opt_ml.channel(contract.VALIDATION_CHANNEL)

    artifact = fit(train_rows, validation_rows, hyperparameters)
    with tempfile.TemporaryDirectory() as folder:
        unfinished = Path(folder)
        artifact.save(unfinished)
        metrics = measure(Artifact.load(unfinished), validation_rows)
        text = json.dumps(metrics, indent=2) + "\n"
        (unfinished / contract.METRICS_FILE).write_text(text, encoding="utf-8")
        deliver(unfinished, opt_ml)
    peak = peak_memory_mib()
    text = json.dumps({contract.PEAK_MEMORY: peak}) + "\n"
    (opt_ml.output_data / contract.RESOURCES_FILE).write_text(text, encoding="utf-8")
    print(f"peak memory {peak} MiB", flush=True)
    for metric in contract.METRICS:
        print(contract.metric_line(metric, metrics[metric]), flush=True)


def fit(
    train_rows: Rows, validation_rows: Rows, hyperparameters: Mapping[str, int | float]
) -> Artifact:
    """XGBoost and a logistic regression on the features learned from the training rows.

    The validation rows are only watched, unless early stopping is asked for: then they decide how
    many trees are kept, and what is measured on them is a little too good. All rows are read once;
    the same rows give the same model, whatever batches and files they come in.
    """
    params: dict[str, int | float | str] = dict(hyperparameters)
    num_round = int(params.pop("num_round"))
    early_stopping_rounds = int(params.pop("early_stopping_rounds"))
    params |= {"objective": "binary:logistic", "eval_metric": "logloss", "tree_method": "hist"}
    with (
        SpooledRows(train_rows, learning=True) as train,
        SpooledRows(validation_rows) as validation,
    ):
        features = Features.from_statistics(train.statistics)
        linear = fit_linear(lambda: train.sample(features))
        with datasets(train.training_table(features), validation.table(features)) as data:
            if data["train"].num_row() < ROWS_FOR_THREADS:
                params["nthread"] = 1
            booster = xgb.train(
                params,
                data["train"],
                num_round,
                evals=[(dataset, name) for name, dataset in data.items()],
                early_stopping_rounds=early_stopping_rounds or None,
                verbose_eval=ROUNDS_BETWEEN_LOG_LINES,
            )
    if early_stopping_rounds:
        rounds = booster.num_boosted_rounds()
        print(f"best round {booster.best_iteration + 1} of {rounds}", flush=True)
        booster = booster[: booster.best_iteration + 1]
    return Artifact(booster, linear, features)


def measure(artifact: Artifact, validation_rows: Rows) -> dict[str, Any]:
    """The metrics of an artifact as it was saved and loaded again: of what is shipped."""
    scored = [
        (np.array(batch.labels, np.int8), artifact.score(batch))
        for batch in batches(validation_rows)
    ]
    labels, probabilities = map(np.concatenate, zip(*scored, strict=True))
    metrics = evaluate(labels, probabilities)
    metrics["trees"] = artifact.booster.num_boosted_rounds()
    metrics["validation_rows"] = len(labels)
    return metrics


def deliver(finished: Path, opt_ml: OptMl) -> None:
    """Copies the whole artifact into the model folder, and the metrics into the output data."""
    for folder, names in (
        (opt_ml.model, [path.name for path in finished.iterdir()]),
        (opt_ml.output_data, [contract.METRICS_FILE]),
    ):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name in names:
                shutil.copyfile(finished / name, folder / name)
        except OSError as error:
            raise InputError(
                f"{folder}: cannot be written to: {error.strerror}", "mount /opt/ml writable"
            ) from None
