"""Which values a tuning job tries: at random, or all of a grid.

Sources: "HyperParameterTuningJobConfig" and "ParameterRanges" in the SageMaker API reference,
"Hyperparameter scaling" in the developer guide.
"""

import itertools
import math
import random
from collections.abc import Iterator
from typing import Any

RANDOM, GRID = "Random", "Grid"
LARGEST_DRAW_ATTEMPTS = 1000  # of a combination that was not drawn yet

Config = dict[str, Any]  # HyperParameterTuningJobConfig
Values = dict[str, str]


def number_of_trials(config: Config) -> int:
    if config["Strategy"] == GRID:
        return math.prod(len(each["Values"]) for each in _all(config))
    most: int = config["ResourceLimits"]["MaxNumberOfTrainingJobs"]
    return most


def problems(config: Config, static: Values) -> list[str]:
    """What AWS refuses in the strategy and the ranges, and what local AWS cannot do."""
    strategy, limits = config["Strategy"], config["ResourceLimits"]
    if strategy not in (RANDOM, GRID):
        return [f"local AWS does not support the strategy {strategy}, only {RANDOM} and {GRID}"]
    found = []
    names = [each["Name"] for each in _all(config)]
    if not names:
        found.append("ParameterRanges are missing")
    found += [f"{name}: given twice" for name in sorted({n for n in names if names.count(n) > 1})]
    found += [f"{name}: tuned and static" for name in names if name in static]
    for each in _all(config):
        if "Values" in each:
            continue
        if strategy == GRID:
            found.append(f"{each['Name']}: {GRID} takes categorical ranges only")
            continue
        try:
            low, high = float(each["MinValue"]), float(each["MaxValue"])
        except ValueError:
            found.append(f"{each['Name']}: MinValue and MaxValue must be numbers")
            continue
        scale = each.get("ScalingType", "Auto")
        if not low < high:
            found.append(f"{each['Name']}: MinValue must be below MaxValue")
        elif scale == "Logarithmic" and low <= 0:
            found.append(f"{each['Name']}: Logarithmic needs a MinValue above 0")
        elif scale == "ReverseLogarithmic" and not (low >= 0 and high < 1):
            found.append(f"{each['Name']}: ReverseLogarithmic needs values from 0 to below 1")
    given = limits.get("MaxNumberOfTrainingJobs")
    if strategy == RANDOM and given is None:
        found.append("MaxNumberOfTrainingJobs is missing")
    if strategy == GRID and not found and given not in (None, number_of_trials(config)):
        found.append(f"MaxNumberOfTrainingJobs must be {number_of_trials(config)} for this grid")
    return found


def candidates(config: Config) -> Iterator[Values]:
    """What each training job is to try, in this order; the same seed gives the same values."""
    ranges = _all(config)
    if config["Strategy"] == GRID:
        names = [each["Name"] for each in ranges]
        for point in itertools.product(*(each["Values"] for each in ranges)):
            yield dict(zip(names, point, strict=True))
        return
    source = random.Random(config.get("RandomSeed"))  # noqa: S311 - a search, no secret
    drawn: list[Values] = []
    for _ in range(number_of_trials(config)):
        for _ in range(LARGEST_DRAW_ATTEMPTS):
            values = {each["Name"]: _draw(source, each) for each in ranges}
            if values not in drawn:
                break
        drawn.append(values)
        yield values


def _draw(source: random.Random, each: dict[str, Any]) -> str:
    if "Values" in each:
        value: str = source.choice(each["Values"])
        return value
    low, high, whole = float(each["MinValue"]), float(each["MaxValue"]), each["Whole"]
    if whole:  # every integer has a place of the same size, its ends half outside of the range
        low, high = low - 0.5, high + 0.5
    match each.get("ScalingType", "Auto"):
        case "Logarithmic" if low > 0:
            drawn = math.exp(source.uniform(math.log(low), math.log(high)))
        case "ReverseLogarithmic":
            drawn = 1 - math.exp(source.uniform(math.log1p(-high), math.log1p(-low)))
        case _:  # Auto leaves the choice to AWS; here it is Linear
            drawn = source.uniform(low, high)
    if whole:
        return str(min(max(round(drawn), int(each["MinValue"])), int(each["MaxValue"])))
    return repr(min(max(drawn, low), high))


def _all(config: Config) -> list[dict[str, Any]]:
    """Sorted by name: the order in a request changes nothing."""
    ranges = config.get("ParameterRanges", {})
    every = [
        each | {"Whole": kind == "IntegerParameterRanges"}
        for kind, of_kind in ranges.items()
        if kind != "AutoParameters"
        for each in of_kind
    ]
    return sorted(every, key=lambda each: str(each["Name"]))
