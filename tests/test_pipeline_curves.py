from container.metrics import evaluate
from pipeline.local_fit.curves import calibration, precision_recall

import numpy as np
import pytest
from hypothesis import given
from test_container_metrics import rows as labelled_probabilities


@given(labelled_probabilities)
def test_precision_and_recall_are_those_of_every_threshold(rows: list[tuple[int, float]]) -> None:
    labels = np.array([label for label, _ in rows])
    p = np.array([value for _, value in rows], np.float32)
    recall, precision, average = precision_recall(evaluate(labels, p))
    thresholds = sorted(set(p.tolist()), reverse=True)
    expected_recall = [np.mean(p[labels == 1] >= each) for each in thresholds]
    expected_precision = [np.mean(labels[p >= each]) for each in thresholds]
    for point in zip(expected_recall, expected_precision, strict=True):
        distances = np.hypot(recall - point[0], precision - point[1])
        assert distances.min() < 1e-4
    steps = np.diff(expected_recall, prepend=0.0)
    assert average == pytest.approx(float(np.sum(steps * expected_precision)), abs=1e-4)


def test_a_bin_holds_passengers_of_about_the_same_probability() -> None:
    p = np.linspace(0, 1, 100, dtype=np.float32)
    labels = (np.arange(100) % 10 < p * 10).astype(np.int64)
    bins = calibration(labels, p, bins=4)
    assert [each.count for each in bins] == [25] * 4
    assert [each.predicted for each in bins] == pytest.approx([0.12, 0.37, 0.63, 0.88], abs=0.01)
    for number, each in enumerate(bins):
        assert each.survived == np.mean(labels[25 * number : 25 * (number + 1)])
        assert 0 <= each.low <= each.survived <= each.high <= 1


def test_the_interval_is_wilsons() -> None:
    """Of 10 one: 1.8 % to 40.4 %, as in the literature's tables."""
    (only,) = calibration(np.array([1] + [0] * 9), np.zeros(10, np.float32), bins=1)
    assert (only.low, only.high) == pytest.approx((0.018, 0.404), abs=0.001)
