"""The IAM policies of build/infrastructure.yml: which actions each one allows."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

TEMPLATE = Path(__file__).parents[2] / "build" / "infrastructure.yml"


@cache
def allowed_actions(template: Path = TEMPLATE) -> dict[str, set[str]]:
    """Return the actions that each role or policy allows, by its name in the template.

    Trust policies are left out: they say who may assume a role.
    """
    content = yaml.load(template.read_text(encoding="utf-8"), _Template)  # noqa: S506 - a SafeLoader
    return {
        owner: {action for each in _statements(resource) for action in _actions(each)}
        for owner, resource in content["Resources"].items()
        if resource["Type"].startswith("AWS::IAM::")
    }


def _actions(statement: dict[str, Any]) -> Iterator[str]:
    action = statement["Action"]
    if statement["Effect"] == "Allow":
        yield from [action] if isinstance(action, str) else _with_branches(action)


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
