"""The --parameter NAME=VALUE arguments: checked against what the pipeline declares."""

from collections.abc import Sequence
from typing import Any

from container.contract import HYPERPARAMETERS
from container.errors import InputError, did_you_mean
from pipeline.service_model import training_instance_types
from pipeline.validation import parameter_value


def parse_overrides(texts: Sequence[str], definition: dict[str, Any]) -> dict[str, Any]:
    """Raises InputError listing every unknown name and every value that does not fit."""
    declared = {parameter["Name"]: parameter for parameter in definition["Parameters"]}
    values: dict[str, Any] = {}
    problems = []
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            problems.append(f"--parameter {text}: NAME=VALUE is needed")
        elif name not in declared:
            problems.append(f"--parameter {name}: unknown{did_you_mean(name, declared)}")
        else:
            try:
                values[name] = _checked(name, value, declared[name])
            except ValueError as error:
                problems.append(f"--parameter {error}")
    if problems:
        raise InputError("\n".join(problems), f"the parameters are {', '.join(declared)}")
    return values


def _checked(name: str, text: str, parameter: dict[str, Any]) -> Any:
    if name in HYPERPARAMETERS:
        try:
            return HYPERPARAMETERS[name].parse(text)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    if name == "InstanceType" and text not in training_instance_types():
        nearest = did_you_mean(text, training_instance_types())
        raise ValueError(f"{name}: {text!r} is not a training instance type{nearest}")
    return parameter_value(parameter, text)
