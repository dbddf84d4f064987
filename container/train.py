"""Train on the channels and write the artifact: read, fit, evaluate, save."""

import contextlib
import hashlib
import io
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from container import cluster, contract
from container.artifact import Artifact
from container.boosting import LINEAR_ROWS, train_linear, train_trees
from container.channel import Channel, Rows
from container.checkpoint import Checkpoint
from container.cluster import allgather
from container.dataset import ROWS_FOR_THREADS, EncodedDataset, Matrix, quantile_matrices
from container.errors import InputError
from container.evaluation import measure
from container.hardware import CPU, find_device, peak_memory_mib
from container.opt_ml import OptMl
from container.schema import LABEL

import numpy as np
import pandas as pd
import xgboost as xgb
from numpy.typing import NDArray
from xgboost import collective

FOLD_SEED = 0  # one for all: hyperparameters are compared on the same folds
Hyperparameters = Mapping[str, int | float]


def main(opt_ml: OptMl, arguments: Sequence[str] = ()) -> None:
    """Run one training job; arguments such as `--eta 0.1` go before hyperparameters.json."""
    given = opt_ml.hyperparameters() | contract.parse_arguments(arguments)
    hyperparameters = contract.parse_hyperparameters(given, contract.OF_JOB)
    folds = int(hyperparameters.pop(contract.FOLDS))
    for name, value in hyperparameters.items():
        print(f"hyperparameter {name}={value}", flush=True)
    device = find_device()
    with cluster.join(*opt_ml.hosts()):
        if folds:
            cross_validate(opt_ml, hyperparameters, folds)
        else:
            train(opt_ml, hyperparameters, device)


def train(opt_ml: OptMl, hyperparameters: Hyperparameters, device: str) -> None:
    """Train, measure the saved artifact, and leave it in the model folder."""
    train_rows = Channel.of_job(opt_ml, contract.TRAIN_CHANNEL)
    validation_rows = Channel.of_job(opt_ml, contract.VALIDATION_CHANNEL)
    checkpoint = Checkpoint.of_job(opt_ml, hyperparameters, xgb.__version__)
    artifact = fit(train_rows, validation_rows, hyperparameters, checkpoint, device)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        # docs: save
        artifact.save(folder)
        check_same_artifact(folder)
        metrics = measure(Artifact.load(folder), validation_rows)
        peak = max(allgather(peak_memory_mib()))
        if collective.get_rank() == 0:
            metrics |= {name: round(metrics[name], 6) for name in contract.METRICS}
            for place in (folder, opt_ml.output_data):  # /opt/ml/output/data
                _write_json(place / contract.METRICS_FILE, metrics)
            _write_json(opt_ml.output_data / contract.RESOURCES_FILE, {contract.PEAK_MEMORY: peak})
            write_outputs(folder, opt_ml.model)  # /opt/ml/model, last: a failed job has no model
            # docs: end
    checkpoint.remove()
    if collective.get_rank() == 0:
        print(f"peak memory {peak} MiB")
        if (rows := metrics["validation_rows"]) < contract.FEW_ROWS:
            print(f"warning: {rows} validation rows prove little: give {contract.FEW_ROWS} or more")
        for metric in contract.METRICS:
            print(contract.metric_line(metric, metrics[metric]), flush=True)


def fit(
    train_rows: Rows,
    validation_rows: Rows,
    hyperparameters: Hyperparameters,
    checkpoint: Checkpoint | None = None,
    device: str = CPU,
) -> Artifact:
    """Learn the features of labelled rows, and train both boosters on them.

    The validation rows are only evaluated, unless early stopping is asked for: then they decide
    how many trees are kept, and what is measured on them is a little too good. The same rows give
    the same model, whatever chunks and files they come in. Of several hosts each gives its own
    rows, and gets the same artifact.
    """
    params: dict[str, Any] = dict(hyperparameters)
    num_round, early_stopping_rounds = params.pop("num_round"), params.pop("early_stopping_rounds")
    train_data, validation_data = EncodedDataset(train_rows), EncodedDataset(validation_rows)
    tables = train_data.learn()
    train_matrix = Matrix(train_data, tables, training=True)
    validation_matrix = Matrix(validation_data, tables, training=False)
    rows = max(allgather(train_matrix.rows))
    sample = np.concatenate([*train_matrix.pages(max(1, rows // LINEAR_ROWS))])
    linear = train_linear(np.concatenate(allgather(sample)))
    with quantile_matrices(train_matrix, validation_matrix) as matrices:
        # A GPU does not train on data that the CPU put on disk.
        on_disk = isinstance(matrices["train"], xgb.ExtMemQuantileDMatrix)
        params["device"] = CPU if on_disk else device
        print(f"training on {params['device']}", flush=True)
        if rows < ROWS_FOR_THREADS:
            params["nthread"] = 1
        booster = train_trees(params, matrices, num_round, early_stopping_rounds, checkpoint)
    return Artifact(booster, linear, tables)


def cross_validate(opt_ml: OptMl, hyperparameters: Hyperparameters, folds: int) -> None:
    """Measure hyperparameters by cross-validation inside the training channel; no model is left.

    A fold is measured by a model that has seen nothing of it: the fold after it, which is not
    trained on either, is what early stopping may watch. Logs a line for each fold and, on rank 0,
    their means and the spread of the AUC. All rows are kept in memory.
    """
    channel = Channel.of_job(opt_ml, contract.TRAIN_CHANNEL)
    rows = pd.concat(channel, ignore_index=True)
    fold_of = stratified_folds(rows[LABEL].to_numpy(), folds)
    parts = [rows[fold_of == fold].reset_index(drop=True) for fold in range(folds)]
    done: list[dict[str, float]] = []
    for fold, part in enumerate(parts):
        watched = (fold + 1) % folds
        others = rows[~np.isin(fold_of, [fold, watched])].reset_index(drop=True)
        with contextlib.redirect_stdout(io.StringIO()):
            metrics = measure(fit(others, parts[watched], hyperparameters), part)
        done.append({name: metrics[name] for name in contract.METRICS})
        shown = " ".join(f"{name}={value:.6f}" for name, value in done[-1].items())
        print(f"fold {fold + 1} of {folds}: {shown}", flush=True)
    if collective.get_rank() > 0:
        return
    measured = pd.DataFrame(done)
    means = {**measured.mean(), contract.SPREAD: measured["auc"].std()}
    _write_json(opt_ml.output_data / contract.CROSS_VALIDATION_FILE, means | {"folds": done})
    for name, value in means.items():
        print(contract.metric_line(name, value, contract.CROSS_VALIDATION), flush=True)


def stratified_folds(labels: NDArray[Any], folds: int) -> NDArray[np.intp]:
    """Return each row's fold; each has its share of both labels, or InputError is raised."""
    random = np.random.default_rng(FOLD_SEED)
    by_label = [random.permutation(np.flatnonzero(labels == label)) for label in (0, 1)]
    for label, rows in enumerate(by_label):
        if len(rows) < folds:
            problem = f"{folds} folds: there are only {len(rows)} rows with the label {label}"
            raise InputError(problem, "take fewer folds, or give more rows")
    fold_of = np.empty(len(labels), np.intp)
    fold_of[np.concatenate(by_label)] = np.arange(len(labels)) % folds
    return fold_of


def check_same_artifact(folder: Path) -> None:
    """Log the artifact's SHA-256. Raises RuntimeError when it is not the same on every host."""
    content = b"".join((folder / name).read_bytes() for name in contract.ARTIFACT_FILES)
    digest = hashlib.sha256(content).hexdigest()
    print(f"model sha256 {digest}", flush=True)
    if set(allgather(digest)) != {digest}:
        raise RuntimeError(f"the hosts have different models; this one: {digest}")


def write_outputs(finished: Path, model: Path) -> None:
    """Copy the artifact to where SageMaker takes it from; the model gets its name last, or none."""
    hidden = model / f".{contract.MODEL_FILE}"
    try:
        model.mkdir(exist_ok=True)
        for path in finished.iterdir():
            shutil.copyfile(path, hidden if path.name == contract.MODEL_FILE else model / path.name)
        hidden.replace(model / contract.MODEL_FILE)
    except BaseException:
        shutil.rmtree(model, ignore_errors=True)
        raise


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
