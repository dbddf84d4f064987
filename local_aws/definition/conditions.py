"""The conditions of a ConditionStep: all types of `sagemaker.workflow.conditions`."""

import operator
from collections.abc import Callable
from typing import Any

COMPARISONS: dict[str, tuple[str, Callable[[Any, Any], bool]]] = {  # type -> sign and function
    "Equals": ("=", operator.eq),
    "GreaterThan": (">", operator.gt),
    "GreaterThanOrEqualTo": (">=", operator.ge),
    "LessThan": ("<", operator.lt),
    "LessThanOrEqualTo": ("<=", operator.le),
}
CONDITION_TYPES = (*COMPARISONS, "In", "Not", "Or")


def holds(condition: dict[str, Any]) -> bool:
    """Evaluate a condition with resolved values.

    Raises ValueError for values that cannot be compared, or for an unknown type.
    """
    match condition:
        case {"Type": "Not", "Condition": inner}:
            return not holds(inner)
        case {"Type": "Or", "Conditions": inner}:
            return any(holds(each) for each in inner)
        case {"Type": "In", "QueryValue": value, "Values": values}:
            return value in values
        case {"Type": kind, "LeftValue": left, "RightValue": right} if kind in COMPARISONS:
            try:
                return bool(COMPARISONS[kind][1](left, right))
            except TypeError:
                raise ValueError(f"{left!r} and {right!r} cannot be compared") from None
    raise ValueError(f"the condition type {condition.get('Type')} is not supported")
