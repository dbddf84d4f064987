"""Conditions as the SDK writes them: each type of `sagemaker.workflow.conditions`, both ways."""

import json
from typing import Any

from local_aws.definition.conditions import holds

import pytest
from sagemaker.workflow import conditions as sdk


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (sdk.ConditionEquals("a", "a"), True),
        (sdk.ConditionEquals(1, 2), False),
        (sdk.ConditionEquals(1, 1.0), True),
        (sdk.ConditionGreaterThan(2, 1), True),
        (sdk.ConditionGreaterThan(1, 1), False),
        (sdk.ConditionGreaterThanOrEqualTo(1, 1), True),
        (sdk.ConditionGreaterThanOrEqualTo(0.84, 0.85), False),
        (sdk.ConditionLessThan(1, 2), True),
        (sdk.ConditionLessThan(2, 2), False),
        (sdk.ConditionLessThanOrEqualTo(2, 2), True),
        (sdk.ConditionLessThanOrEqualTo(3, 2), False),
        (sdk.ConditionIn("a", ["a", "b"]), True),
        (sdk.ConditionIn("c", ["a", "b"]), False),
        (sdk.ConditionNot(sdk.ConditionEquals(1, 2)), True),
        (sdk.ConditionNot(sdk.ConditionEquals(1, 1)), False),
        (sdk.ConditionOr([sdk.ConditionEquals(1, 2), sdk.ConditionLessThan(1, 2)]), True),
        (sdk.ConditionOr([sdk.ConditionEquals(1, 2), sdk.ConditionEquals(3, 2)]), False),
    ],
)
def test_a_condition_holds_when_it_should(condition: Any, expected: bool) -> None:
    assert holds(json.loads(json.dumps(condition.to_request()))) is expected


def test_every_condition_type_of_the_sdk_is_known() -> None:
    tested = {"Equals", "GreaterThan", "GreaterThanOrEqualTo", "LessThan", "LessThanOrEqualTo"}
    assert {each.value for each in sdk.ConditionTypeEnum} == tested | {"In", "Not", "Or"}


def test_values_that_cannot_be_compared_are_an_error() -> None:
    with pytest.raises(ValueError, match="'a' and 1 cannot be compared"):
        holds({"Type": "LessThan", "LeftValue": "a", "RightValue": 1})


def test_an_unknown_condition_is_an_error() -> None:
    with pytest.raises(ValueError, match="Resembles is not supported"):
        holds({"Type": "Resembles", "LeftValue": 1, "RightValue": 1})
