"""The two boosters of the model: trees, and beside them XGBoost's linear booster."""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from container.checkpoint import Checkpoints
from container.errors import check_terminated

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray

OBJECTIVE = {"objective": "binary:logistic", "eval_metric": "logloss", "tree_method": "hist"}
CHECKPOINT_ROUNDS, LOG_ROUNDS = 10, 50
LOSSES = "losses"  # attribute of a checkpoint: the validation log loss after each round

LINEAR_ROUNDS = 50
LINEAR_ROWS = 2**14  # of more rows than twice that, every n-th is enough for so few weights
LINEAR_L2 = 5.0  # on the weights of standardised columns


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
        print(f"checkpoint: goes on after round {start.num_boosted_rounds()}", flush=True)
    resumable = _Resumable(params["seed"], checkpoints, losses)
    stopping = [_EarlyStopping(early_stopping_rounds, losses)] if early_stopping_rounds else []
    try:
        return xgb.train(
            {**params, **OBJECTIVE},
            matrices["train"],
            num_round - len(losses),
            evals=[(matrix, name) for name, matrix in matrices.items()],
            verbose_eval=False,
            xgb_model=start,
            callbacks=[resumable, _Monitor(period=LOG_ROUNDS), *stopping],
        )
    except BaseException:
        with contextlib.suppress(Exception):  # the error that ended the training comes first
            resumable.save()
        raise


class _Resumable(xgb.callback.TrainingCallback):
    """Makes every CHECKPOINT_ROUNDS rounds depend on the model before them alone, and saves it.

    XGBoost keeps the state of its samplers outside the model. A new seed starts that of the rows
    anew, another tree method and back that of the columns, as in a booster just loaded.
    """

    def __init__(self, seed: int, checkpoints: Checkpoints, losses: list[float]) -> None:
        super().__init__()
        self._seed, self._checkpoints, self._losses = seed, checkpoints, losses
        self._saved = len(losses)

    def before_iteration(self, model: xgb.Booster, _epoch: int, _evals_log: Any) -> bool:
        check_terminated()
        self._model = model
        rounds = model.num_boosted_rounds()
        if rounds % CHECKPOINT_ROUNDS == 0:
            if rounds >= 1.1 * self._saved:  # each time would cost more than training
                self.save()
            model.set_param({"tree_method": "approx"})
            model.num_boosted_rounds()  # parameters take effect at the next call
            model.set_param({"tree_method": "hist", "seed": self._seed + rounds})
        return False

    def after_iteration(self, _model: xgb.Booster, _epoch: int, evals_log: Any) -> bool:
        self._losses.append(evals_log["validation"]["logloss"][-1])
        return False

    def save(self) -> None:
        """Save the model up to its last multiple of CHECKPOINT_ROUNDS."""
        rounds = len(self._losses) // CHECKPOINT_ROUNDS * CHECKPOINT_ROUNDS
        if rounds and self._checkpoints.folder:
            model = self._model[:rounds]
            model.set_attr(**{LOSSES: json.dumps(self._losses[:rounds])})
            self._checkpoints.save(rounds, bytes(model.save_raw("ubj")))
            self._saved = rounds


class _Monitor(xgb.callback.EvaluationMonitor):
    """Logs the losses under the number of the round, which `xgb.train` counts anew on a resume."""

    def after_iteration(self, model: xgb.Booster, _epoch: int, evals_log: Any) -> bool:
        return super().after_iteration(model, model.num_boosted_rounds() - 1, evals_log)


class _EarlyStopping(xgb.callback.EarlyStopping):
    """Early stopping that knows the losses from before a resume."""

    def __init__(self, rounds: int, losses: list[float]) -> None:
        super().__init__(rounds=rounds, save_best=True)
        self._before, self._stalled = list(losses), False

    def before_training(self, model: xgb.Booster) -> xgb.Booster:
        model = super().before_training(model)
        for round_, loss in enumerate(self._before):
            log: Any = {"validation": {"logloss": [loss]}}
            self._stalled = self.after_iteration(model, round_ - self.starting_round, log)
        return model

    def before_iteration(self, _model: xgb.Booster, _epoch: int, _evals_log: Any) -> bool:
        return self._stalled


@dataclass(frozen=True)
class LinearModel:
    """XGBoost's `gblinear` on standardised columns, in which a missing value counts as the mean.

    A column with missing values has a second one that says so. Values outside of those in training
    count as the nearest of them. Vectors have one number a column.
    """

    intercept: NDArray[Any]  # shape ()
    weight: NDArray[Any]
    weight_missing: NDArray[Any]
    mean: NDArray[Any]
    deviation: NDArray[Any]
    missing_share: NDArray[Any]
    lowest: NDArray[Any]
    highest: NDArray[Any]

    def contributions(self, matrix: NDArray[np.float32]) -> NDArray[Any]:
        """Return what each column adds to the log odds, shape (rows, columns)."""
        known = (np.clip(matrix, self.lowest, self.highest) - self.mean) / self.deviation
        indicator = np.isnan(matrix) - self.missing_share
        added: NDArray[Any] = self.weight * np.nan_to_num(known) + self.weight_missing * indicator
        return added

    def margin(self, matrix: NDArray[np.float32]) -> NDArray[Any]:
        """Return the log odds, shape (rows,)."""
        return np.asarray(self.intercept + self.contributions(matrix).sum(axis=1))

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        content = {name: np.asarray(value).tolist() for name, value in asdict(self).items()}
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "LinearModel":
        """Read what `save` wrote."""
        content = json.loads(path.read_text(encoding="utf-8"))
        return cls(**{field.name: np.array(content[field.name], float) for field in fields(cls)})


def train_linear(records: NDArray[np.float32]) -> LinearModel:
    """Train the linear booster on records: the columns, then label and weight."""
    records = records.astype(float)  # as what is saved and read again
    raw, labels, weights = records[:, :-2], records[:, -2], records[:, -1]
    missing = np.isnan(raw)
    known, x = np.where(missing, 0, weights[:, np.newaxis]), np.nan_to_num(raw)
    total = np.maximum(known.sum(axis=0), 1)
    mean = (known * x).sum(axis=0) / total
    variance = (known * (x - mean) ** 2).sum(axis=0) / total
    deviation = np.sqrt(np.where(variance > 0, variance, 1))
    share = weights @ missing / weights.sum()
    standard = np.where(missing, 0, (x - mean) / deviation)
    params = {
        "booster": "gblinear",
        "updater": "coord_descent",  # deterministic
        "objective": "binary:logistic",
        "eta": 1,
        "lambda": LINEAR_L2 / weights.sum(),  # XGBoost multiplies by the sum of weights
        "base_score": 0.5,
        "nthread": 1,
    }
    some = share > 0
    x = np.hstack([standard, (missing - share)[:, some]])
    # A cell of 0 adds nothing, and takes no time where XGBoost is told to leave it out.
    booster = xgb.train(params, xgb.DMatrix(x, labels, weight=weights, missing=0), LINEAR_ROUNDS)
    # The margins of no column at all, and of each column alone, give the weights.
    alone = xgb.DMatrix(np.eye(x.shape[1] + 1, x.shape[1], k=-1))
    intercept, *margins = booster.predict(alone, output_margin=True).astype(float)
    both = np.array(margins) - intercept
    weight, weight_missing = both[: len(mean)], np.zeros(len(mean))
    weight_missing[some] = both[len(mean) :]
    lowest, highest = np.nan_to_num(np.fmin.reduce(raw)), np.nan_to_num(np.fmax.reduce(raw))
    return LinearModel(
        np.array(intercept), weight, weight_missing, mean, deviation, share, lowest, highest
    )
