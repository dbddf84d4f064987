"""The parameters of a pipeline: their declarations, and their values for an execution."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from local_aws.definition.expressions import Reference, resolve
from local_aws.definition.names import given_twice, is_name
from local_aws.service_model import UNKNOWN

PARAMETER_TYPES: dict[str, tuple[type, ...]] = {
    "String": (str,),
    "Integer": (int,),
    "Float": (float, int),
    "Boolean": (bool,),
}
CONVERT: dict[str, Callable[[Any], Any]] = {  # raise TypeError, ValueError or KeyError
    "String": str,
    "Integer": int,
    "Float": float,
    "Boolean": lambda value: {"true": True, "false": False}[str(value).lower()],
}
PARAMETER_MEMBERS = {"Name", "Type", "DefaultValue", "EnumValues", "Description"}
LONGEST_DESCRIPTION = 4096  # of a parameter, in characters


def parameter_value(parameter: dict[str, Any], text: str) -> Any:
    """Convert the text of StartPipelineExecution to the type of `parameter`.

    Raises ValueError if the text does not fit the type.
    """
    kind, name = parameter["Type"], parameter["Name"]
    try:
        value = CONVERT[kind](text)
    except (ValueError, KeyError):
        raise ValueError(f"parameter {name}: {text!r} is not of type {kind}") from None
    allowed = parameter.get("EnumValues")
    if allowed and value not in allowed:
        raise ValueError(f"parameter {name}: {text!r} is not one of {', '.join(map(str, allowed))}")
    return value


def parameter_values(definition: dict[str, Any], given: list[dict[str, str]]) -> dict[str, Any]:
    """Return all declared parameters with the given values, or else with their defaults.

    Raises:
        ValueError: A value is missing or has another type, or a parameter is not declared.
    """
    declared = {parameter["Name"]: parameter for parameter in definition.get("Parameters", [])}
    values = {
        name: parameter["DefaultValue"]
        for name, parameter in declared.items()
        if "DefaultValue" in parameter
    }
    found = []
    for item in given:
        if item["Name"] not in declared:
            found.append(f"Unknown parameters: {item['Name']}")
            continue
        try:
            values[item["Name"]] = parameter_value(declared[item["Name"]], item["Value"])
        except ValueError as error:
            found.append(str(error))
    found += [f"parameter {name} has no value" for name in declared if name not in values]
    if found:
        raise ValueError("; ".join(found))
    return values


def defaults_of(definition: Mapping[str, Any]) -> dict[Any, Any]:
    """Return the default of each parameter, or UNKNOWN for a parameter without one."""
    declared = definition.get("Parameters", [])
    return {each.get("Name"): each.get("DefaultValue", UNKNOWN) for each in declared}


def resolve_defaults(value: Any, defaults: Mapping[Any, Any]) -> Any:
    """Replace references to parameters by their defaults, and other references by UNKNOWN."""

    def default(reference: Reference) -> Any:
        known = reference.kind == "Parameters"
        return defaults.get(reference.path[0], UNKNOWN) if known else UNKNOWN

    return resolve(value, default)


def parameter_problems(parameters: list[dict[str, Any]]) -> Iterator[str]:
    """Yield a line for each problem that AWS would refuse in the declarations."""
    names = [str(parameter.get("Name")) for parameter in parameters]
    for name in given_twice(names):
        yield f"parameter {name}: declared twice"
    for parameter, name in zip(parameters, names, strict=True):
        kind = parameter.get("Type", "")
        if not is_name(name):
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
