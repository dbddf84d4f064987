"""Metrics against scikit-learn, within 1e-9."""

from typing import Any

from container.contract import METRICS, parse_hyperparameters
from container.errors import InputError
from container.evaluation import evaluate

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, log_loss, roc_auc_score
from small_program import evaluation, make_rows, train

QUICK = parse_hyperparameters({"num_round": 20})

# Few distinct probabilities, so that ties are common, with the ends.
pairs = st.lists(
    st.tuples(
        st.sampled_from([0, 1]),
        st.integers(0, 20).map(lambda n: n / 20) | st.floats(0, 1, width=32),
    ),
    min_size=2,
    max_size=60,
).filter(lambda rows: {label for label, _ in rows} == {0, 1})


def assert_as_scikit_learn(labels: np.ndarray, p: np.ndarray) -> None:
    metrics = evaluate(labels, p)
    exact, predicted = p.astype(float), p >= 0.5
    expected = {
        "accuracy": accuracy_score(labels, predicted),
        "auc": roc_auc_score(labels, exact),
        "f1": f1_score(labels, predicted, zero_division=0),
        "log_loss": log_loss(labels, exact),
    }
    assert set(expected) == set(METRICS)
    for name, value in expected.items():
        assert metrics[name] == pytest.approx(value, abs=1e-9)
    matrix = metrics["confusion_matrix"]
    names = ["true_negative", "false_positive", "false_negative", "true_positive"]
    assert [matrix[name] for name in names] == confusion_matrix(labels, predicted).ravel().tolist()


@given(pairs)
def test_metrics_are_those_of_scikit_learn(rows: list[tuple[int, float]]) -> None:
    labels = np.array([label for label, _ in rows])
    assert_as_scikit_learn(labels, np.array([p for _, p in rows], np.float32))


@pytest.mark.parametrize(
    "p", [np.zeros(100), np.ones(100), np.full(100, 0.5), np.arange(100) / 99, np.arange(100) % 2]
)
@pytest.mark.parametrize("positive", [1, 50, 99])
def test_so_they_are_in_degenerate_cases(p: np.ndarray, positive: int) -> None:
    labels = (np.arange(100) < positive).astype(np.int8)
    for each in (labels, labels[::-1]):
        assert_as_scikit_learn(each, p.astype(np.float32))


def test_so_they_are_for_many_rows() -> None:
    random = np.random.default_rng(3)
    p = random.random(300_000).astype(np.float32)
    assert_as_scikit_learn((random.random(300_000) < p).astype(np.int8), p)


@pytest.mark.parametrize(
    ("labels", "last", "message"),
    [
        *(([0, 1, 1], value, "no numbers") for value in (np.nan, np.inf, -np.inf)),
        *(([label] * 3, 0.9, "3 rows of one class") for label in (0, 1)),
    ],
)
def test_what_has_no_metrics_is_an_error(labels: list[int], last: float, message: str) -> None:
    with pytest.raises(InputError, match=message):
        evaluate(np.array(labels), np.array([0.1, 0.5, last], np.float32))


@given(st.lists(st.sampled_from([0, 1]), min_size=6, max_size=80), st.integers(3, 6))
def test_every_fold_has_its_share_of_both_labels(given_labels: list[int], count: int) -> None:
    labels = np.array(given_labels)
    if min(np.bincount(labels, minlength=2)) < count:
        with pytest.raises(InputError, match=rf"{count} folds: there are only \d rows"):
            evaluation.stratified_folds(labels, count)
        return
    folds = evaluation.stratified_folds(labels, count)
    for part in (folds, folds[labels == 0], folds[labels == 1]):
        sizes = np.bincount(part, minlength=count)
        assert sizes.max() - sizes.min() <= 1


@pytest.mark.parametrize("early_stopping_rounds", [0, 3])
def test_a_fold_is_measured_by_a_model_that_has_seen_nothing_of_it(
    early_stopping_rounds: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not even to know when to stop: that is for the fold after it."""
    rows = make_rows(400)
    quick = QUICK | {"early_stopping_rounds": early_stopping_rounds}
    seen: list[tuple[pd.DataFrame, pd.DataFrame]] = []

    def fit(*parts: pd.DataFrame) -> Any:
        seen.append(parts)
        return train.fit(*parts, quick)

    measured = list(evaluation.cross_validate(rows, 4, fit))
    assert [set(fold) for fold in measured] == [set(METRICS)] * 4
    assert list(evaluation.cross_validate(rows, 4, fit)) == measured
    fold_of = evaluation.stratified_folds(rows["bought"].to_numpy(), 4)
    for fold, (trained, watched) in enumerate(seen[:4]):
        assert len(trained) == (~np.isin(fold_of, [fold, (fold + 1) % 4])).sum()
        pd.testing.assert_frame_equal(
            watched, rows[fold_of == (fold + 1) % 4].reset_index(drop=True)
        )
        of_fold = rows[fold_of == fold].reset_index(drop=True)
        metrics = evaluation.measure(train.fit(trained, watched, quick), of_fold)
        assert {name: metrics[name] for name in METRICS} == measured[fold]
    assert all(0.6 < fold["auc"] < 1 for fold in measured)
    assert "hyperparameter" not in capsys.readouterr().out
