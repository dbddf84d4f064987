"""What a step of each type asks of SageMaker, and what other steps can take from it."""

import io
import json
from typing import Any

from local_aws.definition.graph import mermaid
from local_aws.definition.validation import problems
from local_aws.sagemaker.step_cache import StepCache
from local_aws.tests.fake_sagemaker import (
    AUC,
    SageMaker,
    completed,
    execute,
    fail,
    failed,
    gate,
    make_execution,
    outline,
    refused,
    train,
)

import pytest
from botocore.exceptions import ClientError

ROLE = "arn:aws:iam::123456789012:role/pipeline"
CLUSTER = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
REPORT = {"PropertyFileName": "Report", "OutputName": "metrics", "FilePath": "sub/report.json"}


def process(**changes: Any) -> dict[str, Any]:
    output = {
        "OutputName": "metrics",
        "S3Output": {
            "S3Uri": "s3://bucket/metrics",
            "LocalPath": "/opt/ml/processing/metrics",
            "S3UploadMode": "EndOfJob",
        },
    }
    arguments = {
        "AppSpecification": {"ImageUri": "image"},
        "ProcessingResources": {"ClusterConfig": CLUSTER},
        "ProcessingOutputConfig": {"Outputs": [output]},
        "RoleArn": ROLE,
    }
    return {
        "Name": "Evaluate",
        "Type": "Processing",
        "Arguments": arguments,
        "PropertyFiles": [REPORT],
    } | changes


def transform(**changes: Any) -> dict[str, Any]:
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://bucket/in"}}
    arguments = {
        "ModelName": {"Get": "Steps.Create.ModelName"},
        "TransformInput": {"DataSource": source},
        "TransformOutput": {"S3OutputPath": "s3://bucket/out"},
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
    }
    return {"Name": "Score", "Type": "Transform", "Arguments": arguments} | changes


CREATE: dict[str, Any] = {
    "Name": "Create",
    "Type": "Model",
    "Arguments": {"ExecutionRoleArn": ROLE, "PrimaryContainer": {"Image": "image"}},
}


def tune(**changes: Any) -> dict[str, Any]:
    return {"Name": "Tune", "Type": "Tuning", "Arguments": {}} | changes


def json_get(path: str) -> dict[str, Any]:
    file = {"Get": "Steps.Evaluate.PropertyFiles.Report"}
    return {"Std:JsonGet": {"PropertyFile": file, "Path": path}}


class Storage:
    """S3 with one object."""

    def __init__(self, uri: str, text: str) -> None:
        self._uri, self._text = uri, text

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        if f"s3://{Bucket}/{Key}" != self._uri:
            error = {"Error": {"Code": "NoSuchKey", "Message": "The key does not exist."}}
            raise ClientError(error, "GetObject")
        return {"Body": io.BytesIO(self._text.encode())}


def evaluated(text: str, *steps: dict[str, Any]) -> Any:
    """An execution of an evaluation that wrote `text`, and of `steps`."""
    job = process()["Arguments"]["ProcessingOutputConfig"]
    sagemaker = SageMaker(completed(ProcessingOutputConfig=job))
    storage = Storage("s3://bucket/metrics/sub/report.json", text)
    clients = {"sagemaker": sagemaker, "s3": storage}
    execution = make_execution(process(), *steps, client=clients.__getitem__)
    execution.start()
    execution.join()
    return execution


def test_a_definition_of_every_step_type_is_valid_and_can_be_drawn() -> None:
    steps = [process(), CREATE, transform(), gate(json_get("auc"), [], [fail("no")])]
    definition = {"Steps": steps}
    assert problems(definition) == []
    drawn = mermaid(definition)
    for text in ("Processing step", "Model step", "Transform step", "auc #62; 0.8"):
        assert text in drawn


def test_a_model_is_made_and_its_data_are_transformed() -> None:
    sagemaker = SageMaker({}, completed())
    execution = execute(transform(), CREATE, sagemaker=sagemaker)
    assert execution.status == "Succeeded", execution.steps()
    assert outline(execution) == [("Create", "Succeeded"), ("Score", "Succeeded")]
    model, job = sagemaker.requests
    assert model["ModelName"].startswith("pipelines-abcdefghijkl-Create-")
    assert job["ModelName"] == model["ModelName"]
    assert job["TransformJobName"].startswith("pipelines-abcdefghijkl-Score-")
    for request in (model, job):
        keys = [tag["Key"] for tag in request["Tags"]]
        assert keys == ["sagemaker:pipeline-execution-arn", "sagemaker:pipeline-step-name"]
    created, scored = execution.steps()
    assert created["Metadata"]["Model"]["Arn"].endswith(model["ModelName"])
    assert scored["Metadata"]["TransformJob"]["Arn"].endswith(job["TransformJobName"])


@pytest.mark.parametrize(
    ("text", "path", "left"),
    [
        ('{"auc": 0.9}', "auc", "Gate"),
        ('{"a": {"b c": [0, {"d": 0.9}]}}', "$.a['b c'][1].d", "Gate"),
        ("[0.9]", "[0]", "Gate"),
        ('{"auc": 0.7}', "auc", "Fail"),
    ],
)
def test_a_value_of_a_property_file_decides(text: str, path: str, left: str) -> None:
    execution = evaluated(text, gate(json_get(path), [], [fail("too low")]))
    assert outline(execution)[0] == ("Evaluate", "Succeeded")
    assert outline(execution)[-1][0] == left, execution.steps()


@pytest.mark.parametrize(
    ("text", "path", "reason"),
    [
        ('{"auc": 0.9}', "f1", "s3://bucket/metrics/sub/report.json: f1: f1 is not there"),
        ("no JSON", "f1", "s3://bucket/metrics/sub/report.json: f1: Expecting value"),
    ],
)
def test_a_value_that_the_file_lacks_fails_the_step(text: str, path: str, reason: str) -> None:
    execution = evaluated(text, gate(json_get(path), [], []))
    assert execution.status == "Failed"
    assert execution.steps()[-1]["FailureReason"].startswith(f"ClientError: {reason}")


def test_a_file_that_was_not_written_fails_the_step() -> None:
    name = REPORT | {"FilePath": "none.json"}
    job = completed(ProcessingOutputConfig=process()["Arguments"]["ProcessingOutputConfig"])
    clients = {"sagemaker": SageMaker(job), "s3": Storage("s3://other/x", "")}
    steps = (process(PropertyFiles=[name]), gate(json_get("a"), [], []))
    execution = make_execution(*steps, client=clients.__getitem__)
    execution.start()
    execution.join()
    reason = execution.steps()[-1]["FailureReason"]
    assert reason == "ClientError: s3://bucket/metrics/none.json: The key does not exist."


def test_json_of_any_s3_uri_can_be_read() -> None:
    """As the SDK's @step decorator asks for it."""
    output = {"Get": "Steps.Train.OutputDataConfig.S3OutputPath"}
    uri = {"Std:Join": {"On": "/", "Values": [output, "results.json"]}}
    value = {"Std:JsonGet": {"S3Uri": uri, "Path": "Result"}}
    job = completed(OutputDataConfig={"S3OutputPath": "s3://bucket/step"})
    storage = Storage("s3://bucket/step/results.json", json.dumps({"Result": "a text"}))
    clients = {"sagemaker": SageMaker(job), "s3": storage}
    execution = make_execution(train(), fail(value), client=clients.__getitem__)
    execution.start()
    execution.join()
    assert execution.steps()[-1]["FailureReason"] == "a text"


def test_the_outcome_of_a_condition_can_be_referred_to() -> None:
    outcome = {"Get": "Steps.Gate.Outcome"}
    message = {"Std:Join": {"On": ": ", "Values": ["the outcome", outcome]}}
    execution = execute(fail(message), gate(0.9, [], []))
    assert execution.steps()[-1]["FailureReason"] == "the outcome: true"


def test_an_output_of_a_processing_job_is_found_by_its_name() -> None:
    uri = {"Get": "Steps.Evaluate.ProcessingOutputConfig.Outputs['metrics'].S3Output.S3Uri"}
    execution = evaluated("", fail(uri))
    assert execution.steps()[-1]["FailureReason"] == "s3://bucket/metrics"


def tuned() -> dict[str, Any]:
    objective = {"HyperParameterTuningJobObjective": {"Type": "Maximize"}}
    return completed(HyperParameterTuningJobConfig=objective)


@pytest.mark.parametrize(
    ("step", "outcome"),
    [(process(), completed()), (transform(Arguments={}), completed()), (tune(), tuned())],
)
def test_jobs_of_every_kind_are_cached(step: dict[str, Any], outcome: dict[str, Any]) -> None:
    step = step | {"CacheConfig": {"Enabled": True, "ExpireAfter": "P1D"}}
    cache, sagemaker = StepCache(), SageMaker(outcome)
    first = execute(step, sagemaker=sagemaker, cache=cache).steps()[0]
    again = execute(step, sagemaker=sagemaker, cache=cache).steps()[0]
    assert "CacheHitResult" in again
    assert again["Metadata"] == first["Metadata"] != {}
    assert len(sagemaker.requests) == 1


@pytest.mark.parametrize(
    ("step", "outcome"),
    [
        (process(), completed()),
        (transform(Arguments={}), completed()),
        (tune(), tuned()),
        (CREATE, {}),
    ],
)
def test_steps_of_every_kind_are_retried(step: dict[str, Any], outcome: dict[str, Any]) -> None:
    policy = {"ExceptionType": ["Step.THROTTLING"], "IntervalSeconds": 1, "BackoffRate": 2.0}
    sagemaker = SageMaker(refused("ThrottlingException"), outcome)
    execution = execute(step | {"RetryPolicies": [policy]}, sagemaker=sagemaker)
    assert execution.status == "Succeeded"
    assert execution.steps()[0]["AttemptCount"] == 2


def test_a_processing_job_that_fails_gives_its_reason() -> None:
    execution = execute(process(), sagemaker=SageMaker(failed("AlgorithmError: exit code: 3")))
    assert execution.steps()[0]["FailureReason"] == "AlgorithmError: exit code: 3"


@pytest.mark.parametrize(
    ("steps", "problem"),
    [
        ([process(Arguments={})], "CreateProcessingJob: ProcessingResources is missing"),
        ([CREATE, transform(Arguments={})], "CreateTransformJob: ModelName is missing"),
        ([CREATE | {"Arguments": {"PrimaryContainer": 1}}], "1 is not a structure"),
        ([CREATE | {"CacheConfig": {"Enabled": True}}], "a Model step cannot be cached"),
        (
            [process(PropertyFiles=[REPORT | {"OutputName": "other"}])],
            "property file Report: the job has no output other",
        ),
        ([process(PropertyFiles=[]), gate(json_get("x"), [], [])], "has no property file Report"),
        ([process(), gate(json_get("x["), [], [])], "'x[' is not a path in a JSON file"),
        ([fail(""), CREATE | {"DependsOn": ["Fail"]}], "Create can not depends on Fail"),
        ([fail(""), fail({"Get": "Steps.Fail.x"}, "End")], "a Fail step has no properties"),
        ([gate(AUC, [], [], RetryPolicies=[])], "unknown member RetryPolicies"),
    ],
)
def test_what_a_step_may_not_have_is_found(steps: list[Any], problem: str) -> None:
    found = problems({"Steps": steps})
    assert any(problem in each for each in found), found
