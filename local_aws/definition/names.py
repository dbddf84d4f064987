"""The names of parameters and steps."""

import re
from collections.abc import Sequence
from typing import Any

_NAME = re.compile(r"[A-Za-z0-9\-_]{1,64}")


def is_name(name: Any) -> bool:
    """Return whether AWS accepts this name for a parameter or a step."""
    return isinstance(name, str) and bool(_NAME.fullmatch(name))


def given_twice(names: Sequence[str]) -> list[str]:
    """Return the names that occur more than once, sorted."""
    return sorted({name for name in names if names.count(name) > 1})
