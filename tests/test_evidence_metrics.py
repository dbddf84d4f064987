"""What the evidence page and the notebook compute with scikit-learn."""

import json

from container import evaluation
from container.contract import METRICS
from container.reading import read_rows
from container.schema import LABEL
from pipeline.data import Dataset
from pipeline.evidence.metrics import (
    baselines,
    cross_validate,
    evaluate,
    group_shares,
    intervals,
    learning_curve,
    metrics_of_samples,
    most_telling_columns,
)
from pipeline.evidence.pictures import wilson_interval
from pipeline.evidence.scoring import TOLERANCE, largest_difference
from pipeline.settings import Settings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

SCORED = st.lists(
    st.tuples(st.integers(0, 1), st.floats(0, 1, width=32)), min_size=2, max_size=60
).filter(lambda rows: len({label for label, _ in rows}) == 2)


@given(SCORED)
def test_the_image_and_scikit_learn_measure_the_same(scored: list[tuple[int, float]]) -> None:
    labels = np.array([label for label, _ in scored])
    probabilities = np.array([p for _, p in scored], np.float32)
    ours, theirs = evaluation.evaluate(labels, probabilities), evaluate(labels, probabilities)
    assert largest_difference(ours, theirs)[1] <= TOLERANCE
    json.dumps(theirs)


def test_scores_that_are_no_numbers_are_no_evidence() -> None:
    with pytest.raises(ValueError, match="NaN"):
        evaluate(np.array([0, 1]), np.array([0.1, np.nan], np.float32))


def test_the_baselines_see_the_training_rows_alone(dataset: Dataset) -> None:
    train, validation = (
        read_rows(dataset.channels[name], name, labelled=True) for name in ("train", "validation")
    )
    found = baselines(train, validation)
    column = most_telling_columns(train)[0]
    assert list(found) == ["prior", "logistic", column]
    assert [list(metrics) for metrics in found.values()] == [list(METRICS)] * 3
    share_of_value = validation[column].map(train.groupby(column)[LABEL].mean())
    assert found[column]["auc"] == pytest.approx(roc_auc_score(validation[LABEL], share_of_value))
    assert found["prior"]["auc"] == 0.5
    share, label = train[LABEL].mean(), validation[LABEL]
    loss = -np.mean(label * np.log(share) + (1 - label) * np.log(1 - share))
    assert found["prior"]["log_loss"] == pytest.approx(loss)
    assert 0.8 < found["logistic"]["auc"] < 0.95
    mirrored = train.assign(**{LABEL: 1 - train[LABEL]})
    assert baselines(mirrored, validation)["logistic"]["auc"] < 0.2


@given(SCORED)
@hypothesis_settings(max_examples=30)
def test_a_bootstrap_sample_is_measured_as_scikit_learn_measures_it(
    scored: list[tuple[int, float]],
) -> None:
    labels = np.array([label for label, _ in scored])
    probabilities = np.array([p for _, p in scored], np.float32)
    random = np.random.default_rng(0)
    counts = [np.bincount(random.integers(len(labels), size=len(labels))) for _ in range(20)]
    found = metrics_of_samples(labels, probabilities, 20)
    y, p = labels, probabilities.astype(float)
    expected = []
    for count in counts:
        rows = np.repeat(np.arange(len(count)), count)
        if len(set(y[rows])) == 2:
            expected.append(evaluate(y[rows], p[rows]))
    assert len(found) == len(expected)
    for metric in METRICS:
        assert [sample[metric] for sample in found] == pytest.approx(
            [sample[metric] for sample in expected], abs=1e-9
        )


def test_an_interval_holds_the_metric_and_is_narrower_with_more_rows() -> None:
    random = np.random.default_rng(1)
    labels = random.integers(0, 2, 4000)
    scores = np.clip(labels * 0.3 + random.uniform(0, 0.7, 4000), 0, 1)
    many, few = intervals(labels, scores), intervals(labels[:100], scores[:100])
    for metric in METRICS:
        low, high = many[metric]
        assert low < evaluate(labels, scores)[metric] < high
        assert high - low < few[metric][1] - few[metric][0]


def test_numbers_are_grouped_into_bins_of_equally_many_rows(rows: pd.DataFrame) -> None:
    ages = group_shares(rows, "age")
    assert ages["size"].sum() == rows["age"].notna().sum()
    assert ages["size"].min() > ages["size"].max() / 2
    assert str(ages.index[0]).startswith("≤ ")
    assert str(ages.index[-1]).startswith("> ")


def test_the_interval_is_wilsons() -> None:
    """Of 10 one: 1.8 % to 40.4 %, as in the literature's tables."""
    low, high = wilson_interval(np.array([0.1, 0.0, 1.0]), 10)
    assert (low[0], high[0]) == pytest.approx((0.018, 0.404), abs=0.001)
    assert low[1] == pytest.approx(0)
    assert high[2] == pytest.approx(1)


def test_cross_validation_measures_every_row_once(rows: pd.DataFrame, settings: Settings) -> None:
    hyperparameters = settings.hyperparameters | {"num_round": 10}
    folds = cross_validate(rows, hyperparameters, 3)
    assert list(folds) == list(METRICS)
    assert len(folds) == 3
    assert folds["auc"].between(0.8, 0.95).all()
    random = np.random.default_rng(0)
    shuffled = rows.assign(**{LABEL: random.permutation(rows[LABEL])})
    assert cross_validate(shuffled, hyperparameters, 3)["auc"].mean() < 0.58, "nothing leaks"


def test_the_column_that_is_the_label_tells_most(rows: pd.DataFrame) -> None:
    column = most_telling_columns(rows)[-1]
    told = rows.assign(**{column: rows[LABEL].astype(rows[column].dtype)})
    assert most_telling_columns(told)[0] == column


def test_the_learning_curve_learns_from_every_number_of_rows(
    rows: pd.DataFrame, settings: Settings
) -> None:
    curve = learning_curve(rows, settings.hyperparameters | {"num_round": 10}, 2)
    assert list(curve.index) == [round(share * (len(rows) // 2)) for share in (0.1, 0.25, 0.5, 1)]
    assert curve["mean"].between(0.7, 0.95).all(), "sorted rows would have one label at first"
