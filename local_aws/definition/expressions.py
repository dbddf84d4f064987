"""The expressions of a pipeline's JSON definition: `Get`, `Std:Join` and `Std:JsonGet`.

Source: "SageMaker Pipelines JSON schema" (aws-sagemaker-mlops.github.io) and the SDK's
`sagemaker.workflow.functions`.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from local_aws.service_model import UNKNOWN

Lookup = Callable[["Reference"], Any]
ReadJson = Callable[[Any, str], Any]  # the S3 URI of a JSON file and a path in it -> a value

# What names an element of a list in the answers of Describe calls.
NAMES = (
    "MetricName",
    "OutputName",
    "InputName",
    "ChannelName",
    "ContainerHostname",
    "VariantName",
    "RuleConfigurationName",
    "Name",
    "Key",
)

_ELEMENT = re.compile(
    r"\.(?P<name>[A-Za-z0-9_\-]+)|\['(?P<key>[^']*)'\]|\[\"(?P<text>[^\"]*)\"\]|\[(?P<index>\d+)\]"
)


@dataclass(frozen=True)
class Reference:
    """A parsed reference to a parameter, the execution or a step.

    `Steps.Train.FinalMetricDataList['validation:auc'].Value` is the kind `Steps` with the path
    `("Train", "FinalMetricDataList", "validation:auc", "Value")`.
    """

    text: str
    kind: str  # Parameters, Execution or Steps
    path: tuple[str | int, ...]

    @classmethod
    def parse(cls, text: str) -> "Reference":
        """Parse a reference. Raises ValueError if `text` is not one."""
        kind, _, _ = text.partition(".")
        path = _elements(text, len(kind))
        if path is None:
            raise ValueError(f"{text!r} is not a reference")
        if kind not in ("Parameters", "Execution", "Steps") or not path:
            raise ValueError(f"{text!r} is not a reference to Parameters, Execution or Steps")
        return cls(text, kind, path)


def resolve(value: Any, lookup: Lookup, read_json: ReadJson = lambda _uri, _path: UNKNOWN) -> Any:
    """Replace every expression in a value.

    Args:
        value: Part of a definition.
        lookup: Returns the value of a reference; for a property file, its S3 URI.
        read_json: Returns the value at a path of a JSON file.

    Returns:
        A value of the same shape, without expressions.

    Raises:
        ValueError: A function is malformed or unknown.
    """
    match value:
        case {"Get": str(text), **rest} if not rest:
            return lookup(Reference.parse(text))
        case {"Std:Join": {"On": str(on), "Values": list(values)}, **rest} if not rest:
            parts = [resolve(item, lookup, read_json) for item in values]
            return UNKNOWN if UNKNOWN in parts else on.join(map(as_text, parts))
        case {"Std:JsonGet": {"Path": str(path), **file}, **rest} if not rest and len(file) == 1:
            parse_json_path(path)
            uri = resolve(file.get("PropertyFile", file.get("S3Uri")), lookup, read_json)
            return UNKNOWN if uri is UNKNOWN else read_json(uri, path)
        case dict():
            for key in value:
                if key in ("Std:Join", "Std:JsonGet"):
                    raise ValueError(f"the function {key} is malformed")
                if key.startswith("Std:"):
                    raise ValueError(f"the function {key} is not supported")
            return {key: resolve(item, lookup, read_json) for key, item in value.items()}
        case list():
            return [resolve(item, lookup, read_json) for item in value]
        case _:
            return value


def parse_json_path(text: str) -> tuple[str | int, ...]:
    """Return the elements of a path in a JSON file: `metrics.mse.value`, `$.classes[0]['a name']`.

    Raises ValueError if `text` is not such a path.
    """
    path = text.removeprefix("$")
    elements = _elements(path if path.startswith((".", "[")) else f".{path}", 0)
    if not elements:
        raise ValueError(f"{text!r} is not a path in a JSON file")
    return elements


def _elements(text: str, position: int) -> tuple[str | int, ...] | None:
    path = list[str | int]()
    while position < len(text):
        match = _ELEMENT.match(text, position)
        if not match:
            return None
        index = match["index"]
        named = match["name"] or match["key"] or match["text"] or ""
        path.append(int(index) if index else named)
        position = match.end()
    return tuple(path)


def references(value: Any) -> Iterator[Reference]:
    """Return all references in a value, at any depth."""
    match value:
        case {"Get": str(text), **rest} if not rest:
            yield Reference.parse(text)
        case dict():
            for item in value.values():
                yield from references(item)
        case list():
            for item in value:
                yield from references(item)


def select(value: Any, path: tuple[str | int, ...]) -> Any:
    """Return the element of a Describe response at `path`; an element of a list by index or name.

    Raises ValueError if it does not exist.
    """
    for element in path:
        if isinstance(value, list) and isinstance(element, str):
            named = [item for item in value if isinstance(item, dict)]
            found = [item for item in named if element in [item.get(name) for name in NAMES]]
        elif isinstance(value, list) and isinstance(element, int):
            found = value[element : element + 1]
        else:
            found = [value[element]] if isinstance(value, dict) and element in value else []
        if not found:
            raise ValueError(f"{element} is not there")
        value = found[0]
    return value


def as_text(value: Any) -> str:
    """Convert a value to text, with booleans in lower case."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)
