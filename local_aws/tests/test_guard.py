"""Local AWS can be left running with a browser open: only programs with its key get an answer."""

import json
from collections.abc import Callable
from pathlib import Path

from local_aws.clients import Clients
from local_aws.tests.conftest import Send, keys, serving
from local_aws.tests.jobs import make_role

import boto3
import pytest
import urllib3
from botocore.config import Config
from botocore.exceptions import ClientError

PAGE = "https://page.example"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": PAGE},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Mode": "no-cors"},
        {"Host": "page.example"},
        {"Host": "127.0.0.1:1"},
        {"Host": "s3.us-east-1.amazonaws.com"},
    ],
)
def test_a_browser_is_refused_even_with_the_key(
    headers: dict[str, str], send: Send, signed: Callable[..., dict[str, str]]
) -> None:
    authorization = signed("s3", "PUT", "/from-a-page", b"")
    status, answered, _ = send("PUT", "/from-a-page", **(authorization | headers))
    assert status == 403
    assert not [name for name in answered if name.startswith("access-control-")]


def test_a_preflight_of_cors_gets_no_permission(send: Send) -> None:
    asked = {"Origin": PAGE, "Access_Control_Request_Method": "PUT"}
    status, headers, _ = send("OPTIONS", "/bucket/key", **asked)
    assert status == 403
    assert not [name for name in headers if name.startswith("access-control-")]


def test_no_answer_has_cors_headers(send: Send, signed: Callable[..., dict[str, str]]) -> None:
    status, headers, _ = send("GET", "/", **signed("s3", "GET", "/", b""))
    assert status == 200
    assert not [name for name in headers if name.startswith("access-control-")]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/moto-api/reset"),
        ("GET", "/moto-api/data.json"),
        ("GET", "/latest/meta-data/"),
        ("GET", "/"),
        ("PUT", "/bucket"),
        ("GET", "/us-east-1_x/.well-known/jwks.json"),
        ("POST", "/local-aws/interrupt"),
        ("GET", "/local-aws/layers/sha256:0"),
    ],
)
def test_what_is_not_signed_is_refused(method: str, path: str, send: Send) -> None:
    assert send(method, path, b"{}")[0] in (403, 404)


def test_the_control_paths_of_moto_are_closed_to_the_key_too(
    send: Send, signed: Callable[..., dict[str, str]], clients: Clients
) -> None:
    clients.client("s3").create_bucket(Bucket="still-there")
    path = "/moto-api/reset"
    assert send("POST", path, **signed("s3", "POST", path, b""))[0] == 404
    clients.client("s3").head_bucket(Bucket="still-there")


UNKNOWN = {
    "s3": ("list_buckets", "InvalidAccessKeyId"),
    "iam": ("list_users", "InvalidClientTokenId"),
    "ec2": ("describe_vpcs", "AuthFailure"),
    "sagemaker": ("list_pipelines", "UnrecognizedClientException"),
    "lambda": ("list_functions", "UnrecognizedClientException"),
}
MISMATCH = {
    "s3": ("list_buckets", "SignatureDoesNotMatch"),
    "iam": ("list_users", "SignatureDoesNotMatch"),
    "ec2": ("describe_vpcs", "AuthFailure"),
    "sagemaker": ("list_pipelines", "InvalidSignatureException"),
    "lambda": ("list_functions", "InvalidSignatureException"),
}


@pytest.mark.parametrize("service", UNKNOWN)
def test_a_key_that_is_not_its_own_is_refused(service: str, clients: Clients) -> None:
    """With the codes of AWS, in the protocol of the service."""
    operation, code = UNKNOWN[service]
    others = Clients(clients.endpoint, clients.region, "local", "local")
    with pytest.raises(ClientError) as error:
        getattr(others.client(service), operation)()
    assert error.value.response["Error"]["Code"] == code


@pytest.mark.parametrize("service", MISMATCH)
def test_a_secret_that_is_not_that_of_the_key_is_refused(service: str, clients: Clients) -> None:
    operation, code = MISMATCH[service]
    others = Clients(clients.endpoint, clients.region, keys(clients)[0], "another")
    with pytest.raises(ClientError) as error:
        getattr(others.client(service), operation)()
    assert error.value.response["Error"]["Code"] == code


def test_a_body_that_is_not_what_was_signed_is_refused(
    send: Send, signed: Callable[..., dict[str, str]]
) -> None:
    more = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "SageMaker.ListPipelines"}
    headers = signed("sagemaker", "POST", "/", b"{}", **more)
    assert send("POST", "/", b"{}", **headers)[0] == 200
    status, _, body = send("POST", "/", b'{"MaxResults": 1}', **headers)
    assert (status, json.loads(body)["__type"]) == (403, "InvalidSignatureException")


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_a_presigned_url_is_good_for_its_object_alone(version: str, clients: Clients) -> None:
    s3 = clients.client("s3")
    s3.create_bucket(Bucket="presigned")
    for key in ("a b", "c"):
        s3.put_object(Bucket="presigned", Key=key, Body=key.encode())
    signer = boto3.client(
        "s3",
        region_name=clients.region,
        endpoint_url=clients.endpoint,
        aws_access_key_id=keys(clients)[0],
        aws_secret_access_key=keys(clients)[1],
        config=Config(signature_version=version),
    )
    url = signer.generate_presigned_url("get_object", {"Bucket": "presigned", "Key": "a b"})
    pool = urllib3.PoolManager()
    assert pool.request("GET", url).data == b"a b"
    assert pool.request("GET", url.replace("/a%20b?", "/c?")).status == 403


def test_odd_keys_and_metadata_are_signed_as_they_are_sent(clients: Clients) -> None:
    s3 = clients.client("s3")
    s3.create_bucket(Bucket="odd")
    metadata = {"with_underscore": "two  blanks", "other": "x"}
    for key in ("a/b+c d", "ä/ö", "q?x=1&y", "//two", "100%"):
        s3.put_object(Bucket="odd", Key=key, Body=b"x", Metadata=metadata)
        answer = s3.get_object(Bucket="odd", Key=key)
        assert answer["Body"].read() == b"x"
    assert len(s3.list_objects_v2(Bucket="odd", Prefix="", Delimiter="|")["Contents"]) == 5


def test_an_assumed_role_signs_with_a_session(clients: Clients) -> None:
    role = make_role(clients, "session")
    assert clients.as_role(role).client("s3").list_buckets()["Buckets"] is not None
    wrong = Clients(clients.endpoint, clients.region, *keys(clients.as_role(role)), "another")
    with pytest.raises(ClientError, match="InvalidToken"):
        wrong.client("s3").list_buckets()


def test_each_start_has_a_port_and_a_key_of_its_own(
    environment: dict[str, str], tmp_path: Path
) -> None:
    with serving(tmp_path) as other:
        for name in ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            assert other[name] != environment[name]


def project(clients: Clients) -> str:
    """A project of CodeBuild that leaves a file behind."""
    clients.client("codebuild").create_project(
        name="touch",
        source={"type": "S3", "location": "sources/source.zip", "buildspec": "buildspec.yml"},
        artifacts={"type": "NO_ARTIFACTS"},
        environment={
            "type": "LINUX_CONTAINER",
            "image": "aws/codebuild/standard:7.0",
            "computeType": "BUILD_GENERAL1_SMALL",
        },
        serviceRole=make_role(clients, "build"),
    )
    return "touch"


def test_a_build_runs_nothing_unless_that_was_allowed(clients: Clients) -> None:
    with pytest.raises(ClientError, match="start local AWS with --containers or --builds") as error:
        clients.client("codebuild").start_build(projectName=project(clients))
    assert error.value.response["Error"]["Code"] == "InvalidInputException"
