from typing import Any

from local_aws.sagemaker.search import candidates, problems

import pytest

INTEGER = {"Name": "depth", "MinValue": "1", "MaxValue": "4", "ScalingType": "Linear"}
LOGARITHMIC = {"Name": "eta", "MinValue": "0.001", "MaxValue": "1", "ScalingType": "Logarithmic"}
NAMES = {"Name": "kind", "Values": ["a", "b", "c"]}


def config(strategy: str = "Random", jobs: int | None = 200, **ranges: Any) -> dict[str, Any]:
    limits = {"MaxParallelTrainingJobs": 1}
    return {
        "Strategy": strategy,
        "ResourceLimits": limits | ({"MaxNumberOfTrainingJobs": jobs} if jobs else {}),
        "ParameterRanges": ranges
        or {
            "IntegerParameterRanges": [INTEGER],
            "ContinuousParameterRanges": [LOGARITHMIC],
            "CategoricalParameterRanges": [NAMES],
        },
        "RandomSeed": 7,
    }


def test_the_same_seed_draws_the_same_values_in_whatever_order_the_ranges_stand() -> None:
    drawn = list(candidates(config()))
    assert len(drawn) == 200
    ranges = dict(reversed(config()["ParameterRanges"].items()))
    assert list(candidates(config(**ranges))) == drawn
    assert list(candidates(config() | {"RandomSeed": 8})) != drawn


def test_every_value_of_a_range_is_drawn_and_none_outside() -> None:
    drawn = list(candidates(config()))
    assert {each["depth"] for each in drawn} == {"1", "2", "3", "4"}
    assert {each["kind"] for each in drawn} == {"a", "b", "c"}
    etas = [float(each["eta"]) for each in drawn]
    assert all(0.001 <= eta <= 1 for eta in etas)
    below = sum(eta < 0.0316 for eta in etas)  # half of the range, on its scale
    assert 70 < below < 130


def test_reversed_the_scale_is_dense_at_its_end() -> None:
    near_one = {"Name": "m", "MinValue": "0", "MaxValue": "0.999"}
    near_one |= {"ScalingType": "ReverseLogarithmic"}
    drawn = list(candidates(config(ContinuousParameterRanges=[near_one])))
    values = [float(each["m"]) for each in drawn]
    assert all(0 <= value <= 0.999 for value in values)
    assert 70 < sum(value > 0.968 for value in values) < 130


def test_no_combination_is_tried_twice_while_there_are_others() -> None:
    drawn = list(candidates(config(jobs=4, IntegerParameterRanges=[INTEGER])))
    assert sorted(each["depth"] for each in drawn) == ["1", "2", "3", "4"]


@pytest.mark.parametrize("kind", ["Maximize", "Minimize"])
def test_a_bayesian_search_comes_nearer_to_the_best_than_a_random_one(kind: str) -> None:
    """Of a bowl whose best place is known, over some seeds."""
    sign = -1 if kind == "Maximize" else 1

    def best(strategy: str, seed: int) -> float:
        ranges = [{"Name": n, "MinValue": "0", "MaxValue": "1"} for n in ("x", "y")]
        given = config(strategy, 30, ContinuousParameterRanges=ranges, IntegerParameterRanges=[])
        given["RandomSeed"] = seed
        given["HyperParameterTuningJobObjective"] = {"Type": kind, "MetricName": "m"}
        found: list[float | None] = []
        for values in candidates(given, lambda: found):
            distance = (float(values["x"]) - 0.3) ** 2 + (float(values["y"]) - 0.8) ** 2
            found.append(sign * distance)
        return min(sign * each for each in found if each is not None)

    seeds = range(10)
    searched, drawn = (sum(best(s, n) for n in seeds) for s in ("Bayesian", "Random"))
    assert searched < drawn / 2


def test_a_grid_is_every_combination_once() -> None:
    other = {"Name": "depth", "Values": ["2", "4"]}
    grid = config("Grid", None, CategoricalParameterRanges=[NAMES, other])
    assert problems(grid, {}) == []
    drawn = list(candidates(grid))
    assert drawn == [{"depth": d, "kind": k} for d in "24" for k in "abc"]


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        (config("Hyperband"), "does not support the strategy Hyperband, only Random, Grid, Bay"),
        (config("Bayesian", None), "MaxNumberOfTrainingJobs is missing"),
        (config("Grid", None), "depth: Grid takes categorical ranges only"),
        (config("Grid", 4, CategoricalParameterRanges=[NAMES]), "must be 3 for this grid"),
        (config(jobs=None), "MaxNumberOfTrainingJobs is missing"),
        (config(CategoricalParameterRanges=[NAMES, NAMES]), "kind: given twice"),
        (
            config(IntegerParameterRanges=[INTEGER | {"MinValue": "4"}]),
            "depth: MinValue must be below MaxValue",
        ),
        (config(ContinuousParameterRanges=[LOGARITHMIC | {"MinValue": "0"}]), "eta: Logarithmic"),
        (config(ContinuousParameterRanges=[LOGARITHMIC | {"MinValue": "a"}]), "must be numbers"),
        (config(CategoricalParameterRanges=[]), "ParameterRanges are missing"),
    ],
)
def test_what_cannot_be_searched_is_said(changed: dict[str, Any], problem: str) -> None:
    assert problem in "; ".join(problems(changed, {}))


def test_a_hyperparameter_is_searched_or_fixed() -> None:
    assert problems(config(), {"depth": "3"}) == ["depth: tuned and static"]
