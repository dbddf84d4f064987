"""The two boosters of the model: trees, and beside them XGBoost's linear booster."""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from container.checkpoint import Checkpoint
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
    checkpoint: Checkpoint | None = None,
) -> xgb.Booster:
    """Train on `matrices["train"]`, evaluating on `matrices["validation"]`.

    With early stopping, stop after so many rounds without a lower validation log loss, and keep the
    best. Resumed from a checkpoint, it gives the same bytes as without an interruption.
    """
    checkpoint = checkpoint or Checkpoint()
    losses: list[float] = []
    if start := checkpoint.load():
        losses = json.loads(start.attr(LOSSES) or "[]")
        start.set_attr(**{LOSSES: None})
        print(f"checkpoint: goes on after round {len(losses)}", flush=True)
    resumable = _Resumable(params["seed"], early_stopping_rounds, losses, checkpoint)
    try:
        booster = xgb.train(
            {**params, **OBJECTIVE},
            matrices["train"],
            num_round - len(losses),
            evals=[(matrices["validation"], "validation")],  # the training rows take time
            verbose_eval=LOG_ROUNDS,
            xgb_model=start,
            callbacks=[resumable],
        )
    except BaseException:
        with contextlib.suppress(Exception):  # the error that ended the training comes first
            resumable.save()
        raise
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
    checkpoint: Checkpoint
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

    def after_iteration(self, _model: xgb.Booster, _epoch: int, evals_log: Any) -> bool:
        """Keep the validation log loss."""
        self.losses.append(evals_log["validation"]["logloss"][-1])
        return False

    def save(self) -> None:
        """Save the model up to its last multiple of CHECKPOINT_ROUNDS."""
        rounds = len(self.losses) // CHECKPOINT_ROUNDS * CHECKPOINT_ROUNDS
        if rounds and self.checkpoint.path:
            model = self._model[:rounds]
            model.set_attr(**{LOSSES: json.dumps(self.losses[:rounds])})
            self.checkpoint.save(model)
            self.saved = rounds


@dataclass(frozen=True)
class LinearModel:
    """What XGBoost's `gblinear` learned; each vector has a number for each column.

    A value outside of those in training counts as the nearest of them. On average over the training
    rows, a column adds nothing.
    """

    intercept: NDArray[Any]  # shape ()
    weight: NDArray[Any]
    offset: NDArray[Any]
    if_missing: NDArray[Any]
    lowest: NDArray[Any]
    highest: NDArray[Any]

    def contributions(self, matrix: NDArray[np.float32]) -> NDArray[Any]:
        """Return what each column adds to the log odds, shape (rows, columns)."""
        known = self.weight * np.clip(matrix, self.lowest, self.highest) + self.offset
        return np.where(np.isnan(matrix), self.if_missing, known)

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
    """Train the linear booster on records: the columns, then label and weight.

    It sees the columns, then indicators of their missing values: with mean 0, the columns with
    deviation 1.
    """
    matrix, labels, weights = records[:, :-2].astype(float), records[:, -2], records[:, -1]
    known, missing = np.ma.masked_invalid(matrix), np.isnan(matrix)
    mean = np.ma.filled(np.ma.average(known, 0, weights), 0)
    deviation = np.ma.filled(np.ma.average((known - mean) ** 2, 0, weights), 0) ** 0.5
    deviation[deviation == 0] = 1  # of a constant
    share = np.average(missing, 0, weights)
    params: Any = {"booster": "gblinear", "updater": "coord_descent"}  # which is deterministic
    params |= {"objective": "binary:logistic", "eta": 1, "base_score": 0.5, "nthread": 1}
    params["lambda"] = LINEAR_L2 / weights.sum()  # XGBoost multiplies by the sum of weights
    # A cell of 0 adds nothing, and takes no time where XGBoost is told to leave it out.
    x = np.hstack([np.ma.filled((known - mean) / deviation, 0), missing - share])
    booster = xgb.train(params, xgb.DMatrix(x, labels, weight=weights, missing=0), LINEAR_ROUNDS)
    learned = json.loads(booster.save_raw("json"))["learner"]["gradient_booster"]["model"]
    weight, of_missing, bias = np.split(np.array(learned["weights"]), [len(mean), -1])
    return LinearModel(
        intercept=bias[0],
        weight=weight / deviation,
        offset=-mean * weight / deviation - share * of_missing,
        if_missing=(1 - share) * of_missing,
        lowest=known.min(axis=0).filled(0),
        highest=known.max(axis=0).filled(0),
    )
