import json

from container.metrics import CALIBRATION_BINS, MOST_ROC_POINTS, evaluate

import numpy as np
import pytest
import xgboost as xgb
from hypothesis import given, settings
from hypothesis import strategies as st

# Few distinct probabilities, so that ties are common; none at 0 or 1, where log loss is a matter
# of clipping.
rows = st.lists(
    st.tuples(st.sampled_from([0, 1]), st.integers(1, 19).map(lambda n: n / 20)),
    min_size=2,
    max_size=60,
).filter(lambda rows: {label for label, _ in rows} == {0, 1})


@given(rows)
def test_metrics_are_those_of_their_definitions(rows: list[tuple[int, float]]) -> None:
    labels = np.array([label for label, _ in rows])
    p = np.array([value for _, value in rows], np.float32)
    metrics = evaluate(labels, p)

    pairs = [(a, b) for a in p[labels == 1] for b in p[labels == 0]]
    auc = sum(1.0 if a > b else 0.5 if a == b else 0.0 for a, b in pairs) / len(pairs)
    predicted = p >= 0.5
    hits = int(np.sum(predicted & (labels == 1)))
    f1 = 2 * hits / (int(np.sum(predicted)) + int(np.sum(labels)))
    log_loss = -np.mean(
        [np.log(q if label else 1 - q) for label, q in zip(labels, p.astype(float), strict=True)]
    )
    assert metrics["accuracy"] == pytest.approx(np.mean(predicted == labels), abs=1e-6)
    assert metrics["auc"] == pytest.approx(auc, abs=1e-6)
    assert metrics["f1"] == pytest.approx(f1, abs=1e-6)
    assert metrics["log_loss"] == pytest.approx(log_loss, abs=1e-6)
    assert sum(metrics["confusion_matrix"].values()) == len(rows)
    assert metrics["confusion_matrix"]["true_positive"] == hits


def test_xgboost_itself_computes_the_same() -> None:
    random = np.random.default_rng(3)
    features = random.normal(size=(400, 3))
    labels = (features[:, 0] + random.normal(size=400) > 0).astype(np.int64)
    data = xgb.DMatrix(features, labels)
    history: dict[str, dict[str, list[float]]] = {}
    booster = xgb.train(
        {"objective": "binary:logistic", "eval_metric": ["auc", "logloss", "error"]},
        data,
        5,
        evals=[(data, "rows")],
        evals_result=history,
        verbose_eval=False,
    )
    metrics = evaluate(labels, booster.predict(data))
    assert metrics["auc"] == pytest.approx(history["rows"]["auc"][-1], abs=1e-5)
    assert metrics["log_loss"] == pytest.approx(history["rows"]["logloss"][-1], abs=1e-5)
    assert 1 - metrics["accuracy"] == pytest.approx(history["rows"]["error"][-1], abs=1e-5)


def test_the_roc_curve_leads_from_corner_to_corner_and_never_falls() -> None:
    metrics = evaluate(np.array([0, 1, 0, 1, 1]), np.array([0.1, 0.4, 0.4, 0.8, 0.9], np.float32))
    roc = metrics["roc"]
    points = list(zip(roc["false_positive_rate"], roc["true_positive_rate"], strict=True))
    assert points[0] == (0.0, 0.0)
    assert points[-1] == (1.0, 1.0)
    assert points == sorted(points)
    assert len(roc["threshold"]) == len(points)


def test_the_curve_of_few_rows_has_a_point_for_each_probability() -> None:
    rows = MOST_ROC_POINTS - 1
    p = np.arange(rows, dtype=np.float32)[::-1] / rows
    roc = evaluate(np.arange(rows) % 3 // 2, p)["roc"]
    assert roc["threshold"] == [None, *np.round(p.astype(float), 6)]


@given(st.integers(0, 2**32 - 1), st.integers(MOST_ROC_POINTS, 20_000))
@settings(max_examples=20, deadline=None)
def test_the_curve_of_many_rows_is_thinned_and_its_area_is_not(seed: int, rows: int) -> None:
    random = np.random.default_rng(seed)
    p = (random.integers(1, 2**16, rows) / 2**16).astype(np.float32)
    labels = (random.random(rows) < p).astype(np.int64)
    metrics = evaluate(labels, p)
    roc = metrics["roc"]
    points = list(zip(roc["false_positive_rate"], roc["true_positive_rate"], strict=True))
    assert len(points) <= MOST_ROC_POINTS
    assert (points[0], points[-1]) == ((0.0, 0.0), (1.0, 1.0))
    assert len(json.dumps(metrics)) < 50 * MOST_ROC_POINTS

    died, survived = np.sort(p[labels == 0]), p[labels == 1]
    below = np.searchsorted(died, survived) + np.searchsorted(died, survived, side="right")
    assert metrics["auc"] == pytest.approx(below.mean() / 2 / len(died), abs=1e-6)
    for (fpr, tpr), threshold in zip(points[1:], roc["threshold"][1:], strict=True):
        assert fpr == pytest.approx(np.mean(died > threshold - 1e-6), abs=1e-6)
        assert tpr == pytest.approx(np.mean(survived > threshold - 1e-6), abs=1e-6)
    area = np.trapezoid(roc["true_positive_rate"], roc["false_positive_rate"])
    assert area == pytest.approx(metrics["auc"], abs=2e-3)


def test_probabilities_that_come_true_are_calibrated() -> None:
    """In each bin of equally many rows, the mean probability against the share of survivors."""
    p = np.repeat(np.linspace(0.05, 0.95, CALIBRATION_BINS), 20)
    labels = np.concatenate([np.arange(20) < round(20 * v) for v in p[::20]]).astype(np.int64)
    order = np.random.default_rng(4).permutation(len(p))
    assert evaluate(labels[order], p[order].astype(np.float32))["calibration_error"] == 0
    off = np.clip(p + 0.03, 0, 1)
    assert evaluate(labels, off.astype(np.float32))["calibration_error"] == pytest.approx(0.03)


@given(rows)
def test_the_calibration_error_is_that_of_its_definition(rows: list[tuple[int, float]]) -> None:
    ordered = sorted((value, label) for label, value in rows)
    bins = [ordered[i[0] : i[-1] + 1] for i in np.array_split(range(len(rows)), 10) if len(i)]
    error = sum(abs(sum(value - label for value, label in each)) for each in bins) / len(rows)
    labels, p = np.array([label for label, _ in rows]), np.array([v for _, v in rows], np.float32)
    assert evaluate(labels, p)["calibration_error"] == pytest.approx(error, abs=2e-6)
