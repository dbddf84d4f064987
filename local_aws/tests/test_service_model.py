from typing import Any

from local_aws.service_model import (
    UNKNOWN,
    compiled,
    sagemaker_model,
    training_instance_types,
    violations,
)

import pytest

PIPELINE = {"PipelineName": "p", "RoleArn": "arn:aws:iam::123456789012:role/r"}
PIPELINE["ClientRequestToken"] = "x" * 32


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


def test_every_pattern_of_the_model_is_an_expression() -> None:
    shapes = map(sagemaker_model().shape_for, sagemaker_model().shape_names)
    patterns = {each.metadata["pattern"] for each in shapes if "pattern" in each.metadata}
    assert len(patterns) > 100
    for pattern in patterns:
        compiled(pattern)


def test_a_pattern_of_java_takes_what_is_beyond_two_bytes() -> None:
    athena = compiled(sagemaker_model().shape_for("AthenaCatalog").metadata["pattern"])
    assert athena.fullmatch("AwsDataCatalog \U0001f600")
    assert not athena.fullmatch("\x00")
