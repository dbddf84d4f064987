"""The two boosters of the model: trees, and beside them XGBoost's linear booster."""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from container.checkpoint import Checkpoints
from container.errors import Terminated, terminated

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray

OBJECTIVE = {"objective": "binary:logistic", "eval_metric": "logloss", "tree_method": "hist"}
CHECKPOINT_ROUNDS, LOG_ROUNDS = 10, 50
LOSSES = "losses"  # attribute of a checkpoint

LINEAR_ROUNDS, LINEAR_L2 = 50, 5.0  # L2 penalty on the weights of standardised columns
LINEAR_ROWS = 2**14  # of more rows than twice that, every n-th is enough for so few weights


def train_trees(
    params: Mapping[str, Any],
    matrices: Mapping[str, xgb.DMatrix],
    num_round: int,
    early_stopping_rounds: int = 0,
    checkpoints: Checkpoints | None = None,
) -> xgb.Booster:
    """Train on `matrices["train"]`, evaluating on `matrices["validation"]`.

    With early stopping, stop after so many rounds without a lower validation log loss, and keep the
    best. Resumed from a checkpoint, it gives the same bytes as without an interruption.
    """
    checkpoints = checkpoints or Checkpoints()
    start, losses = None, list[float]()
    if content := checkpoints.load():
        start = xgb.Booster(model_file=bytearray(content))
        losses = json.loads(start.attr(LOSSES) or "[]")
        start.set_attr(**{LOSSES: None})
        print(f"checkpoint: goes on after round {len(losses)}", flush=True)
    resumable = _Resumable(params["seed"], early_stopping_rounds, losses, checkpoints, matrices)
    try:
        booster = xgb.train(
            {**params, **OBJECTIVE},
            matrices["train"],
            num_round - len(losses),
            evals=[(matrices["validation"], "validation")],  # the training rows take time
            verbose_eval=False,
            xgb_model=start,
            callbacks=[resumable],
        )
    except BaseException:
        with contextlib.suppress(Exception):  # the error that ended the training comes first
            resumable.save()
        raise
    if (len(losses) - 1) % LOG_ROUNDS:
        resumable.log(booster)
    return booster[: losses.index(min(losses)) + 1] if early_stopping_rounds else booster


@dataclass(eq=False)
class _Resumable(xgb.callback.TrainingCallback):
    """Early stopping and checkpoints that a resumed training goes on with.

    XGBoost keeps the state of its samplers outside the model. Every CHECKPOINT_ROUNDS rounds a new
    seed starts that of the rows anew, another tree method and back that of the columns, as in a
    booster just loaded. XGBoost's own EarlyStopping knows no losses from before a resume.
    """

    seed: int
    early_stopping_rounds: int
    losses: list[float]  # on the validation rows, after each round
    checkpoints: Checkpoints
    matrices: Mapping[str, xgb.DMatrix]
    saved: int = 0  # rounds, when this process saved them

    def before_iteration(self, model: xgb.Booster, _epoch: int, _evals_log: Any) -> bool:
        """Save the model and reset its samplers, or stop the training."""
        if terminated.is_set():
            raise Terminated
        self._model = model
        rounds = len(self.losses)
        if rounds % CHECKPOINT_ROUNDS == 0:
            if rounds >= 1.1 * self.saved:  # each time would cost more than training
                self.save()
            model.set_param({"tree_method": "approx"})
            model.num_boosted_rounds()  # parameters take effect at the next call
            model.set_param({"tree_method": "hist", "seed": self.seed + rounds})
        patience = self.early_stopping_rounds
        before = self.losses[:-patience] if patience else []
        return bool(before) and min(self.losses[-patience:]) >= min(before)

    def after_iteration(self, model: xgb.Booster, _epoch: int, evals_log: Any) -> bool:
        """Keep the validation log loss; log it every LOG_ROUNDS rounds."""
        self.losses.append(evals_log["validation"]["logloss"][-1])
        if (len(self.losses) - 1) % LOG_ROUNDS == 0:
            self.log(model)
        return False

    def save(self) -> None:
        """Save the model up to its last multiple of CHECKPOINT_ROUNDS."""
        rounds = len(self.losses) // CHECKPOINT_ROUNDS * CHECKPOINT_ROUNDS
        if rounds and self.checkpoints.folder:
            model = self._model[:rounds]
            model.set_attr(**{LOSSES: json.dumps(self.losses[:rounds])})
            self.checkpoints.save(rounds, bytes(model.save_raw("ubj")))
            self.saved = rounds

    def log(self, model: xgb.Booster) -> None:
        """Log the log loss on each matrix, under the number of the last round."""
        evals = [(matrix, name) for name, matrix in self.matrices.items()]
        number, *losses = model.eval_set(evals, model.num_boosted_rounds() - 1).split("\t")
        shown = [f"{name}:{float(loss):.5f}" for name, loss in (each.split(":") for each in losses)]
        if xgb.collective.get_rank() == 0:
            print("\t".join([number, *shown]), flush=True)


@dataclass(frozen=True)
class LinearModel:
    """XGBoost's `gblinear` on standardised columns, and on indicators of their missing values.

    A missing value counts as the mean, and one outside of those in training as the nearest of them.
    Vectors have a number for each column, then one for the indicator of each column.
    """

    intercept: NDArray[Any]  # shape ()
    weight: NDArray[Any]
    mean: NDArray[Any]
    deviation: NDArray[Any]
    lowest: NDArray[Any]
    highest: NDArray[Any]

    def standardise(self, matrix: NDArray[Any]) -> NDArray[Any]:
        """Return the columns and their indicators, each with mean 0, shape (rows, 2 * columns)."""
        known = np.clip(_with_indicators(matrix), self.lowest, self.highest)
        known -= self.mean
        known /= self.deviation
        return np.asarray(np.nan_to_num(known, copy=False))

    def contributions(self, matrix: NDArray[np.float32]) -> NDArray[Any]:
        """Return what each column adds to the log odds, shape (rows, columns)."""
        columns, indicators = np.hsplit(self.weight * self.standardise(matrix), 2)
        return np.asarray(columns + indicators)

    def margin(self, matrix: NDArray[np.float32]) -> NDArray[Any]:
        """Return the log odds, shape (rows,)."""
        return np.asarray(self.intercept + self.contributions(matrix).sum(axis=1))

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        content = {name: array.tolist() for name, array in vars(self).items()}
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "LinearModel":
        """Read what `save` wrote."""
        content = json.loads(path.read_text(encoding="utf-8"))
        return cls(**{name: np.array(value, float) for name, value in content.items()})


def train_linear(records: NDArray[np.float32]) -> LinearModel:
    """Train the linear booster on records: the columns, then label and weight."""
    records = records.astype(float)  # as what is saved and read again
    matrix, labels, weights = records[:, :-2], records[:, -2], records[:, -1]
    moments = [_moments(column, weights) for column in _with_indicators(matrix).T]
    mean, deviation, lowest, highest = np.array(moments).T
    deviation[matrix.shape[1] :] = 1  # of the indicators
    model = LinearModel(np.array(0.0), np.zeros(len(mean)), mean, deviation, lowest, highest)
    params: Any = {"booster": "gblinear", "updater": "coord_descent"}  # which is deterministic
    params |= {"objective": "binary:logistic", "eta": 1, "base_score": 0.5, "nthread": 1}
    params["lambda"] = LINEAR_L2 / weights.sum()  # XGBoost multiplies by the sum of weights
    # A cell of 0 adds nothing, and takes no time where XGBoost is told to leave it out.
    x = xgb.DMatrix(model.standardise(matrix), labels, weight=weights, missing=0)
    booster = xgb.train(params, x, LINEAR_ROUNDS)
    # The margins of no column at all, and of each column alone, give the weights.
    alone = xgb.DMatrix(np.eye(len(mean) + 1, len(mean), k=-1))
    intercept, *margins = booster.predict(alone, output_margin=True).astype(float)
    return replace(model, intercept=np.array(intercept), weight=np.array(margins) - intercept)


def _with_indicators(matrix: NDArray[Any]) -> NDArray[Any]:
    return np.hstack([matrix, np.isnan(matrix)])


def _moments(column: NDArray[Any], weights: NDArray[Any]) -> tuple[float, float, float, float]:
    """Return mean, standard deviation (1 of a constant), least and greatest of the known values."""
    known = ~np.isnan(column)
    if not known.any():
        return 0, 1, 0, 0
    values, weights = column[known], weights[known]
    mean = np.average(values, weights=weights)
    deviation = np.sqrt(np.average((values - mean) ** 2, weights=weights)) or 1
    return mean, deviation, values.min(), values.max()
