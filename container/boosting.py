"""The two boosters of the model: trees, and beside them XGBoost's linear booster."""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from container.checkpoint import Checkpoints
from container.cluster import SINGLE_HOST, Cluster
from container.errors import check_terminated

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray

OBJECTIVE = {"objective": "binary:logistic", "eval_metric": "logloss"}
CHECKPOINT_ROUNDS = 10  # an interruption costs fewer rounds than this
LOG_ROUNDS = 50
LOSSES = "losses"  # attribute of a booster in training: the validation log loss after each round

LINEAR_ROUNDS = 200
LINEAR_L2 = 5.0  # on the weights of standardised columns


class _Resumable(xgb.callback.TrainingCallback):
    """Makes each CHECKPOINT_ROUNDS rounds depend on the model before them alone, and saves it.

    XGBoost keeps the state of its row and column samplers outside the model. A new seed starts the
    row sampler anew, another tree method and back the column sampler, as in a booster just loaded.
    """

    def __init__(self, seed: int, checkpoints: Checkpoints, losses: list[float]) -> None:
        super().__init__()
        self._seed, self._checkpoints, self._losses = seed, checkpoints, losses

    def before_training(self, model: xgb.Booster) -> xgb.Booster:
        self._model = model
        return model

    def before_iteration(self, model: xgb.Booster, _epoch: int, _evals_log: Any) -> bool:
        check_terminated()
        rounds = model.num_boosted_rounds()
        if rounds % CHECKPOINT_ROUNDS == 0:
            if rounds:
                self.save(rounds)
            model.set_param({"tree_method": "approx"})
            model.num_boosted_rounds()  # parameters take effect at the next call
            model.set_param({"tree_method": "hist", "seed": self._seed + rounds})
        return False

    def after_iteration(self, model: xgb.Booster, _epoch: int, evals_log: Any) -> bool:
        self._losses.append(list(evals_log["validation"].values())[0][-1])
        return False

    def save(self, rounds: int) -> None:
        model = self._model[:rounds]
        model.set_attr(**{LOSSES: json.dumps(self._losses[:rounds])})
        self._checkpoints.save(rounds, bytes(model.save_raw("ubj")))

    def save_last(self) -> None:
        whole = self._model.num_boosted_rounds() // CHECKPOINT_ROUNDS * CHECKPOINT_ROUNDS
        if whole:
            self.save(whole)


def train_trees(
    params: Mapping[str, Any],
    matrices: Mapping[str, xgb.DMatrix],
    num_round: int,
    early_stopping_rounds: int = 0,
    checkpoints: Checkpoints | None = None,
) -> xgb.Booster:
    """Train on `matrices["train"]`, evaluate on `matrices["validation"]`.

    Args:
        params: Those of `xgb.train`, without objective and metric.
        num_round: Trees at most.
        early_stopping_rounds: Stop after so many rounds without a lower validation log loss, and
            keep the best; 0 keeps all.
        checkpoints: Where to resume from. The bytes of the result do not depend on it.
    """
    checkpoints = checkpoints or Checkpoints()
    start, losses = checkpoints.load(), list[float]()
    if start:
        start = xgb.Booster(model_file=bytearray(start))
        losses = json.loads(start.attr(LOSSES))
        start.set_attr(**{LOSSES: None})
        print(f"checkpoint: goes on after round {start.num_boosted_rounds()}", flush=True)
    resumable = _Resumable(int(params["seed"]), checkpoints, losses)
    callbacks: list[xgb.callback.TrainingCallback] = [resumable]
    if early_stopping_rounds:
        callbacks.append(_EarlyStopping(early_stopping_rounds, losses))
    try:
        booster = xgb.train(
            {**params, **OBJECTIVE, "tree_method": "hist"},
            matrices["train"],
            num_round - len(losses),
            evals=[(matrix, name) for name, matrix in matrices.items()],
            verbose_eval=LOG_ROUNDS,
            xgb_model=start,
            callbacks=callbacks,
        )
    except BaseException:
        with contextlib.suppress(Exception):  # the error that ended the training comes first
            resumable.save_last()
        raise
    return booster


class _EarlyStopping(xgb.callback.EarlyStopping):
    """Early stopping that knows the losses from before a resume."""

    def __init__(self, rounds: int, losses: list[float]) -> None:
        super().__init__(rounds=rounds, save_best=True)
        self._losses = list(losses)
        self._stalled = False

    def before_training(self, model: xgb.Booster) -> xgb.Booster:
        model = super().before_training(model)
        for round_, loss in enumerate(self._losses):
            log = {"validation": {"logloss": [loss]}}
            self._stalled = self.after_iteration(model, round_ - self.starting_round, log)
        return model

    def before_iteration(self, _model: xgb.Booster, _epoch: int, _evals_log: Any) -> bool:
        return self._stalled


@dataclass(frozen=True)
class LinearModel:
    """XGBoost's `gblinear` on standardised columns; a missing value counts as the mean.

    A column with missing values has a second one that says so. Values outside of those in training
    count as the nearest of them. Vectors have one number a column.
    """

    intercept: float
    weight: NDArray[np.float64]
    weight_missing: NDArray[np.float64]
    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    missing_share: NDArray[np.float64]
    lowest: NDArray[np.float64]
    highest: NDArray[np.float64]

    def contributions(self, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return what each column adds to the log odds, shape (rows, columns)."""
        known = (np.clip(matrix, self.lowest, self.highest) - self.mean) / self.deviation
        missing = np.isnan(matrix)
        indicator = self.weight_missing * (missing - self.missing_share)
        return np.where(missing, 0.0, known) * self.weight + indicator

    def margin(self, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the log odds, shape (rows,)."""
        return self.intercept + self.contributions(matrix).sum(axis=1)

    def save(self, path: Path, columns: list[str]) -> None:
        """Write it as JSON: the intercept, and a table with a row for each column."""
        vectors = {name: v.tolist() for name, v in asdict(self).items() if name != "intercept"}
        rows = [dict(zip(vectors, row, strict=True)) for row in zip(*vectors.values(), strict=True)]
        content = {"intercept": self.intercept, "columns": dict(zip(columns, rows, strict=True))}
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "LinearModel":
        """Read what `save` wrote."""
        content = json.loads(path.read_text(encoding="utf-8"))
        rows = content["columns"].values()
        names = [field.name for field in fields(cls) if field.name != "intercept"]
        vectors = {name: np.array([row[name] for row in rows], float) for name in names}
        return cls(float(content["intercept"]), **vectors)


def train_linear(records: NDArray[np.float32], cluster: Cluster = SINGLE_HOST) -> LinearModel:
    """Train the linear booster on a sample: columns, then label and weight, as in `Matrix.sample`.

    Every host gathers the samples of all, and trains the same model on them.
    """
    records = np.concatenate(cluster.allgather(records)).astype(np.float64)
    x, labels, weights = records[:, :-2], records[:, -2], records[:, -1]
    missing = np.isnan(x)
    known = np.where(missing, 0.0, weights[:, np.newaxis])
    total = np.maximum(known.sum(axis=0), 1)
    x = np.where(missing, 0.0, x)
    mean = (known * x).sum(axis=0) / total
    variance = (known * (x - mean) ** 2).sum(axis=0) / total
    deviation = np.sqrt(np.where(variance > 0, variance, 1.0))
    share = (weights @ missing) / weights.sum()
    standard = np.where(missing, 0.0, (x - mean) / deviation)
    booster = xgb.train(
        {
            "booster": "gblinear",
            "updater": "coord_descent",  # deterministic
            "feature_selector": "cyclic",
            "objective": "binary:logistic",
            "eta": 1.0,
            "lambda": LINEAR_L2 / weights.sum(),  # XGBoost multiplies by the weights of all rows
            "base_score": 0.5,
            "nthread": 1,
        },
        xgb.DMatrix(np.hstack([standard, missing - share]), labels, weight=weights),
        LINEAR_ROUNDS,
    )
    unit = xgb.DMatrix(np.vstack([np.zeros(2 * len(mean)), np.eye(2 * len(mean))]))
    intercept, *sums = booster.predict(unit, output_margin=True).astype(np.float64)
    weight, weight_missing = np.split(np.array(sums) - intercept, 2)
    raw = np.where(missing, np.nan, records[:, :-2])
    lowest, highest = (np.nan_to_num(reduce(raw, axis=0)) for reduce in (np.fmin.reduce, np.fmax.reduce))
    return LinearModel(
        float(intercept), weight, weight_missing, mean, deviation, share, lowest, highest
    )
