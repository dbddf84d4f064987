"""Trains XGBoost on the channels and writes the artifact: read, fit, evaluate, save."""

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from container import contract
from container.artifact import Artifact
from container.errors import InputError
from container.features import Features
from container.linear import fit_linear
from container.metrics import evaluate
from container.opt_ml import OptMl
from container.passengers import Passengers
from container.resources import peak_memory_mib

import numpy as np
import xgboost as xgb

ROUNDS_BETWEEN_LOG_LINES = 50
ROWS_FOR_THREADS = 10_000  # with fewer, threads wait for each other longer than they work


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
    train_rows: Passengers,
    validation_rows: Passengers,
    hyperparameters: Mapping[str, int | float],
) -> Artifact:
    """XGBoost and a logistic regression on the features learned from the training rows.

    The validation rows are only watched, unless early stopping is asked for: then they decide how
    many trees are kept, and what is measured on them is a little too good.
    """
    features = Features.learn(train_rows)
    rows = features.training_rows(train_rows)
    linear = fit_linear(lambda: [rows])
    threads = 1 if len(rows.labels) < ROWS_FOR_THREADS else 0  # 0: as many as there are processors
    watched = features.matrix(validation_rows)
    datasets = {
        "train": xgb.DMatrix(rows.matrix, rows.labels, weight=rows.weights, nthread=threads),
        "validation": xgb.DMatrix(watched, validation_rows.labels, nthread=threads),
    }
    params: dict[str, int | float | str] = dict(hyperparameters)
    num_round = int(params.pop("num_round"))
    early_stopping_rounds = int(params.pop("early_stopping_rounds"))
    params |= {"objective": "binary:logistic", "eval_metric": "logloss", "tree_method": "hist"}
    booster = xgb.train(
        params | {"nthread": threads},
        datasets["train"],
        num_round,
        evals=[(dataset, name) for name, dataset in datasets.items()],
        early_stopping_rounds=early_stopping_rounds or None,
        verbose_eval=ROUNDS_BETWEEN_LOG_LINES,
    )
    if early_stopping_rounds:
        rounds = booster.num_boosted_rounds()
        print(f"best round {booster.best_iteration + 1} of {rounds}", flush=True)
        booster = booster[: booster.best_iteration + 1]
    return Artifact(booster, linear, features)


def measure(artifact: Artifact, validation_rows: Passengers) -> dict[str, Any]:
    """The metrics of an artifact as it was saved and loaded again: of what is shipped."""
    metrics = evaluate(np.array(validation_rows.labels), artifact.score(validation_rows))
    metrics["trees"] = artifact.booster.num_boosted_rounds()
    metrics["validation_rows"] = len(validation_rows)
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
