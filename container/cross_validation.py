"""Cross-validation inside the training rows, for comparing hyperparameters: it makes no model.

Each fold is measured once, by a model that has seen nothing of it: what is learned, features and
number of rounds included, is learned on the other folds.
"""

import contextlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence

from container.batches import Rows, batches
from container.contract import (
    CROSS_VALIDATION,
    CROSS_VALIDATION_FILE,
    METRICS,
    SPREAD,
    metric_line,
)
from container.errors import InputError
from container.opt_ml import OptMl
from container.passengers import Passengers
from container.train import fit, measure

import numpy as np

SEED = 0  # one for all: hyperparameters are compared on the same folds


def compare(
    channel: Rows, hyperparameters: Mapping[str, int | float], count: int, opt_ml: OptMl
) -> None:
    """A job that only measures: a line for each fold, last the metrics; the same in the output.

    All rows are kept in memory, to be divided.
    """
    rows = Passengers()
    for batch in batches(channel):
        rows.extend(batch)
    folds = []
    for metrics in cross_validate(rows, hyperparameters, count):
        folds.append(metrics)
        shown = " ".join(f"{name}={value:.6f}" for name, value in metrics.items())
        print(f"fold {len(folds)} of {count}: {shown}", flush=True)
    means = {name: float(np.mean([fold[name] for fold in folds])) for name in METRICS}
    means[SPREAD] = float(np.std([fold["auc"] for fold in folds], ddof=1))
    opt_ml.output_data.mkdir(parents=True, exist_ok=True)
    text = json.dumps(means | {"folds": folds}, indent=2) + "\n"
    (opt_ml.output_data / CROSS_VALIDATION_FILE).write_text(text, encoding="utf-8")
    for name, value in means.items():
        print(metric_line(name, value, CROSS_VALIDATION), flush=True)


def cross_validate(
    rows: Passengers, hyperparameters: Mapping[str, int | float], count: int
) -> Iterator[dict[str, float]]:
    """The METRICS of each of `count` folds (at least 3), one fold after the other.

    With early stopping, the fold after the measured one is not trained on either: it says when.
    """
    folds = divide(rows.labels, count)
    for number, measured in enumerate(folds):
        watched = (number + 1) % count if hyperparameters["early_stopping_rounds"] else number
        trained = sorted(
            row for n, fold in enumerate(folds) if n not in (number, watched) for row in fold
        )
        with contextlib.redirect_stdout(io.StringIO()):  # the rounds of every fold say nothing
            artifact = fit(rows.take(trained), rows.take(folds[watched]), hyperparameters)
        metrics = measure(artifact, rows.take(measured))
        yield {name: metrics[name] for name in METRICS}


def divide(labels: Sequence[int], count: int) -> list[list[int]]:
    """The row indices of each fold, sorted; every fold has its share of both labels.

    Raises InputError when there are not enough rows for that.
    """
    random = np.random.default_rng(SEED)
    folds: list[list[int]] = [[] for _ in range(count)]
    dealt = 0
    for label in (0, 1):
        of_label = np.flatnonzero(np.asarray(labels) == label)
        if len(of_label) < count:
            raise InputError(
                f"{count} folds: there are only {len(of_label)} rows with the label {label}",
                "take fewer folds, or give more rows",
            )
        for row in random.permutation(of_label).tolist():
            folds[dealt % count].append(row)
            dealt += 1
    return [sorted(fold) for fold in folds]
