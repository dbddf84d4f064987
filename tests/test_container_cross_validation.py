import json
import re
import shutil
from pathlib import Path

from container import contract
from container.contract import METRICS, parse_hyperparameters
from container.cross_validation import cross_validate, divide
from container.errors import InputError
from container.passengers import Passengers
from container.train import fit, measure

import pytest
from conftest import RunJob
from hypothesis import given
from hypothesis import strategies as st
from test_container_train import give_hyperparameters

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


@pytest.mark.parametrize("early_stopping_rounds", [0, 3])
def test_a_fold_is_measured_by_a_model_that_has_seen_nothing_of_it(
    early_stopping_rounds: int, passengers: Passengers
) -> None:
    """Not even to know when to stop: that is for the fold after it."""
    quick = QUICK | {"early_stopping_rounds": early_stopping_rounds}
    folds = divide(passengers.labels, 4)
    for measured, metrics in enumerate(cross_validate(passengers, quick, 4)):
        stopping = (measured + 1) % 4
        others = set(range(4)) - {measured} - ({stopping} if early_stopping_rounds else set())
        trained = sorted(row for number in others for row in folds[number])
        artifact = fit(passengers.take(trained), passengers.take(folds[stopping]), quick)
        assert measure(artifact, passengers.take(folds[measured]))["auc"] == metrics["auc"]


def test_a_job_with_folds_only_measures_and_needs_no_validation_channel(
    opt_ml: Path, run_job: RunJob
) -> None:
    shutil.rmtree(opt_ml / "input" / "data" / "validation")
    give_hyperparameters(opt_ml, num_round="20", cv_folds="4")
    job = run_job(opt_ml, "train")
    assert job.returncode == 0, job.stderr
    lines = job.stdout.splitlines()
    assert [line[:11] for line in lines if line.startswith("fold")] == [
        f"fold {n} of 4" for n in range(1, 5)
    ]
    (path,) = (opt_ml / "output" / "data").iterdir()
    measured = json.loads(path.read_text(encoding="utf-8"))
    aucs = [fold["auc"] for fold in measured["folds"]]
    assert measured["auc"] == pytest.approx(sum(aucs) / 4)
    names = [*METRICS, contract.SPREAD]
    on = contract.CROSS_VALIDATION
    assert lines[-5:] == [contract.metric_line(name, measured[name], on) for name in names]
    for name in names:
        found = re.findall(contract.metric_regex(name, on), job.stdout, re.MULTILINE)
        assert [float(value) for value in found] == [pytest.approx(measured[name], abs=1e-6)]
        assert not re.search(contract.metric_regex(name), job.stdout, re.MULTILINE)
    assert not (opt_ml / "model").exists()


@pytest.mark.parametrize("folds", ["0", "2", "21", "four"])
def test_an_impossible_number_of_folds_is_refused(
    folds: str, opt_ml: Path, run_job: RunJob
) -> None:
    give_hyperparameters(opt_ml, cv_folds=folds)
    job = run_job(opt_ml, "train")
    assert job.returncode == 1
    failure = (opt_ml / "output" / "failure").read_text(encoding="utf-8")
    assert f"cv_folds: '{folds}' is not an integer from 3 to 20" in failure
