from collections.abc import Iterator
from typing import Any

from local_aws.service_model import UNKNOWN, sagemaker_model, training_instance_types, violations

import pytest
import regex

PIPELINE = {"PipelineName": "p", "RoleArn": "arn:aws:iam::123456789012:role/r"}
PIPELINE["ClientRequestToken"] = "x" * 32


def patterns(shape: Any, seen: set[str]) -> Iterator[str]:
    """Every pattern anywhere in a shape."""
    if shape.name in seen:
        return
    seen.add(shape.name)
    if "pattern" in shape.metadata:
        yield shape.metadata["pattern"]
    members: list[Any] = list(getattr(shape, "members", {}).values())
    members += [getattr(shape, name) for name in ("member", "key", "value") if hasattr(shape, name)]
    for member in members:
        yield from patterns(member, seen)


@pytest.mark.parametrize(
    "operation", ["CreatePipeline", "UpdatePipeline", "StartPipelineExecution", "CreateTrainingJob"]
)
def test_every_pattern_of_the_requests_can_be_checked(operation: str) -> None:
    """Not so of the whole API: a few patterns of other requests are no regular expressions."""
    found = list(patterns(sagemaker_model().operation_model(operation).input_shape, set()))
    assert found
    for pattern in found:
        regex.compile(pattern)


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
