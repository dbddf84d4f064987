"""Metrics against scikit-learn, within 1e-9."""

import json
from pathlib import Path

from container.contract import METRICS, parse_hyperparameters
from container.errors import InputError
from container.evaluation import evaluate
from container.opt_ml import OptMl

import numpy as np
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
    "p",
    [
        *(np.zeros(100), np.ones(100), np.full(100, 0.5), np.arange(100) / 99, np.arange(100) % 2),
        np.random.default_rng(3).random(300_000),
    ],
)
@pytest.mark.parametrize("positive", [1, 50, 99])
def test_so_they_are_in_degenerate_cases_and_for_many_rows(p: np.ndarray, positive: int) -> None:
    labels = (np.arange(len(p)) < positive * len(p) / 100).astype(np.int8)
    for each in (labels, labels[::-1]):
        assert_as_scikit_learn(each, p.astype(np.float32))


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
            train.stratified_folds(labels, count)
        return
    folds = train.stratified_folds(labels, count)
    for part in (folds, folds[labels == 0], folds[labels == 1]):
        sizes = np.bincount(part, minlength=count)
        assert sizes.max() - sizes.min() <= 1


@pytest.mark.parametrize("early_stopping_rounds", [0, 3])
def test_a_fold_is_measured_by_a_model_that_has_seen_nothing_of_it(
    early_stopping_rounds: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not even to know when to stop: that is for the fold after it."""
    rows, opt_ml = make_rows(400), OptMl(tmp_path)
    quick = QUICK | {"early_stopping_rounds": early_stopping_rounds}
    folder = opt_ml.channels / "train"
    folder.mkdir(parents=True)
    rows.to_csv(folder / "rows.csv", index=False)
    train.cross_validate(opt_ml, quick, 4)
    (path,) = opt_ml.output_data.iterdir()
    measured = json.loads(path.read_text(encoding="utf-8"))["folds"]
    assert [set(fold) for fold in measured] == [set(METRICS)] * 4
    assert all(0.6 < fold["auc"] < 1 for fold in measured)
    assert "training on" not in capsys.readouterr().out
    fold_of = train.stratified_folds(rows["bought"].to_numpy(), 4)
    for fold, expected in enumerate(measured):
        measured_on, watched = fold_of == fold, fold_of == (fold + 1) % 4
        parts = (~(measured_on | watched), watched, measured_on)
        others, next_fold, own = (rows[part].reset_index(drop=True) for part in parts)
        metrics = evaluation.measure(train.fit(others, next_fold, quick), own)
        assert {name: metrics[name] for name in METRICS} == expected
