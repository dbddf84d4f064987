"""The evaluation of search expressions.

Sources: "Search", "SearchExpression" and "Filter" in the SageMaker API reference.
"""

import operator
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from local_aws.definition.conditions import COMPARISONS

NUMBERS = ("integer", "long", "float", "double")
TEXTS = ("string", "map")  # a map of texts, such as HyperParameters
ORDERED = {kind: compare for kind, (_, compare) in COMPARISONS.items() if kind != "Equals"}

Document = dict[str, Any]


def matches(document: Document, expression: Document, shape: Any) -> bool:
    """Return whether a resource satisfies a SearchExpression.

    Args:
        document: The resource in the form of Search's answer.
        expression: The SearchExpression.
        shape: The structure of the resource in botocore's model.

    Raises:
        ValueError: A property is unknown, or a filter does not fit its type.
    """
    if "NestedFilters" in expression:
        raise ValueError("local AWS does not support NestedFilters")
    properties = list(properties_of(document))
    outcomes = [_is_met(each, properties, shape) for each in expression.get("Filters", [])]
    outcomes += [matches(document, each, shape) for each in expression.get("SubExpressions", [])]
    return any(outcomes) if expression.get("Operator") == "Or" else all(outcomes)


def properties_of(document: Document) -> Iterator[tuple[str, Any]]:
    """Yield the name and the value of each property; elements of a list have the list's name."""
    yield from _flat(document, "")
    for tag in document.get("Tags", []):
        yield f"Tags.{tag['Key']}", tag["Value"]
    for metric in document.get("FinalMetricDataList", []):
        yield f"Metrics.{metric['MetricName']}", metric["Value"]


def kind_of(name: str, shape: Any) -> str:
    """Return the type of a property. Raises ValueError for an unknown property."""
    if name.startswith("Tags."):
        return "string"
    if name.startswith("Metrics.") and "FinalMetricDataList" in shape.members:
        return "double"
    for part in name.split("."):
        while shape.type_name == "list":
            shape = shape.member
        if shape.type_name == "map":
            return "map"  # what is left of the name is the key
        if shape.type_name != "structure" or part not in shape.members:
            raise ValueError(f"Unknown property name: {name}")
        shape = shape.members[part]
    kind: str = shape.type_name
    return kind


def typed(kind: str, value: Any) -> Any:
    """Convert a value or its text for a comparison. Raises ValueError for another type."""
    if kind == "timestamp":
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if kind == "boolean":
        return str(value).lower()
    return float(value) if kind in NUMBERS else value


def _is_met(given: Document, properties: list[tuple[str, Any]], shape: Any) -> bool:
    name, text = given["Name"], given.get("Value")
    kind = kind_of(name, shape)
    how: str = given.get("Operator", "Exists" if text is None else "Equals")
    if how in ("Exists", "NotExists"):
        found = any(f"{at}.".startswith(f"{name}.") for at, _ in properties)
        return found == (how == "Exists")
    if text is None:
        raise ValueError(f"{name}: {how} needs a Value")
    values = [value for at, value in properties if at == name]
    if kind == "map" and _is_number(text) and how not in ("Contains", "In"):
        kind, values = "double", [value for value in values if _is_number(value)]
    if (how in ORDERED) == (kind in TEXTS) and how not in ("Equals", "NotEquals"):
        raise ValueError(f"{name}: {how} is not for a {kind}")
    if how == "Contains":
        return any(text in value for value in values)
    if how == "In":
        return any(value in map(str.strip, text.split(",")) for value in values)
    try:
        wanted = typed(kind, text)
    except ValueError:
        raise ValueError(f"{name}: {text!r} is not a {kind}") from None
    compare: Callable[[Any, Any], bool] = ORDERED.get(how, operator.eq)
    met = any(compare(typed(kind, value), wanted) for value in values)
    return met != (how == "NotEquals")


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def _flat(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, member in value.items():
            yield from _flat(member, f"{name}.{key}" if name else key)
    elif isinstance(value, list):
        for each in value:
            yield from _flat(each, name)
    elif value is not None:
        yield name, value
