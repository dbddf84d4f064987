"""Trains XGBoost on the channels and writes the artifact: read, fit, evaluate, save."""

import contextlib
import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from container import cluster, contract
from container.artifact import Artifact
from container.checkpoint import Checkpoints, fingerprint
from container.cluster import ALONE, Cluster
from container.errors import InputError
from container.features import Features
from container.metrics import evaluate
from container.opt_ml import OptMl
from container.passengers import Passengers
from container.resources import peak_memory_mib
from container.rounds import boost

import numpy as np
import xgboost as xgb

PROGRAM = sorted(Path(__file__).parent.glob("*.py"))


def train(opt_ml: OptMl) -> None:
    """One training job. Raises InputError for what the user can mend."""
    hosts, current = opt_ml.hosts()
    with cluster.join(hosts, current, opt_ml.write_failure) as hosts_of_job:
        _train(opt_ml, hosts_of_job)


def _train(opt_ml: OptMl, hosts: Cluster) -> None:
    hyperparameters = contract.parse_hyperparameters(opt_ml.hyperparameters())
    for name, value in hyperparameters.items():
        print(f"hyperparameter {name}={value}", flush=True)
    train_rows = read(opt_ml, contract.TRAIN_CHANNEL, hosts)
    validation_rows = read(opt_ml, contract.VALIDATION_CHANNEL, hosts)

    checkpoints = Checkpoints.of_job(
        opt_ml.checkpoints,
        lambda: fingerprint([*opt_ml.data_files(), *PROGRAM], hyperparameters, xgb.__version__),
        hosts,
    )
    artifact = fit(train_rows, validation_rows, hyperparameters, checkpoints, hosts)
    with tempfile.TemporaryDirectory() as folder:
        unfinished = Path(folder)
        artifact.save(unfinished)
        same_model((unfinished / contract.MODEL_FILE).read_bytes(), hosts)
        metrics = measure(Artifact.load(unfinished), validation_rows, hosts)
        peak = max(hosts.merge(peak_memory_mib()))
        if hosts.leads:
            text = json.dumps(metrics, indent=2) + "\n"
            (unfinished / contract.METRICS_FILE).write_text(text, encoding="utf-8")
            deliver(unfinished, opt_ml)
            text = json.dumps({contract.PEAK_MEMORY: peak}) + "\n"
            (opt_ml.output_data / contract.RESOURCES_FILE).write_text(text, encoding="utf-8")
    checkpoints.remove()
    if hosts.leads:
        print(f"peak memory {peak} MiB", flush=True)
        for metric in contract.METRICS:
            print(contract.metric_line(metric, metrics[metric]), flush=True)


def read(opt_ml: OptMl, channel: str, hosts: Cluster) -> Passengers:
    """This host's share of a channel: what it was given, or every so many rows of what all were.

    Raises InputError when the channel has rows of one class only.
    """
    rows = opt_ml.channel(channel)
    if len(hosts.hosts) > 1 and not opt_ml.is_sharded(channel):
        rows = rows.take(list(range(hosts.number, len(rows), len(hosts.hosts))))
    if len(set().union(*hosts.merge(set(rows.labels)))) < 2:
        raise InputError(
            f"channel {channel}: every row of {opt_ml.channel_folder(channel)} has the same label",
            "give rows of both classes, 0 and 1",
        )
    return rows


def same_model(model: bytes, hosts: Cluster) -> None:
    """Says its SHA-256 on every host. Raises RuntimeError when it is not the same on all."""
    digest = hashlib.sha256(model).hexdigest()
    print(f"model sha256 {digest}", flush=True)
    if set(hosts.merge(digest)) != {digest}:
        raise RuntimeError(f"the hosts have different models; this one: {digest}")


def fit(
    train_rows: Passengers,
    validation_rows: Passengers,
    hyperparameters: Mapping[str, int | float],
    checkpoints: Checkpoints | None = None,
    hosts: Cluster = ALONE,
) -> Artifact:
    """Boosts until the validation log loss stops falling, and keeps the trees up to its minimum.

    Of several hosts each gives its own rows, and gets the same artifact.
    """
    features = Features.learn(train_rows, hosts)
    datasets = {
        name: xgb.DMatrix(features.matrix(rows), rows.labels)
        for name, rows in (("train", train_rows), ("validation", validation_rows))
    }
    params = dict(hyperparameters)
    num_round = int(params.pop("num_round"))
    early_stopping_rounds = int(params.pop("early_stopping_rounds"))
    booster = boost(
        params | {"objective": "binary:logistic", "eval_metric": "logloss"},
        datasets["train"],
        datasets["validation"],
        num_round,
        early_stopping_rounds,
        (checkpoints or Checkpoints()).stage("booster"),
    )
    return Artifact(booster, features)


def measure(
    artifact: Artifact, validation_rows: Passengers, hosts: Cluster = ALONE
) -> dict[str, Any]:
    """The metrics of an artifact as it was saved and loaded again: of what is shipped, on the rows
    of all hosts."""
    scored = hosts.merge((np.array(validation_rows.labels), artifact.score(validation_rows)))
    labels, probabilities = (np.concatenate(parts) for parts in zip(*scored, strict=True))
    metrics = evaluate(labels, probabilities)
    metrics["trees"] = artifact.booster.num_boosted_rounds()
    metrics["validation_rows"] = len(labels)
    return metrics


def deliver(finished: Path, opt_ml: OptMl) -> None:
    """Copies the whole artifact into the model folder, and the metrics into the output data.

    The model's file comes last and at once: without it nothing looks like an artifact.
    """
    names = sorted((path.name for path in finished.iterdir()), key=_model_last)
    for folder, needed in ((opt_ml.output_data, [contract.METRICS_FILE]), (opt_ml.model, names)):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name in needed:
                shutil.copyfile(finished / name, folder / f".{name}")
            for name in needed:
                (folder / f".{name}").replace(folder / name)
        except BaseException as error:
            for name in needed:
                with contextlib.suppress(OSError):
                    (folder / f".{name}").unlink(missing_ok=True)
                    (folder / name).unlink(missing_ok=True)
            if not isinstance(error, OSError):
                raise
            raise InputError(
                f"{folder}: cannot be written to: {error.strerror}", "mount /opt/ml writable"
            ) from None


def _model_last(name: str) -> bool:
    return name == contract.MODEL_FILE
