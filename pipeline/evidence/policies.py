"""The IAM policies of build/infrastructure.yml: what each statement allows."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

TEMPLATE = Path(__file__).parents[2] / "build" / "infrastructure.yml"


@dataclass(frozen=True)
class Statement:
    """A statement that allows something, and the role or policy it belongs to."""

    owner: str  # its logical name in the template
    sid: str
    actions: tuple[str, ...]


@cache
def allowed_statements(template: Path = TEMPLATE) -> tuple[Statement, ...]:
    """Return the statements of all policies, in the template's order, without trust policies."""
    content = yaml.load(template.read_text(encoding="utf-8"), _Template)  # noqa: S506 - a SafeLoader
    return tuple(
        Statement(owner, statement.get("Sid", ""), _actions(statement["Action"]))
        for owner, resource in content["Resources"].items()
        if resource["Type"].startswith("AWS::IAM::")
        for statement in _statements(resource)
        if statement["Effect"] == "Allow"
    )


def _actions(action: str | list[str]) -> tuple[str, ...]:
    return (action,) if isinstance(action, str) else tuple(_with_branches(action))


def _statements(value: Any) -> Iterator[dict[str, Any]]:
    match value:
        case {"PolicyDocument": {"Statement": list(statements)}}:
            yield from (each for each in _with_branches(statements) if isinstance(each, dict))
        case dict():
            for item in value.values():
                yield from _statements(item)
        case list():
            for item in value:
                yield from _statements(item)


def _with_branches(items: list[Any]) -> Iterator[Any]:
    """Yield the items, and of an `!If` what it adds when its condition holds."""
    for item in items:
        yield item[1] if isinstance(item, list) else item


class _Template(yaml.SafeLoader):
    """YAML in which CloudFormation's short forms (`!Sub`) are no more than their text."""


def _construct(loader: _Template, _suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return node.value


_Template.add_multi_constructor("!", _construct)
