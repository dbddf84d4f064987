"""The conditions of a ConditionStep, all types of `sagemaker.workflow.conditions`."""

import operator
from typing import Any

_COMPARISONS = {
    "Equals": operator.eq,
    "GreaterThan": operator.gt,
    "GreaterThanOrEqualTo": operator.ge,
    "LessThan": operator.lt,
    "LessThanOrEqualTo": operator.le,
}


def holds(condition: dict[str, Any]) -> bool:
    """Return whether a condition with resolved values is true.

    Raises ValueError when its values cannot be compared, or for an unknown type.
    """
    match condition:
        case {"Type": "Not", "Condition": inner}:
            return not holds(inner)
        case {"Type": "Or", "Conditions": inner}:
            return any(holds(each) for each in inner)
        case {"Type": "In", "QueryValue": value, "Values": values}:
            return value in values
        case {"Type": kind, "LeftValue": left, "RightValue": right} if kind in _COMPARISONS:
            try:
                return bool(_COMPARISONS[kind](left, right))
            except TypeError:
                raise ValueError(f"{left!r} and {right!r} cannot be compared") from None
    raise ValueError(f"the condition type {condition.get('Type')} is not supported")
