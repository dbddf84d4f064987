"""Train on the channels and write the artifact: read, fit, evaluate, save."""

import contextlib
import hashlib
import io
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from container import cluster as clusters
from container import contract
from container.artifact import Artifact
from container.boosting import train_linear, train_trees
from container.channel import Channel, Rows, chunks
from container.checkpoint import Checkpoints, fingerprint
from container.cluster import SINGLE_HOST, Cluster
from container.dataset import ROWS_FOR_THREADS, EncodedDataset, Matrix, quantile_matrices
from container.errors import InputError
from container.evaluation import FEW_ROWS, cross_validate, measure
from container.hardware import CPU, GPU, find_device, peak_memory_mib
from container.opt_ml import OptMl, data_files

import numpy as np
import pandas as pd
import xgboost as xgb

PROGRAM = Path(__file__).parent
Hyperparameters = Mapping[str, int | float]


def main(opt_ml: OptMl, arguments: Sequence[str] = ()) -> None:
    """Run one training job.

    Args:
        opt_ml: The tree of /opt/ml.
        arguments: Hyperparameters such as `--eta 0.1`, over those of hyperparameters.json.

    Raises:
        InputError: For what the user can mend.
    """
    given = opt_ml.hyperparameters() | contract.parse_arguments(arguments)
    folds = contract.parse_folds(given.pop(contract.FOLDS, None))
    hyperparameters = contract.parse_hyperparameters(given)
    device = find_device()
    with clusters.join(*opt_ml.hosts()) as cluster:
        for name, value in hyperparameters.items():
            print(f"hyperparameter {name}={value}", flush=True)
        if folds:
            compare(opt_ml, hyperparameters, folds, cluster)
        else:
            train(opt_ml, hyperparameters, device, cluster)


def train(
    opt_ml: OptMl, hyperparameters: Hyperparameters, device: str, cluster: Cluster = SINGLE_HOST
) -> None:
    """Train, measure the saved artifact, and leave it in the model folder."""
    devices = cluster.allgather(device)
    if len(set(devices)) > 1:
        without = [host for host, each in zip(cluster.hosts, devices, strict=True) if each == CPU]
        print(f"device cpu: no usable GPU on {', '.join(without)}", flush=True)
        device = CPU
    train_rows = Channel.of_job(opt_ml, contract.TRAIN_CHANNEL, cluster)
    validation_rows = Channel.of_job(opt_ml, contract.VALIDATION_CHANNEL, cluster)
    checkpoints = Checkpoints.of_job(
        opt_ml.checkpoints,
        lambda: fingerprint(
            opt_ml.channels,
            [*data_files(opt_ml.channels), *sorted(PROGRAM.glob("*.py"))],
            hyperparameters,
            xgb.__version__,
        ),
        cluster,
    )
    artifact = fit(train_rows, validation_rows, hyperparameters, checkpoints, cluster, device)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        artifact.save(folder)
        check_same_artifact(folder, cluster)
        metrics = measure(Artifact.load(folder), validation_rows, cluster)
        peak = max(cluster.allgather(peak_memory_mib()))
        if cluster.is_rank_zero:
            text = json.dumps(metrics, indent=2) + "\n"
            (folder / contract.METRICS_FILE).write_text(text, encoding="utf-8")
            write_outputs(folder, opt_ml)
            text = json.dumps({contract.PEAK_MEMORY: peak}) + "\n"
            (opt_ml.output_data / contract.RESOURCES_FILE).write_text(text, encoding="utf-8")
    checkpoints.remove()
    if cluster.is_rank_zero:
        print(f"peak memory {peak} MiB", flush=True)
        rows = metrics["validation_rows"]
        if rows < FEW_ROWS:
            print(
                f"warning: {rows} validation rows prove little: give {FEW_ROWS} or more", flush=True
            )
        for metric in contract.METRICS:
            print(contract.metric_line(metric, metrics[metric]), flush=True)


def fit(
    train_rows: Rows,
    validation_rows: Rows,
    hyperparameters: Hyperparameters,
    checkpoints: Checkpoints | None = None,
    cluster: Cluster = SINGLE_HOST,
    device: str = CPU,
) -> Artifact:
    """Learn the features, and train both boosters on them; touches no path but temporary ones.

    The validation rows are only evaluated, unless early stopping is asked for: then they decide how
    many trees are kept, and what is measured on them is a little too good. The same rows give the
    same model, whatever chunks and files they come in. Of several hosts each gives its own rows, and
    gets the same artifact.
    """
    params = dict(hyperparameters)
    num_round = int(params.pop("num_round"))
    early_stopping_rounds = int(params.pop("early_stopping_rounds"))
    train_data, validation_data = EncodedDataset(train_rows), EncodedDataset(validation_rows)
    tables = train_data.tables.total(cluster)
    train_matrix = Matrix(train_data, tables, training=True)
    validation_matrix = Matrix(validation_data, tables, training=False)
    rows = max(cluster.allgather(train_matrix.buffer.rows))
    linear = train_linear(train_matrix.sample(rows), cluster)
    with quantile_matrices(train_matrix, validation_matrix, cluster=cluster) as matrices:
        if device == GPU and isinstance(matrices["train"], xgb.ExtMemQuantileDMatrix):
            print("device cpu: a GPU does not train on data that the CPU put on disk", flush=True)
            device = CPU
        threads = {"nthread": 1} if rows < ROWS_FOR_THREADS else {}
        params = {**params, **threads, "device": device}
        booster = train_trees(params, matrices, num_round, early_stopping_rounds, checkpoints)
    booster.feature_names = train_matrix.columns
    return Artifact(booster, linear, tables)


def compare(
    opt_ml: OptMl, hyperparameters: Hyperparameters, folds: int, cluster: Cluster = SINGLE_HOST
) -> None:
    """Measure hyperparameters by cross-validation inside the training channel; no model is left.

    Logs a line for each fold and, last, the metrics: means over the folds, and the spread of the AUC.
    All rows are kept in memory.
    """
    rows = pd.concat(chunks(Channel.of_job(opt_ml, contract.TRAIN_CHANNEL, cluster)))
    done: list[dict[str, float]] = []

    def fit_quietly(train_rows: pd.DataFrame, watched: pd.DataFrame) -> Artifact:
        with contextlib.redirect_stdout(io.StringIO()):
            return fit(train_rows, watched, hyperparameters)

    for metrics in cross_validate(rows.reset_index(drop=True), folds, fit_quietly):
        done.append(metrics)
        shown = " ".join(f"{name}={value:.6f}" for name, value in metrics.items())
        print(f"fold {len(done)} of {folds}: {shown}", flush=True)
    means = {name: float(np.mean([fold[name] for fold in done])) for name in contract.METRICS}
    means[contract.SPREAD] = float(np.std([fold["auc"] for fold in done], ddof=1))
    opt_ml.output_data.mkdir(parents=True, exist_ok=True)
    text = json.dumps(means | {"folds": done}, indent=2) + "\n"
    (opt_ml.output_data / contract.CROSS_VALIDATION_FILE).write_text(text, encoding="utf-8")
    for name, value in means.items():
        print(contract.metric_line(name, value, contract.CROSS_VALIDATION), flush=True)


def check_same_artifact(folder: Path, cluster: Cluster) -> None:
    """Log the artifact's SHA-256. Raises RuntimeError when it is not the same on every host."""
    content = b"".join((folder / name).read_bytes() for name in contract.ARTIFACT_FILES)
    digest = hashlib.sha256(content).hexdigest()
    print(f"model sha256 {digest}", flush=True)
    if set(cluster.allgather(digest)) != {digest}:
        raise RuntimeError(f"the hosts have different models; this one: {digest}")


def write_outputs(finished: Path, opt_ml: OptMl) -> None:
    """Copy the artifact into the model folder, and the metrics into the output data.

    Whole or not at all: the model's file comes last, and without it nothing looks like an artifact.
    """
    names = sorted((path.name for path in finished.iterdir()), key=contract.MODEL_FILE.__eq__)
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
