"""The names of parameters and steps."""

import re
from typing import Any

_NAME = re.compile(r"[A-Za-z0-9\-_]{1,64}")


def is_name(name: Any) -> bool:
    """Return whether AWS takes it as the name of a parameter or a step."""
    return isinstance(name, str) and bool(_NAME.fullmatch(name))


def twice(names: list[str]) -> set[str]:
    """Return the names that are given more than once."""
    return {name for name in names if names.count(name) > 1}
