"""The values that a tuning job tries: random, Bayesian or grid search.

Sources: "HyperParameterTuningJobConfig" and "ParameterRanges" in the SageMaker API reference,
"Hyperparameter scaling" in the developer guide.
"""

import itertools
import math
import random
from collections.abc import Callable, Iterator
from typing import Any

from local_aws.definition.names import given_twice
from local_aws.sagemaker.bayesian import Point, propose

RANDOM, GRID, BAYESIAN = STRATEGIES = "Random", "Grid", "Bayesian"
LARGEST_DRAW_ATTEMPTS = 1000  # of a combination that was not drawn yet
PROPOSAL_ATTEMPTS = 20  # of them in a Bayesian search; then it is drawn at random

Config = dict[str, Any]  # HyperParameterTuningJobConfig
Values = dict[str, str]


def number_of_trials(config: Config) -> int:
    """Return the number of training jobs of a tuning job; for a grid, its size."""
    if config["Strategy"] == GRID:
        return math.prod(len(each["Values"]) for each in _all(config))
    most: int = config["ResourceLimits"]["MaxNumberOfTrainingJobs"]
    return most


def problems(config: Config, static: Values) -> list[str]:
    """Return problems of the strategy and ranges that AWS refuses or local AWS lacks."""
    strategy, limits = config["Strategy"], config["ResourceLimits"]
    if strategy not in STRATEGIES:
        only = ", ".join(STRATEGIES)
        return [f"local AWS does not support the strategy {strategy}, only {only}"]
    found = []
    names = [each["Name"] for each in _all(config)]
    if not names:
        found.append("ParameterRanges are missing")
    found += [f"{name}: given twice" for name in given_twice(names)]
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
    if strategy != GRID and given is None:
        found.append("MaxNumberOfTrainingJobs is missing")
    if strategy == GRID and not found and given not in (None, number_of_trials(config)):
        found.append(f"MaxNumberOfTrainingJobs must be {number_of_trials(config)} for this grid")
    return found


def candidates(
    config: Config, objectives: Callable[[], list[float | None]] = list
) -> Iterator[Values]:
    """Yield the values for each training job; the same seed gives the same values.

    Args:
        config: The configuration of the tuning job.
        objectives: The objectives of the earlier jobs, in their order; None if not known yet.
    """
    ranges = _all(config)
    if config["Strategy"] == GRID:
        names = [each["Name"] for each in ranges]
        for chosen in itertools.product(*(each["Values"] for each in ranges)):
            yield dict(zip(names, chosen, strict=True))
        return
    source = random.Random(config.get("RandomSeed"))  # noqa: S311 - a search, no secret
    bayesian = config["Strategy"] == BAYESIAN
    objective = config.get("HyperParameterTuningJobObjective", {})
    sign = -1 if objective.get("Type") == "Maximize" else 1
    drawn: list[tuple[Point, Values]] = []
    for _ in range(number_of_trials(config)):
        known = zip(drawn, objectives() if bayesian else [], strict=False)
        tried = [(point, sign * value) for (point, _), value in known if value is not None]
        for attempt in range(LARGEST_DRAW_ATTEMPTS):
            point = propose(tried if attempt < PROPOSAL_ATTEMPTS else [], source, len(ranges))
            pairs = zip(ranges, point, strict=True)
            values = {each["Name"]: _value_at(each, place) for each, place in pairs}
            if values not in [before for _, before in drawn]:
                break
        drawn.append((point, values))
        yield values


def _value_at(each: dict[str, Any], place: float) -> str:
    """Return the value at a position (0 to 1) of a range."""
    if "Values" in each:
        choices: list[str] = each["Values"]
        return choices[min(int(place * len(choices)), len(choices) - 1)]
    low, high, whole = float(each["MinValue"]), float(each["MaxValue"]), each["Whole"]
    if whole:  # every integer has a place of the same size, its ends half outside of the range
        low, high = low - 0.5, high + 0.5
    match each.get("ScalingType", "Auto"):
        case "Logarithmic" if low > 0:
            drawn = low * (high / low) ** place
        case "ReverseLogarithmic":
            drawn = 1 - (1 - high) * ((1 - low) / (1 - high)) ** place
        case _:  # Auto leaves the choice to AWS; here it is Linear
            drawn = low + (high - low) * place
    if whole:
        return str(min(max(round(drawn), int(each["MinValue"])), int(each["MaxValue"])))
    return repr(min(max(drawn, low), high))


def _all(config: Config) -> list[dict[str, Any]]:
    """Return all ranges sorted by name, so that their order in a request has no effect."""
    ranges = config.get("ParameterRanges", {})
    every = [
        each | {"Whole": kind == "IntegerParameterRanges"}
        for kind, of_kind in ranges.items()
        if kind != "AutoParameters"
        for each in of_kind
    ]
    return sorted(every, key=lambda each: str(each["Name"]))
