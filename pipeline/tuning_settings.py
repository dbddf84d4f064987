"""The `tuning` block of pipeline.yaml: which hyperparameters are searched, where, and how."""

import math
from typing import Annotated, Any, Literal, Self

from container.contract import FOLDS_RANGE, HYPERPARAMETERS, Hyperparameter
from container.errors import did_you_mean
from pipeline.company import Block, Number

from pydantic import Field, field_validator, model_validator

LOGARITHMIC = "Logarithmic"
RANDOM, GRID, BAYESIAN = "Random", "Grid", "Bayesian"
MOST_VALUES = 30  # of one hyperparameter (ParameterValues in CreateHyperParameterTuningJob)


class Range(Block):
    """Searched from `min` to `max`, both included."""

    min: Annotated[int | float, Number]
    max: Annotated[int | float, Number]
    scale: Literal["Linear", "Logarithmic"] = "Linear"

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if not self.min < self.max:
            raise ValueError(f"min ({self.min}) must be below max ({self.max})")
        if self.scale == LOGARITHMIC and self.min <= 0:
            raise ValueError(f"min ({self.min}) must be above 0 with {LOGARITHMIC}")
        return self


class Tuning(Block):
    """The meaning of each value stands beside it in pipeline.yaml."""

    strategy: Literal["Random", "Grid", "Bayesian"]
    jobs: Annotated[int, Number, Field(ge=1)]
    parallel: Annotated[int, Number, Field(ge=1)]
    folds: Annotated[int, Number]
    seed: Annotated[int, Number, Field(ge=0, le=2**32 - 1)]
    ranges: dict[str, Range | list[int | float]]  # of hyperparameters; a list: these values

    @field_validator("folds")
    @classmethod
    def _allowed_folds(cls, value: int) -> int:
        return int(FOLDS_RANGE.parse(value))

    @field_validator("ranges", mode="before")
    @classmethod
    def _declared_ranges(cls, given: Any) -> Any:
        if not isinstance(given, dict) or not given:
            raise ValueError("names of hyperparameters, each with a range or a list, are needed")
        return {str(name): _checked(str(name), value) for name, value in given.items()}

    @model_validator(mode="after")
    def _a_grid_has_values(self) -> Self:
        continuous = [name for name, each in self.ranges.items() if isinstance(each, Range)]
        if self.strategy == GRID and continuous:
            raise ValueError(f"ranges: {GRID} takes lists of values, not {', '.join(continuous)}")
        return self

    @property
    def trials(self) -> int:
        """The number of training jobs."""
        if self.strategy != GRID:
            return self.jobs
        return math.prod(len(each) for each in self.ranges.values() if isinstance(each, list))

    @property
    def at_once(self) -> int:
        """The largest number of training jobs at the same time."""
        return min(self.parallel, self.trials)


def _checked(name: str, given: Any) -> Any:
    if name not in HYPERPARAMETERS:
        raise ValueError(f"unknown hyperparameter {name}{did_you_mean(name, HYPERPARAMETERS)}")
    declared = HYPERPARAMETERS[name]
    if isinstance(given, list):
        values = [_value(name, declared, each) for each in given]
        if not values or len(set(values)) < len(values) or len(values) > MOST_VALUES:
            raise ValueError(f"{name}: 1 to {MOST_VALUES} different values are needed")
        return values
    if not isinstance(given, dict):
        raise ValueError(f"{name}: a range {{min: ..., max: ...}} or a list of values is needed")
    return given | {
        end: _value(name, declared, given[end]) for end in ("min", "max") if end in given
    }


def _value(name: str, declared: Hyperparameter, value: Any) -> int | float:
    try:
        return declared.parse(value)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
