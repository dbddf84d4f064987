"""The unsupported members of requests: refused, or accepted and named in the log."""

from collections.abc import Iterator
from typing import Any

from local_aws.definition.parameters import defaults_of, resolve_defaults
from local_aws.definition.step_types import STEP_TYPES
from local_aws.definition.steps import all_steps
from local_aws.sagemaker.request_members import REQUESTS
from local_aws.sagemaker.request_members.treatments import NAMED, REFUSED, Only, Table, Treatment
from local_aws.service_model import UNKNOWN


def unsupported(operation: str, request: dict[str, Any]) -> list[str]:
    """Return a line for each member that AWS supports and local AWS does not."""
    problems = []
    for path, value, treatment in _members(REQUESTS[operation], request, operation):
        if value is UNKNOWN:
            continue
        if treatment is REFUSED:
            problems.append(f"local AWS does not support {path}")
        elif isinstance(treatment, Only) and value not in treatment.done + treatment.named:
            only = ", ".join(repr(each) for each in treatment.done + treatment.named if each)
            problems.append(
                f"local AWS does not support {path} {value!r}" + (f", only {only}" if only else "")
            )
    return problems


def unsupported_steps(definition: dict[str, Any]) -> list[str]:
    """Return the same for the steps of a pipeline, with its parameters' defaults."""
    defaults = defaults_of(definition)
    return [
        f"step {step['Name']}: {problem}"
        for step in all_steps(definition["Steps"])
        if (operation := STEP_TYPES[step["Type"]].operation) in REQUESTS
        for problem in unsupported(operation, resolve_defaults(step["Arguments"], defaults))
    ]


def not_carried_out(operation: str, request: dict[str, Any]) -> str | None:
    """Return the log line with the accepted members that have no effect, or None."""
    names = []
    for path, value, treatment in _members(REQUESTS[operation], request, ""):
        if treatment is NAMED and value not in (None, False):
            names.append(path.removeprefix("."))
        elif isinstance(treatment, Only) and value in treatment.named:
            names.append(f"{path.removeprefix('.')} {value}")
    return f"not carried out here: {', '.join(dict.fromkeys(names))}" if names else None


def wrong_instance_count(cluster: str, count: int, most_instances: int) -> list[str]:
    """Return a line if a job has too many instances.

    Args:
        cluster: The path of the request's member with InstanceCount.
        count: The requested instances.
        most_instances: The maximum of the image's runner.
    """
    if 1 <= count <= most_instances:
        return []
    only = "1" if most_instances == 1 else f"1 to {most_instances}"
    return [
        f"local AWS does not support {cluster}.InstanceCount {count}, only {only}"
        + (" (more with --containers)" if most_instances == 1 else "")
    ]


def _members(
    table: Table, value: Any, path: str
) -> Iterator[tuple[str, Any, Treatment | Only | None]]:
    """Yield the path, value and treatment of each member; a member without entry is refused."""
    for item in value if isinstance(value, list) else [value]:
        for name, member in item.items() if isinstance(item, dict) else ():
            treatment = table.get(name, REFUSED)
            if isinstance(treatment, dict):
                yield from _members(treatment, member, f"{path}.{name}")
            else:
                yield f"{path}.{name}", member, treatment


def null_characters(environment: dict[str, str]) -> list[str]:
    """Return a line for each environment variable with a null character."""
    return [
        f"the environment variable {name!r} holds a null character"
        for name, value in environment.items()
        if "\0" in name + value
    ]
