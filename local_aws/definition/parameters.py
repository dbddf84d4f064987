"""The parameters of a pipeline: their declarations, and their values at a start."""

from collections.abc import Callable, Iterator
from typing import Any

from local_aws.definition.names import is_name, twice

PARAMETER_TYPES: dict[str, tuple[type, ...]] = {
    "String": (str,),
    "Integer": (int,),
    "Float": (float, int),
    "Boolean": (bool,),
}
PARAMETER_MEMBERS = {"Name", "Type", "DefaultValue", "EnumValues", "Description"}
LONGEST_DESCRIPTION = 4096  # of a parameter, in characters


def parameter_value(parameter: dict[str, Any], text: str) -> Any:
    """Convert text, as StartPipelineExecution carries it, to the type of `parameter`.

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


def parameter_values(definition: dict[str, Any], given: list[dict[str, str]]) -> dict[str, Any]:
    """Return every declared parameter with its default, or with the value given at a start.

    Raises:
        ValueError: A value does not fit or is missing, or a parameter is not declared.
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


def parameter_problems(parameters: list[dict[str, Any]]) -> Iterator[str]:
    """Yield what AWS would refuse in the declarations, one line each."""
    names = [str(parameter.get("Name")) for parameter in parameters]
    for name in sorted(twice(names)):
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


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError
    return text.lower() == "true"
