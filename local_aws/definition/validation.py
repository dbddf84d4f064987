"""What AWS, or local AWS, would refuse in a pipeline definition: found before it is sent."""

import graphlib
import json
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from local_aws.definition.expressions import Reference, references, resolve
from local_aws.service_model import UNKNOWN, violations

PARAMETER_TYPES: dict[str, tuple[type, ...]] = {
    "String": (str,),
    "Integer": (int,),
    "Float": (float, int),
    "Boolean": (bool,),
}
STEP_TYPES = (
    "Training",
    "Tuning",
    "RegisterModel",
    "Condition",
    "Fail",
)
PARAMETER_MEMBERS = {"Name", "Type", "DefaultValue", "EnumValues", "Description"}
LONGEST_DESCRIPTION = 4096  # of a parameter, in characters

CONDITION_TYPES = (
    "Equals",
    "GreaterThan",
    "GreaterThanOrEqualTo",
    "LessThan",
    "LessThanOrEqualTo",
    "In",
    "Not",
    "Or",
)

STEP_MEMBERS = {
    "Name",
    "Type",
    "Arguments",
    "DisplayName",
    "Description",
    "DependsOn",
    "CacheConfig",
    "RetryPolicies",
}
RETRY_MEMBERS = {
    "ExceptionType",
    "IntervalSeconds",
    "BackoffRate",
    "MaxAttempts",
    "ExpireAfterMin",
}

_DURATION = re.compile(
    r"P?(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?"
)
_ZERO = timedelta()
_UNITS = [timedelta(days=days) for days in (365, 30, 7, 1)]
_UNITS += [timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)]
_NAME = re.compile(r"[A-Za-z0-9\-_]{1,64}")  # of a parameter or a step


def parse_definition(text: str) -> dict[str, Any]:
    """Raises ValueError when `text` is not a JSON object, or has one of `problems`."""
    try:
        definition = json.loads(text)
        if not isinstance(definition, dict):
            raise ValueError("the definition is not a JSON object")
        found = problems(definition)
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"the definition is malformed: {error}") from None
    except RecursionError:
        raise ValueError("the definition is nested too deeply") from None
    if found:
        raise ValueError("; ".join(found))
    return definition


def problems(definition: dict[str, Any]) -> list[str]:
    """One line each; empty when the definition is valid."""
    found = list(_parameter_problems(definition.get("Parameters", [])))
    steps = list(all_steps(definition.get("Steps", [])))
    if not steps:
        found.append("the definition has no steps")
    names = [step.get("Name", "") for step in steps]
    found += [f"step {name!r}: the name is not legal" for name in names if not _is_name(name)]
    found += [f"step {name}: given twice" for name in sorted(_twice(names))]
    defaults = {
        p.get("Name"): p.get("DefaultValue", UNKNOWN) for p in definition.get("Parameters", [])
    }
    for step in steps:
        found += [f"step {step.get('Name')}: {p}" for p in _step_problems(step, defaults, names)]
    if not found:
        found += _branch_problems(definition["Steps"], set())
        found += _cycle_problems(steps)
    return found


def all_steps(steps: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The steps and, after each condition, those of its branches."""
    for step in steps:
        yield step
        if step.get("Type") == "Condition":
            for branch in ("IfSteps", "ElseSteps"):
                yield from all_steps(step.get("Arguments", {}).get(branch, []))


def dependencies(step: dict[str, Any]) -> set[str]:
    """Names of the steps that must end before this one, those of its branches included."""
    named = {name for each in all_steps([step]) for name in each.get("DependsOn", [])}
    return named | {str(r.path[0]) for r in references(step) if r.kind == "Steps"}


def duration(text: str) -> timedelta:
    """An ISO 8601 duration, also without its P and in lower case, as the SDK's `T12H` or `p30d`.

    Raises ValueError for anything else.
    """
    match = _DURATION.fullmatch(str(text).upper())
    if not match or not any(match.groups()):
        raise ValueError(f"{text!r} is not an ISO 8601 duration, as P30D")
    return sum((int(n or 0) * unit for n, unit in zip(match.groups(), _UNITS, strict=True)), _ZERO)


def parameter_value(parameter: dict[str, Any], text: str) -> Any:
    """`text`, as StartPipelineExecution carries it, in the type of the declared `parameter`.

    Raises ValueError when it does not fit.
    """
    kind, name = parameter["Type"], parameter["Name"]
    convert: dict[str, Callable[[str], Any]] = {
        "String": str,
        "Integer": int,
        "Float": float,
        "Boolean": _boolean,
    }
    try:
        value = convert[kind](text)
    except ValueError:
        raise ValueError(f"parameter {name}: {text!r} is not of type {kind}") from None
    allowed = parameter.get("EnumValues")
    if allowed and value not in allowed:
        raise ValueError(f"parameter {name}: {text!r} is not one of {', '.join(map(str, allowed))}")
    return value


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError
    return text.lower() == "true"


def _parameter_problems(parameters: list[dict[str, Any]]) -> Iterator[str]:
    names = [str(parameter.get("Name")) for parameter in parameters]
    for name in sorted(_twice(names)):
        yield f"parameter {name}: declared twice"
    for parameter, name in zip(parameters, names, strict=True):
        kind = parameter.get("Type", "")
        if not _is_name(name):
            yield f"parameter {name!r}: the name is not legal"
        for member in parameter.keys() - PARAMETER_MEMBERS:
            yield f"parameter {name}: unknown member {member}"
        length = len(parameter.get("Description", ""))
        if length > LONGEST_DESCRIPTION:
            yield f"parameter {name}: {length} characters of description, of {LONGEST_DESCRIPTION}"
        if kind not in PARAMETER_TYPES:
            yield f"parameter {name}: unknown type {kind!r}"
            continue
        if "DefaultValue" not in parameter:
            continue
        default, allowed = parameter["DefaultValue"], parameter.get("EnumValues")
        is_boolean = isinstance(default, bool)
        if not isinstance(default, PARAMETER_TYPES[kind]) or is_boolean != (kind == "Boolean"):
            yield f"parameter {name}: the default {default!r} is not of type {kind}"
        elif allowed and default not in allowed:
            yield f"parameter {name}: the default {default!r} is not among its allowed values"


def _step_problems(
    step: dict[str, Any], defaults: dict[Any, Any], names: list[str]
) -> Iterator[str]:
    kind = step.get("Type")
    if kind not in STEP_TYPES:
        yield f"the type {kind} is not supported"
        return

    def default(reference: Reference) -> Any:
        return (
            defaults.get(reference.path[0], UNKNOWN) if reference.kind == "Parameters" else UNKNOWN
        )

    try:
        for reference in references(step):
            known = {"Parameters": defaults, "Steps": names}.get(reference.kind)
            if known is not None and reference.path[0] not in known:
                yield f"{reference.text} refers to nothing that is declared"
        arguments = resolve(step.get("Arguments", {}), default)
    except ValueError as error:
        yield str(error)
        return
    for name in step.get("DependsOn", []):
        if name not in names:
            yield f"DependsOn names an unknown step {name}"
    for name in step.keys() - STEP_MEMBERS:
        yield f"unknown member {name}"
    yield from _policy_problems(step)
    if kind == "Training":
        request = {"TrainingJobName": "name-given-by-the-execution"} | arguments
        yield from violations("CreateTrainingJob", request)
    elif kind == "RegisterModel":
        yield from violations("CreateModelPackage", arguments)
        if "CacheConfig" in step:
            yield "a RegisterModel step cannot be cached"
    elif kind == "Tuning":
        for name in ("CacheConfig", "RetryPolicies"):
            if name in step:
                yield f"local AWS does not support {name} of a tuning step"
        request = {"HyperParameterTuningJobName": "name-given-by-the-execution"} | arguments
        yield from violations("CreateHyperParameterTuningJob", request)
    elif kind == "Condition":
        if not arguments.get("Conditions"):
            yield "Conditions are missing"
        for condition in arguments.get("Conditions", []):
            yield from _condition_problems(condition)


def _policy_problems(step: dict[str, Any]) -> Iterator[str]:
    if "ExpireAfter" in step.get("CacheConfig", {}):
        try:
            duration(step["CacheConfig"]["ExpireAfter"])
        except ValueError as error:
            yield str(error)
    for policy in step.get("RetryPolicies", []):
        for name in policy.keys() - RETRY_MEMBERS:
            yield f"unknown member {name} of a retry policy"


def _condition_problems(condition: dict[str, Any]) -> Iterator[str]:
    if condition.get("Type") not in CONDITION_TYPES:
        yield f"the condition type {condition.get('Type')} is not supported"
    inner = [condition["Condition"]] if "Condition" in condition else []
    for other in [*inner, *condition.get("Conditions", [])]:
        yield from _condition_problems(other)


def _branch_problems(steps: list[dict[str, Any]], before: set[str]) -> Iterator[str]:
    """A step of a branch may not run at all: only its own branch can wait for it."""
    reachable = before | {step["Name"] for step in steps}
    for step in steps:
        for name in sorted(dependencies(step) - reachable - _inside(step)):
            yield f"step {step['Name']}: depends on {name}, which is in a branch of a condition"
        if step["Type"] == "Condition":
            for branch in ("IfSteps", "ElseSteps"):
                yield from _branch_problems(step["Arguments"].get(branch, []), reachable)


def _cycle_problems(steps: list[dict[str, Any]]) -> Iterator[str]:
    graph = {step["Name"]: dependencies(step) - _inside(step) for step in steps}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        yield f"the steps depend on each other in a circle: {' -> '.join(error.args[1])}"


def _inside(step: dict[str, Any]) -> set[str]:
    """Names of the steps in the branches of a condition."""
    return {inner["Name"] for inner in all_steps([step])} - {step["Name"]}


def _is_name(name: Any) -> bool:
    return isinstance(name, str) and bool(_NAME.fullmatch(name))


def _twice(names: list[str]) -> set[str]:
    return {name for name in names if names.count(name) > 1}
