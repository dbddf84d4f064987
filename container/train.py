"""Trains XGBoost on the channels and writes the artifact: read, fit, evaluate, save."""

import contextlib
import hashlib
import itertools
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from container import cluster, contract
from container.artifact import Artifact
from container.batches import Rows, batches
from container.channel import Channel, data_files
from container.checkpoint import Checkpoints, fingerprint
from container.cluster import ALONE, Cluster
from container.datasets import ROWS_FOR_THREADS, datasets
from container.device import CPU, common_device, device_for, find_device
from container.errors import InputError
from container.features import Features
from container.linear import fit_linear
from container.metrics import evaluate
from container.opt_ml import OptMl
from container.resources import peak_memory_mib
from container.rounds import boost
from container.spooled import SpooledRows

import numpy as np
import xgboost as xgb

OBJECTIVE = {"objective": "binary:logistic", "eval_metric": "logloss"}
PROGRAM = sorted(Path(__file__).parent.glob("*.py"))


def train(opt_ml: OptMl) -> None:
    """One training job. Raises InputError for what the user can mend."""
    device = find_device()
    hosts, current = opt_ml.hosts()
    with cluster.join(hosts, current, opt_ml.write_failure) as hosts_of_job:
        _train(opt_ml, hosts_of_job, common_device(device, hosts_of_job))


def _train(opt_ml: OptMl, hosts: Cluster, device: str) -> None:
    given = opt_ml.hyperparameters()
    folds = contract.parse_folds(given.pop(contract.FOLDS, None))
    hyperparameters = contract.parse_hyperparameters(given)
    for name, value in hyperparameters.items():
        print(f"hyperparameter {name}={value}", flush=True)
    train_rows = Channel.of_job(opt_ml, contract.TRAIN_CHANNEL, hosts)
    if folds:
        from container.cross_validation import compare  # which itself needs `fit`

        compare(train_rows, hyperparameters, folds, opt_ml)
        return
    validation_rows = Channel.of_job(opt_ml, contract.VALIDATION_CHANNEL, hosts)

    checkpoints = Checkpoints.of_job(
        opt_ml.checkpoints,
        lambda: fingerprint(
            [*data_files(opt_ml.channels), *PROGRAM], hyperparameters, xgb.__version__
        ),
        hosts,
    )
    artifact = fit(train_rows, validation_rows, hyperparameters, checkpoints, hosts, device)
    with tempfile.TemporaryDirectory() as folder:
        unfinished = Path(folder)
        artifact.save(unfinished)
        same_artifact(unfinished, hosts)
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


def same_artifact(folder: Path, hosts: Cluster) -> None:
    """Says its SHA-256 on every host. Raises RuntimeError when it is not the same on all."""
    content = b"".join((folder / name).read_bytes() for name in contract.ARTIFACT_FILES)
    digest = hashlib.sha256(content).hexdigest()
    print(f"model sha256 {digest}", flush=True)
    if set(hosts.merge(digest)) != {digest}:
        raise RuntimeError(f"the hosts have different models; this one: {digest}")


def fit(
    train_rows: Rows,
    validation_rows: Rows,
    hyperparameters: Mapping[str, int | float],
    checkpoints: Checkpoints | None = None,
    hosts: Cluster = ALONE,
    device: str = CPU,
) -> Artifact:
    """XGBoost and a logistic regression on the features learned from the training rows.

    The validation rows are only watched, unless early stopping is asked for: then they decide how
    many trees are kept, and what is measured on them is a little too good. All rows are read once;
    the same rows give the same model, whatever batches and files they come in. Of several hosts
    each gives its own rows, and gets the same artifact.
    """
    params: dict[str, int | float | str] = dict(hyperparameters)
    num_round = int(params.pop("num_round"))
    early_stopping_rounds = int(params.pop("early_stopping_rounds"))
    params |= OBJECTIVE
    with (
        SpooledRows(train_rows, hosts, learning=True) as train,
        SpooledRows(validation_rows, hosts) as validation,
    ):
        features = Features.from_statistics(train.statistics)
        linear = fit_linear([*train.sample(features)], hosts)
        tables = train.training_table(features), validation.table(features)
        with datasets(*tables, hosts=hosts) as data:
            params["device"] = device_for(data["train"], device)
            if data["train"].num_row() < ROWS_FOR_THREADS:
                params["nthread"] = 1
            stage = (checkpoints or Checkpoints()).stage("booster")
            booster = boost(params, data, num_round, early_stopping_rounds, stage)
    return Artifact(booster, linear, features)


def measure(artifact: Artifact, validation_rows: Rows, hosts: Cluster = ALONE) -> dict[str, Any]:
    """The metrics of an artifact as it was saved and loaded again: of what is shipped, on the rows
    of all hosts."""
    scored = []
    last = None
    for batch in hosts.in_step(batches(validation_rows)):
        probabilities = artifact.score(batch)
        if batch is not last:
            scored.append((np.array(batch.labels, np.int8), probabilities))
        last = batch
    of_hosts = itertools.chain(*hosts.merge(scored))
    labels, probabilities = map(np.concatenate, zip(*of_hosts, strict=True))
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
