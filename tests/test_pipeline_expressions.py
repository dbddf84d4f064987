import json
from typing import Any

from local_aws.definition.expressions import Reference, references, resolve, select

import pytest
from sagemaker.workflow.execution_variables import ExecutionVariables
from sagemaker.workflow.functions import Join
from sagemaker.workflow.parameters import ParameterInteger
from sagemaker.workflow.properties import Properties

JOB = {
    "ModelArtifacts": {"S3ModelArtifacts": "s3://bucket/model.tar.gz"},
    "FinalMetricDataList": [
        {"MetricName": "validation:f1", "Value": 0.7},
        {"MetricName": "validation:auc", "Value": 0.85},
    ],
    "InputDataConfig": [{"ChannelName": "train"}],
    "Outputs": [
        {"OutputName": "first", "Uri": "s3://a"},
        {"OutputName": "second", "Uri": "s3://b"},
    ],
}


def test_an_element_of_a_list_is_found_by_its_name() -> None:
    reference = Reference.parse("Steps.Train.Outputs['second'].Uri")
    assert select(JOB, reference.path[1:]) == "s3://b"
    with pytest.raises(ValueError, match="third is not there"):
        select(JOB, ("Outputs", "third"))


def look_up(reference: Reference) -> Any:
    if reference.kind == "Steps":
        return select(JOB, reference.path[1:])
    return {"depth": 4, "PipelineName": "titanic"}[str(reference.path[0])]


def as_json(expression: Any) -> Any:
    return json.loads(json.dumps(expression))


def test_what_the_sdk_writes_resolves_to_what_it_means() -> None:
    properties: Any = Properties("Train", shape_name="DescribeTrainingJobResponse")
    auc = properties.FinalMetricDataList["validation:auc"].Value
    expression = Join(
        on="/",
        values=[
            "a",
            ParameterInteger("depth"),
            ExecutionVariables.PIPELINE_NAME,
            auc,
            properties.ModelArtifacts.S3ModelArtifacts,
            properties.InputDataConfig[0].ChannelName,
            Join(on="-", values=[1, True]),
        ],
    ).expr
    expected = "a/4/titanic/0.85/s3://bucket/model.tar.gz/train/1-true"
    assert resolve({"x": [as_json(expression)]}, look_up) == {"x": [expected]}
    assert resolve(as_json(auc.expr), look_up) == 0.85
    assert [r.kind for r in references(as_json(expression))] == [
        "Parameters",
        "Execution",
        "Steps",
        "Steps",
        "Steps",
    ]


@pytest.mark.parametrize(
    "text", ["", "Train", "Parameters", "Globals.x", "Steps.a[", "Steps.a['b]"]
)
def test_what_is_no_reference_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="is not a reference"):
        Reference.parse(text)


@pytest.mark.parametrize(
    "path", [("Missing",), ("FinalMetricDataList", "x"), ("InputDataConfig", 5)]
)
def test_what_is_not_in_the_answer_is_an_error(path: tuple[str | int, ...]) -> None:
    with pytest.raises(ValueError, match="is not there"):
        select(JOB, path)


def test_an_unknown_function_is_an_error_that_names_it() -> None:
    with pytest.raises(ValueError, match="Std:Split is not supported"):
        resolve({"a": [{"Std:Split": {}}]}, look_up)
    with pytest.raises(ValueError, match="Std:JsonGet is malformed"):
        resolve({"a": [{"Std:JsonGet": {}}]}, look_up)
