"""Requests that no client of AWS sends: an error code of AWS and one line, never a 500."""

import json
from collections.abc import Callable
from typing import Any

from local_aws.tests.conftest import Send
from local_aws.tests.jobs import Jobs

import pytest
from botocore.exceptions import ClientError

Post = Callable[[str, str, bytes], tuple[int, dict[str, Any]]]


@pytest.fixture
def post(send: Send, signed: Callable[..., dict[str, str]]) -> Post:
    """Sends a body to an operation; status and answer."""

    def request(service: str, target: str, body: bytes) -> tuple[int, dict[str, Any]]:
        more = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": target}
        status, _, answer = send("POST", "/", body, **signed(service, "POST", "/", body, **more))
        return status, json.loads(answer)

    return request


BODIES = [b"", b"garbage", b"[]", b"[" * 100_000, b'"text"', b"\xff\xfe"]


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body[:8].decode("latin-1") or "empty")
@pytest.mark.parametrize(
    ("service", "target"),
    [("sagemaker", "SageMaker.CreateTrainingJob"), ("codebuild", "CodeBuild_20161006.StartBuild")],
)
def test_a_body_that_is_no_object(body: bytes, service: str, target: str, post: Post) -> None:
    status, answer = post(service, target, body)
    assert (status, answer["__type"]) == (400, "SerializationException")


@pytest.mark.parametrize(
    ("service", "target"),
    [
        ("sagemaker", "SageMaker.NoSuchOperation"),
        ("sagemaker", "SageMaker.ListFlowDefinitions"),
        ("codebuild", "CodeBuild_20161006.NoSuchOperation"),
        ("logs", "Logs_20140328.NoSuchOperation"),
    ],
)
def test_an_operation_that_is_not_there_is_named(service: str, target: str, post: Post) -> None:
    status, answer = post(service, target, b"{}")
    assert (status, answer["__type"]) == (400, "UnknownOperationException")
    assert target.rpartition(".")[2] in answer["message"]


def test_an_operation_of_another_protocol_that_is_not_there(
    send: Send, signed: Callable[..., dict[str, str]]
) -> None:
    body = b"Action=NoSuchOperation&Version=2010-05-08"
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    status, _, answer = send("POST", "/", body, **signed("iam", "POST", "/", body, **form))
    assert status == 400
    assert b"<Code>InvalidAction</Code>" in answer
    assert b"NoSuchOperation" in answer


def test_an_operation_with_a_path_of_its_own_that_is_not_there(jobs: Jobs) -> None:
    message = "does not support GET /2020-04-22/code-signing-configs of lambda"
    with pytest.raises(ClientError, match=message) as error:
        jobs.clients.client("lambda").list_code_signing_configs()
    assert error.value.response["Error"]["Code"] == "UnknownOperationException"


@pytest.mark.parametrize(
    ("service", "target", "body", "code"),
    [
        ("sagemaker", "SageMaker.DescribeTrainingJob", {"TrainingJobName": ["a"]}, "Validation"),
        ("sagemaker", "SageMaker.DescribePipeline", {"PipelineName": ["a"]}, "Validation"),
        ("sagemaker", "SageMaker.ListTrainingJobs", {"NextToken": "abc"}, "Validation"),
        ("sagemaker", "SageMaker.ListPipelines", {"NextToken": "abc"}, "Validation"),
        ("sagemaker", "SageMaker.ListTrainingJobs", {"MaxResults": "many"}, "Validation"),
        ("sagemaker", "SageMaker.StopPipelineExecution", {}, "Validation"),
        ("codebuild", "CodeBuild_20161006.StartBuild", {}, "InvalidInput"),
        ("codebuild", "CodeBuild_20161006.BatchGetBuilds", {"ids": "a"}, "InvalidInput"),
        (
            "ecr",
            "AmazonEC2ContainerRegistry_V20150921.GetDownloadUrlForLayer",
            {"repositoryName": "nobodys", "layerDigest": f"sha256:{0:064}"},
            "LayersNotFound",
        ),
        (
            "cloudtrail",
            "CloudTrail_20131101.LookupEvents",
            {"NextToken": "abc"},
            "InvalidNextToken",
        ),
    ],
)
def test_a_member_of_another_type_or_of_nothing_that_is_there(
    service: str, target: str, body: dict[str, Any], code: str, post: Post
) -> None:
    status, answer = post(service, target, json.dumps(body).encode())
    assert (status, answer["__type"]) == (400, f"{code}Exception")
    assert "\n" not in str(answer.get("message", answer.get("Message")))


def condition(depth: int) -> str:
    """A definition whose conditions are nested so deep."""
    inner = '{"Name": "End", "Type": "Fail", "Arguments": {"ErrorMessage": "x"}}'
    for n in range(depth):
        check = '[{"Type": "Equals", "LeftValue": 1, "RightValue": 1}]'
        arguments = f'{{"Conditions": {check}, "IfSteps": [{inner}], "ElseSteps": []}}'
        inner = f'{{"Name": "C{n}", "Type": "Condition", "Arguments": {arguments}}}'
    return f'{{"Version": "2020-12-01", "Steps": [{inner}]}}'


@pytest.mark.parametrize(
    "definition", ["[" * 100_000, condition(3_000), '{"Steps": ' + "[" * 100_000]
)
def test_a_definition_that_is_nested_without_end(definition: str, jobs: Jobs) -> None:
    with pytest.raises(ClientError) as error:
        jobs.sagemaker.create_pipeline(
            PipelineName="deep",
            PipelineDefinition=definition,
            RoleArn=jobs.role,
            ClientRequestToken="x" * 32,
        )
    details = error.value.response["Error"]
    assert details["Code"] == "ValidationException"
    assert "nested too deeply" in details["Message"]


@pytest.mark.parametrize(
    ("service", "target", "body"),
    [
        ("logs", "Logs_20140328.CreateLogGroup", b"{}"),
        ("kms", "TrentService.DescribeKey", b'{"KeyId": ["a"]}'),
    ],
)
def test_what_moto_stumbles_over_is_one_line(
    service: str, target: str, body: bytes, post: Post
) -> None:
    status, answer = post(service, target, body)
    assert (status, answer["__type"]) == (400, "ValidationException")
    assert "\n" not in answer["message"]


def test_an_image_of_sagemaker_is_not_there_and_cannot_be_made(jobs: Jobs) -> None:
    """A program may then take an image of AWS's instead, as AWS's project templates do."""
    sagemaker = jobs.sagemaker
    for ask in (sagemaker.describe_image, sagemaker.describe_image_version):
        with pytest.raises(sagemaker.exceptions.ResourceNotFound, match="with the name mine"):
            ask(ImageName="mine")
    assert sagemaker.list_images()["Images"] == []
    with pytest.raises(ClientError, match="local AWS does not support CreateImage of sagemaker"):
        sagemaker.create_image(ImageName="mine", RoleArn=jobs.role)
