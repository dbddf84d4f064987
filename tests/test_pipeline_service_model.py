from collections.abc import Iterator
from typing import Any

from pipeline.service_model import UNKNOWN, sagemaker_model, training_instance_types, violations

import pytest
import regex

PIPELINE = {"PipelineName": "p", "RoleArn": "arn:aws:iam::123456789012:role/r"}
PIPELINE["ClientRequestToken"] = "x" * 32


def patterns(shape: Any, seen: set[str]) -> Iterator[str]:
    if shape.name in seen:
        return
    seen.add(shape.name)
    if "pattern" in shape.metadata:
        yield shape.metadata["pattern"]
    members = {"structure": lambda: shape.members.values(), "list": lambda: [shape.member]}
    members["map"] = lambda: [shape.key, shape.value]
    for member in members.get(shape.type_name, list)():
        yield from patterns(member, seen)


def test_every_pattern_of_the_model_can_be_checked() -> None:
    count = 0
    for operation in sagemaker_model().operation_names:
        shape = sagemaker_model().operation_model(operation).input_shape
        for pattern in patterns(shape, set()) if shape else ():
            regex.compile(pattern)
            count += 1
    assert count > 1000


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({}, None),
        ({"Tags": [{"Key": "Größe 1", "Value": ""}]}, None),
        ({"Tags": [{"Key": "a;b", "Value": ""}]}, "Tags[0].Key: 'a;b' does not match"),
        ({"Tags": [{"Value": ""}]}, "Tags[0]: Key is missing"),
        ({"Tags": {}}, "CreatePipeline.Tags: {} is not a list"),
        ({"PipelineName": UNKNOWN}, None),
        ({"PipelineName": 3}, "PipelineName: 3 is not a string"),
        ({"PipelineName": "-"}, "PipelineName: '-' does not match"),
        ({"Other": 1}, "CreatePipeline: unknown member Other"),
        ({"ParallelismConfiguration": {"MaxParallelExecutionSteps": 0}}, "0 is less than 1"),
        ({"ParallelismConfiguration": {"MaxParallelExecutionSteps": True}}, "not a integer"),
    ],
)
def test_what_the_model_forbids_is_named_with_its_place(
    changes: dict[str, Any], problem: str | None
) -> None:
    found = violations("CreatePipeline", PIPELINE | changes)
    assert len(found) == (problem is not None), found
    assert problem is None or problem in found[0]


def test_the_training_types_are_those_of_the_api() -> None:
    types = training_instance_types()
    assert {"ml.t3.medium", "ml.m5.large"} <= set(types)
    assert not {"ml.t2.medium", "ml.t3.small", "ml.c5.large"} & set(types)
