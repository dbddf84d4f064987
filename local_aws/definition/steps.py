"""The steps of a definition: their nesting and their dependencies."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from local_aws.definition.expressions import Reference, references

Step = dict[str, Any]

BRANCHES = ("IfSteps", "ElseSteps")


def all_steps(steps: Sequence[Step]) -> Iterator[Step]:
    """Yield the steps and, after each condition, the steps of its branches."""
    for step in steps:
        yield step
        if step.get("Type") == "Condition":
            for branch in BRANCHES:
                yield from all_steps(step.get("Arguments", {}).get(branch, []))


def inner_names(step: Step) -> set[str]:
    """Return the names of the steps in the branches of a condition."""
    return {inner["Name"] for inner in all_steps([step])} - {step["Name"]}


def own_arguments(step: Step) -> dict[str, Any]:
    """Return the arguments of a step, without the steps inside a condition."""
    arguments = step.get("Arguments", {})
    if step["Type"] != "Condition":
        return dict(arguments)
    return {key: value for key, value in arguments.items() if key not in BRANCHES}


def own_references(step: Step) -> list[Reference]:
    """Return the references of the step itself, without the steps inside a condition."""
    return list(references({**step, "Arguments": own_arguments(step)}))


def referred_steps(step: Step) -> set[str]:
    """Return the names of the steps whose results the step itself uses."""
    return {str(each.path[0]) for each in own_references(step) if each.kind == "Steps"}


def dependencies(step: Step) -> set[str]:
    """Return the names of the steps that must end before this step, including its branches."""
    found: set[str] = set()
    for each in all_steps([step]):
        found |= referred_steps(each) | set(each.get("DependsOn", []))
    return found


def taken_branch(step: Step, properties: Mapping[str, Any]) -> list[Step]:
    """Return the steps of the branch that a condition has chosen; none for other steps."""
    if step["Type"] != "Condition":
        return []
    branch: list[Step] = step["Arguments"].get(BRANCHES[0 if properties["Outcome"] else 1], [])
    return branch
