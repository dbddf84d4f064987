"""The policies of build/infrastructure.yml, as far as their actions go."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

TEMPLATE = Path(__file__).parents[2] / "build" / "infrastructure.yml"


def allowed_actions(template: Path = TEMPLATE) -> list[str]:
    """Every action that a statement of a policy allows, sorted; trust policies are left out."""
    content = yaml.load(template.read_text(encoding="utf-8"), _Template)  # noqa: S506 - a SafeLoader
    return sorted(set(_actions(content["Resources"])))


def _actions(value: Any) -> Iterator[str]:
    match value:
        case {"PolicyDocument": {"Statement": list(statements)}}:
            for statement in _with_branches(statements):
                if isinstance(statement, dict) and statement["Effect"] == "Allow":
                    action = statement["Action"]
                    yield from _with_branches([action] if isinstance(action, str) else action)
        case dict():
            for item in value.values():
                yield from _actions(item)
        case list():
            for item in value:
                yield from _actions(item)


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
