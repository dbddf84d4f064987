"""Selective execution: some steps of a pipeline, with the results of an earlier execution.

Source: "Selective execution of pipeline steps", SageMaker developer guide.
"""

from collections.abc import Sequence

from local_aws.definition.steps import BRANCHES, Step, all_steps, inner_names, referred_steps


def selected_steps(steps: Sequence[Step], selected: set[str]) -> list[Step]:
    """Return the selected steps; selected steps in an unselected condition replace it."""
    found: list[Step] = []
    for step in steps:
        inner = {
            branch: selected_steps(step["Arguments"].get(branch, []), selected)
            for branch in (BRANCHES if step["Type"] == "Condition" else ())
        }
        if step["Name"] in selected:
            arguments = {"Arguments": step["Arguments"] | inner} if inner else {}
            found.append(step | arguments)
        else:
            found += [each for branch in inner.values() for each in branch]
    return found


def needed_results(steps: Sequence[Step], selected: set[str]) -> set[str]:
    """Return the names of unselected steps that the selected ones depend on."""
    chosen = [step for step in all_steps(steps) if step["Name"] in selected]
    return {name for step in chosen for name in _needs(step)} - selected


def selection_problems(steps: Sequence[Step], selected: set[str], available: set[str]) -> list[str]:
    """Return a line for each problem that AWS would refuse in a selection.

    Args:
        steps: The steps of the definition.
        selected: The names in the request.
        available: The steps that succeeded in the earlier execution.
    """
    found = []
    before = {step["Name"]: _needs(step) for step in all_steps(steps)}
    for step in all_steps(steps):
        for inner in inner_names(step):
            before[inner].add(step["Name"])
    found += [f"step {name} is not in the pipeline" for name in sorted(selected - before.keys())]
    for name in sorted(needed_results(steps, selected) - available):
        found.append(
            f"a selected step depends on {name}, which did not succeed in the source execution"
        )
    ancestors = {name: _ancestors(name, before) for name in before}
    for name in sorted(before.keys() - selected):
        after = {other for other in before if name in ancestors[other]}
        if ancestors[name] & selected and after & selected:
            found.append(f"step {name} is between selected steps, and is not selected")
    return found


def _needs(step: Step) -> set[str]:
    return referred_steps(step) | set(step.get("DependsOn", []))


def _ancestors(name: str, before: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    left = [name]
    while left:
        new = before[left.pop()] - found
        found |= new
        left += new
    return found
