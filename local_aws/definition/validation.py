"""Validation of a pipeline definition, without a request to AWS."""

import graphlib
import json
from collections.abc import Iterator
from typing import Any

from local_aws.definition.conditions import CONDITION_TYPES
from local_aws.definition.duration import duration
from local_aws.definition.expressions import Reference
from local_aws.definition.names import given_twice, is_name
from local_aws.definition.parameters import defaults_of, parameter_problems, resolve_defaults
from local_aws.definition.step_types import OUTPUT_TYPES, STEP_MEMBERS, STEP_TYPES
from local_aws.definition.steps import (
    BRANCHES,
    Step,
    all_steps,
    dependencies,
    inner_names,
    own_references,
    referred_steps,
)
from local_aws.service_model import violations

RETRY_MEMBERS = {"ExceptionType", "IntervalSeconds", "BackoffRate", "MaxAttempts", "ExpireAfterMin"}


def parse_definition(text: str) -> dict[str, Any]:
    """Parse a definition. Raises ValueError if it is not a JSON object, or has `problems`."""
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
    """Return a line for each problem of a definition; empty if it is valid."""
    found = list(parameter_problems(definition.get("Parameters", [])))
    steps = list(all_steps(definition.get("Steps", [])))
    if not steps:
        found.append("the definition has no steps")
    names = [step.get("Name", "") for step in steps]
    found += [f"step {name!r}: the name is not legal" for name in names if not is_name(name)]
    found += [f"step {name}: given twice" for name in given_twice(names)]
    defaults = defaults_of(definition)
    by_name = dict(zip(names, steps, strict=True))
    for step in steps:
        found += [f"step {step.get('Name')}: {p}" for p in _step_problems(step, defaults, by_name)]
    if not found:
        found += _branch_problems(definition["Steps"], set())
        found += _cycle_problems(steps)
    return found


def _step_problems(step: Step, defaults: dict[Any, Any], by_name: dict[str, Step]) -> Iterator[str]:
    kind = step.get("Type")
    if kind not in STEP_TYPES:
        yield f"the type {kind} is not supported by local AWS"
        return

    try:
        for reference in own_references(step):
            yield from _reference_problems(reference, defaults, by_name)
        arguments = resolve_defaults(step.get("Arguments", {}), defaults)
    except ValueError as error:
        yield str(error)
        return
    for name in step.get("DependsOn", []):
        if name not in by_name:
            yield f"DependsOn names an unknown step {name}"
        elif by_name[name].get("Type") == "Fail":
            yield f"{step['Name']} can not depends on {name}"  # AWS's words: it is a Fail step
    yield from _member_problems(step)
    kind_of = STEP_TYPES[kind]
    if kind_of.operation:
        name = {kind_of.name_member: "name-given-by-the-execution"} if kind_of.name_member else {}
        yield from violations(kind_of.operation, name | arguments)
    if kind == "Processing":
        yield from _property_file_problems(step, arguments)
    if kind == "Condition":
        if not arguments.get("Conditions"):
            yield "Conditions are missing"
        for condition in arguments.get("Conditions", []):
            yield from _condition_problems(condition)


def _reference_problems(
    reference: Reference, defaults: dict[Any, Any], by_name: dict[str, Step]
) -> Iterator[str]:
    known = {"Parameters": defaults, "Steps": by_name}.get(reference.kind)
    if known is None:
        return
    name, *path = reference.path
    if name not in known:
        yield f"{reference.text} refers to nothing that is declared"
    elif reference.kind == "Steps":
        step = by_name[str(name)]
        if step.get("Type") == "Fail":
            yield f"{reference.text}: a Fail step has no properties"
        for member, key, what in (
            ("PropertyFiles", "PropertyFileName", "property file"),
            ("OutputParameters", "OutputName", "output parameter"),
        ):
            declared = [each.get(key) for each in step.get(member, [])]
            if path[:1] == [member] and path[-1] not in declared:
                yield f"{reference.text}: {name} has no {what} {path[-1]}"


def _member_problems(step: Step) -> Iterator[str]:
    kind = STEP_TYPES[step["Type"]]
    members = STEP_MEMBERS | kind.members | ({"RetryPolicies"} if kind.retried else set())
    if "CacheConfig" in step and not kind.cache_key:
        yield f"a {step['Type']} step cannot be cached"
    if kind.needed and kind.needed not in step:
        yield f"{kind.needed} is missing"
    for output in step.get("OutputParameters", []):
        if output.get("OutputType") not in OUTPUT_TYPES or not output.get("OutputName"):
            yield f"OutputParameters need an OutputName and an OutputType of {OUTPUT_TYPES}"
    for member in sorted(step.keys() - members):
        yield f"unknown member {member}"
    if "ExpireAfter" in step.get("CacheConfig", {}):
        try:
            duration(step["CacheConfig"]["ExpireAfter"])
        except ValueError as error:
            yield str(error)
    for policy in step.get("RetryPolicies", []):
        if not policy.get("ExceptionType"):
            yield "a retry policy has no ExceptionType"
        for member in sorted(policy.keys() - RETRY_MEMBERS):
            yield f"unknown member {member} of a retry policy"


def _property_file_problems(step: Step, arguments: dict[str, Any]) -> Iterator[str]:
    config = arguments.get("ProcessingOutputConfig", {})
    outputs = [each.get("OutputName") for each in config.get("Outputs", [])]
    for file in step.get("PropertyFiles", []):
        name = file.get("PropertyFileName")
        if file.keys() != {"PropertyFileName", "OutputName", "FilePath"}:
            yield f"property file {name}: PropertyFileName, OutputName and FilePath are needed"
        elif file["OutputName"] not in outputs:
            yield f"property file {name}: the job has no output {file['OutputName']}"


def _condition_problems(condition: dict[str, Any]) -> Iterator[str]:
    if condition.get("Type") not in CONDITION_TYPES:
        yield f"the condition type {condition.get('Type')} is not supported"
    inner = [condition["Condition"]] if "Condition" in condition else []
    for other in [*inner, *condition.get("Conditions", [])]:
        yield from _condition_problems(other)


def _branch_problems(steps: list[Step], before: set[str]) -> Iterator[str]:
    """Yield steps that depend on a step in a branch from outside this branch."""
    reachable = before | {step["Name"] for step in steps}
    for step in steps:
        for name in sorted(dependencies(step) - reachable - inner_names(step)):
            yield f"step {step['Name']}: depends on {name}, which is in a branch of a condition"
        if step["Type"] == "Condition":
            for branch in BRANCHES:
                yield from _branch_problems(step["Arguments"].get(branch, []), reachable)


def _cycle_problems(steps: list[Step]) -> Iterator[str]:
    """Return the cycles of dependencies between steps.

    A step in a branch depends on its condition. A step that depends on a condition also depends on
    the branches.
    """
    inside = {step["Name"]: inner_names(step) for step in steps}
    graph = {step["Name"]: referred_steps(step) for step in steps}
    for step in steps:
        for name in step.get("DependsOn", []):
            others = set() if step["Name"] in inside[name] else inside[name]
            graph[step["Name"]] |= {name} | others
        for inner in inside[step["Name"]]:
            graph[inner].add(step["Name"])
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        yield f"the steps depend on each other in a circle: {' -> '.join(error.args[1])}"
