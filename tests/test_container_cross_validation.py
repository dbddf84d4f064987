from container.contract import METRICS, parse_hyperparameters
from container.cross_validation import cross_validate, divide
from container.errors import InputError
from container.passengers import Passengers
from container.train import fit, measure

import pytest
from hypothesis import given
from hypothesis import strategies as st

QUICK = parse_hyperparameters({"num_round": 20})


@given(st.lists(st.sampled_from([0, 1]), min_size=6, max_size=80), st.integers(3, 6))
def test_every_row_is_in_one_fold_and_every_fold_has_its_share(
    labels: list[int], count: int
) -> None:
    if min(labels.count(0), labels.count(1)) < count:
        with pytest.raises(InputError, match=rf"{count} folds: there are only \d rows"):
            divide(labels, count)
        return
    folds = divide(labels, count)
    assert sorted(row for fold in folds for row in fold) == list(range(len(labels)))
    for label in (0, 1):
        shares = [sum(labels[row] == label for row in fold) for fold in folds]
        assert max(shares) - min(shares) <= 1
    sizes = [len(fold) for fold in folds]
    assert max(sizes) - min(sizes) <= 1


def test_the_same_rows_and_hyperparameters_give_the_same_metrics(passengers: Passengers) -> None:
    first = list(cross_validate(passengers, QUICK, 4))
    assert [set(fold) for fold in first] == [set(METRICS)] * 4
    assert list(cross_validate(passengers, QUICK, 4)) == first
    assert all(0.7 < fold["auc"] < 1 for fold in first)


def test_a_fold_is_measured_by_a_model_that_has_seen_nothing_of_it(passengers: Passengers) -> None:
    """Not even to know when to stop: that is for the fold after it."""
    folds = divide(passengers.labels, 4)
    for measured, metrics in enumerate(cross_validate(passengers, QUICK, 4)):
        stopping = (measured + 1) % 4
        others = set(range(4)) - {measured, stopping}
        trained = sorted(row for number in others for row in folds[number])
        assert not set(trained) & set(folds[measured])
        artifact = fit(passengers.take(trained), passengers.take(folds[stopping]), QUICK)
        assert measure(artifact, passengers.take(folds[measured]))["auc"] == metrics["auc"]
