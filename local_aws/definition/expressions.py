"""The expressions of a pipeline's JSON definition: `{"Get": ...}` and `{"Std:Join": ...}`.

Source: "SageMaker Pipelines JSON schema" (aws-sagemaker-mlops.github.io) and the SDK's
`sagemaker.workflow.functions`.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from local_aws.service_model import UNKNOWN

Lookup = Callable[["Reference"], Any]

NAMES = ("MetricName", "OutputName", "InputName", "ChannelName")  # of the elements of lists

_ELEMENT = re.compile(r"\.(?P<name>[A-Za-z0-9_\-]+)|\['(?P<key>[^']*)'\]|\[(?P<index>\d+)\]")


@dataclass(frozen=True)
class Reference:
    """`Steps.Train.FinalMetricDataList['validation:auc'].Value` is the kind `Steps` with the path
    `("Train", "FinalMetricDataList", "validation:auc", "Value")`."""

    text: str
    kind: str  # Parameters, Execution or Steps
    path: tuple[str | int, ...]

    @classmethod
    def parse(cls, text: str) -> "Reference":
        """Raises ValueError when `text` is not a reference."""
        kind, _, _ = text.partition(".")
        position, path = len(kind), list[str | int]()
        while position < len(text):
            match = _ELEMENT.match(text, position)
            if not match:
                raise ValueError(f"{text!r} is not a reference")
            path.append(int(match["index"]) if match["index"] else match["name"] or match["key"])
            position = match.end()
        if kind not in ("Parameters", "Execution", "Steps") or not path:
            raise ValueError(f"{text!r} is not a reference to Parameters, Execution or Steps")
        return cls(text, kind, tuple(path))


def resolve(value: Any, lookup: Lookup) -> Any:
    """`value` with every expression replaced; `lookup` gives what a reference stands for.

    Raises ValueError for a function that is not known here.
    """
    match value:
        case {"Get": str(text), **rest} if not rest:
            return lookup(Reference.parse(text))
        case {"Std:Join": {"On": str(on), "Values": list(values)}, **rest} if not rest:
            parts = [resolve(item, lookup) for item in values]
            return UNKNOWN if UNKNOWN in parts else on.join(map(_text, parts))
        case dict():
            unknown = [key for key in value if key.startswith("Std:")]
            if unknown:
                raise ValueError(f"the function {unknown[0]} is not supported")
            return {key: resolve(item, lookup) for key, item in value.items()}
        case list():
            return [resolve(item, lookup) for item in value]
        case _:
            return value


def references(value: Any) -> Iterator[Reference]:
    """Every reference anywhere in `value`."""
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
    """Return the element of a Describe response at `path`; those of a list by index or name.

    Raises ValueError when it is not there.
    """
    for element in path:
        if isinstance(value, list) and isinstance(element, str):
            found = [item for item in value if element in [item.get(name) for name in NAMES]]
        elif isinstance(value, list) and isinstance(element, int):
            found = value[element : element + 1]
        else:
            found = [value[element]] if isinstance(value, dict) and element in value else []
        if not found:
            raise ValueError(f"{element} is not there")
        value = found[0]
    return value


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)
