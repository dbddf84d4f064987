"""The trees and the linear model, on plain matrices."""

from pathlib import Path
from typing import Any

from container.boosting import LINEAR_L2, train_linear, train_trees
from container.checkpoint import Checkpoint
from container.contract import HYPERPARAMETERS

import numpy as np
import pytest
import xgboost as xgb
from sklearn.linear_model import LogisticRegression

DEFAULTS: dict[str, Any] = {name: spec.default for name, spec in HYPERPARAMETERS.items()}
PARAMS = {n: v for n, v in DEFAULTS.items() if n not in ("num_round", "early_stopping_rounds")}


def records(rows: int = 300, seed: int = 1) -> np.ndarray:
    """Two columns that matter, one with missing values, a constant one; label and weight."""
    random = np.random.default_rng(seed)
    x = random.normal(3, 2, size=(rows, 3))
    labels = random.random(rows) < 1 / (1 + np.exp(-(x[:, 0] - 3 - 0.5 * x[:, 1])))
    x[random.random(rows) < np.where(labels, 0.4, 0.1), 1] = np.nan
    x[:, 2] = 7
    return np.column_stack([x, labels, random.choice([0.5, 1.0], rows)]).astype(np.float32)


@pytest.fixture(scope="module")
def matrices() -> dict[str, xgb.DMatrix]:
    matrices: dict[str, xgb.DMatrix] = {}
    for name, seed in (("train", 1), ("validation", 2)):
        rows = records(seed=seed)
        matrices[name] = xgb.QuantileDMatrix(
            rows[:, :-2], rows[:, -2], weight=rows[:, -1], ref=matrices.get("train")
        )
    return matrices


def losses(booster: xgb.Booster, matrix: xgb.DMatrix, rounds: int) -> list[float]:
    y = matrix.get_label()
    ps = [booster.predict(matrix, iteration_range=(0, n)) for n in range(1, rounds + 1)]
    return [
        -np.average(np.log(np.where(y == 1, p, 1 - p)), weights=matrix.get_weight()) for p in ps
    ]


def test_early_stopping_keeps_the_best_trees_only(
    matrices: dict[str, xgb.DMatrix], capsys: pytest.CaptureFixture[str]
) -> None:
    params = {**PARAMS, "eta": 0.3}
    stopped = train_trees(params, matrices, 2000, early_stopping_rounds=5)
    best = stopped.num_boosted_rounds()
    assert best < 1900
    of_round = losses(train_trees(params, matrices, best + 5), matrices["validation"], best + 5)
    assert int(np.argmin(np.round(of_round, 5))) + 1 == best
    assert f"[{best + 4}]" in capsys.readouterr().out.split("[0]")[1]


def test_other_seeds_give_other_trees(matrices: dict[str, xgb.DMatrix]) -> None:
    one, other = (train_trees({**PARAMS, "seed": seed}, matrices, 5) for seed in (1, 2))
    assert one.get_dump() != other.get_dump()


@pytest.mark.parametrize(("first", "early_stopping_rounds"), [(9, 0), (30, 0), (37, 0), (37, 8)])
def test_a_training_that_goes_on_from_a_checkpoint_gives_the_same_bytes(
    first: int,
    early_stopping_rounds: int,
    matrices: dict[str, xgb.DMatrix],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    params = {**PARAMS, "eta": 0.1}
    whole = train_trees(params, matrices, 100, early_stopping_rounds).save_raw()
    checkpoint = Checkpoint(tmp_path / "own.ubj")
    train_trees(params, matrices, first, early_stopping_rounds, checkpoint)
    resumed = train_trees(params, matrices, 100, early_stopping_rounds, checkpoint)
    assert resumed.save_raw() == whole
    assert ("goes on after round 30" in capsys.readouterr().out) == (first > 30)


def standardised(rows: np.ndarray) -> np.ndarray:
    """The columns, 0 where missing, and then those that say that a value is missing."""
    known, weights = ~np.isnan(rows[:, :-2]), rows[:, -1].astype(float)
    columns = []
    for column in range(3):
        x, w = rows[known[:, column], column].astype(float), weights[known[:, column]]
        mean = np.average(x, weights=w)
        deviation = np.sqrt(np.average((x - mean) ** 2, weights=w)) or 1
        filled = np.where(known[:, column], rows[:, column], mean)
        columns.append((filled - mean) / deviation)
    shares = 1 - np.average(known, axis=0, weights=weights)
    return np.column_stack([*columns, ~known - shares])


def test_the_linear_model_is_the_logistic_regression_of_scikit_learn() -> None:
    rows = records()
    x = standardised(rows)
    regression = LogisticRegression(C=1 / LINEAR_L2, tol=1e-10, max_iter=1000)
    regression.fit(x, rows[:, -2], sample_weight=rows[:, -1])
    margin = regression.decision_function(x)
    np.testing.assert_allclose(train_linear(rows).margin(rows[:, :-2]), margin, atol=2e-3)


def test_contributions_are_0_on_average_and_a_constant_column_has_none() -> None:
    rows = records()
    linear = train_linear(rows)
    contributions = linear.contributions(rows[:, :-2])
    assert contributions.shape == (300, 3)
    np.testing.assert_allclose(np.average(contributions, axis=0, weights=rows[:, -1]), 0, atol=1e-6)
    np.testing.assert_allclose(contributions[:, 2], 0, atol=1e-9)
    margin = linear.intercept + contributions.sum(axis=1)
    np.testing.assert_array_equal(linear.margin(rows[:, :-2]), margin)


def test_what_lies_outside_of_the_training_rows_counts_as_their_end() -> None:
    rows = records()
    far = np.array([[1e9, -1e9, 8]], np.float32)
    ends = np.array([[rows[:, 0].max(), np.nanmin(rows[:, 1]), 7]], np.float32)
    linear = train_linear(rows)
    np.testing.assert_array_equal(linear.margin(far), linear.margin(ends))


def test_a_column_without_any_value_is_trained_on() -> None:
    rows = records()
    rows[:, 1] = np.nan
    assert np.isfinite(train_linear(rows).margin(rows[:, :-2])).all()
