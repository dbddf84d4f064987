"""Endpoints of a model server of the tests' own: what is deployed answers, what fails does not."""

import os
import signal
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from local_aws.tests.conftest import clients_of, serving
from local_aws.tests.serving import IMAGE, Serving
from local_aws.tests.test_workspace import alive
from local_aws.tests.waiting import wait_for, wait_for_status
from local_aws.workspace import LOCK, PROCESSES

import pytest
import yaml
from botocore.exceptions import ClientError

MODEL = "200, model.encode() + b':' + body"
SERVERLESS = {"ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 1}}
INSTANCE = {"InstanceType": "ml.m5.large", "InitialInstanceCount": 1}


class Endpoints:
    """Endpoints that are deleted when the test is over."""

    def __init__(self, serving: Serving) -> None:
        self.serving = serving
        self.sagemaker, self.runtime = serving.sagemaker, serving.runtime
        self._names: list[str] = []

    def config(self, model: str, kind: dict[str, Any] | None = None, **changes: Any) -> str:
        """Create an endpoint configuration, and return its name."""
        name = f"config-{uuid.uuid4().hex[:8]}"
        variant = {"VariantName": "AllTraffic", "ModelName": model, **(kind or INSTANCE)}
        request = {"EndpointConfigName": name, "ProductionVariants": [variant], **changes}
        self.sagemaker.create_endpoint_config(**request)
        return name

    def create(self, model: str, kind: dict[str, Any] | None = None, **changes: Any) -> str:
        """Create an endpoint, and return its name."""
        name = f"endpoint-{uuid.uuid4().hex[:8]}"
        config = self.config(model, kind, **changes)
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
        self._names.append(name)
        return name

    def settled(self, name: str) -> dict[str, Any]:
        """Return the answer of DescribeEndpoint when it is in progress no more."""
        return wait_for_status(
            lambda: self.sagemaker.describe_endpoint(EndpointName=name),
            "EndpointStatus",
            "InService",
            "Failed",
        )

    def running(self, model: str, kind: dict[str, Any] | None = None) -> str:
        """Create an endpoint, and return its name when it is in service."""
        name = self.create(model, kind)
        found = self.settled(name)
        assert found["EndpointStatus"] == "InService", (found, self.log(name))
        return name

    def ask(self, name: str, body: bytes = b"x", **request: Any) -> str:
        """Return the body of an answer."""
        answer = self.runtime.invoke_endpoint(EndpointName=name, Body=body, **request)
        return str(answer["Body"].read().decode())

    def log(self, name: str) -> list[str]:
        """Return all lines of the servers of an endpoint."""
        return self.serving.log(group=f"/aws/sagemaker/Endpoints/{name}")

    def delete(self) -> None:
        """Delete what is left, and wait until nothing is."""
        for name in self._names:
            try:
                self.settled(name)
                self.sagemaker.delete_endpoint(EndpointName=name)
            except ClientError:
                continue
        wait_for(lambda: not set(self._names) & set(listed(self.sagemaker)))


def listed(sagemaker: Any) -> list[str]:
    return [each["EndpointName"] for each in sagemaker.list_endpoints()["Endpoints"]]


@pytest.fixture
def endpoints(serving_models: Serving) -> Iterator[Endpoints]:
    made = Endpoints(serving_models)
    yield made
    made.delete()


@pytest.mark.parametrize("kind", [INSTANCE, SERVERLESS])
def test_an_endpoint_answers_through_the_image(kind: dict[str, Any], endpoints: Endpoints) -> None:
    answer = "200, headers['Content-Type'].encode() + b':' + body"
    name = endpoints.running(endpoints.serving.answering(answer), kind)
    got = endpoints.runtime.invoke_endpoint(
        EndpointName=name, Body=b"\x00\xff", ContentType="a/b", Accept="c/d"
    )
    assert got["Body"].read() == b"a/b:\x00\xff"
    assert got["ContentType"] == "c/d"
    assert got["InvokedProductionVariant"] == "AllTraffic"
    found = endpoints.sagemaker.describe_endpoint(EndpointName=name)
    (variant,) = found["ProductionVariants"]
    assert variant["DeployedImages"][0]["ResolvedImage"] == endpoints.serving.image
    assert name in listed(endpoints.sagemaker)
    assert any("serving a model" in line for line in endpoints.log(name))


@pytest.fixture
def any_endpoints(any_serving: Serving) -> Iterator[Endpoints]:
    made = Endpoints(any_serving)
    yield made
    made.delete()


def test_two_endpoints_answer_side_by_side_and_one_is_deleted(any_endpoints: Endpoints) -> None:
    endpoints = any_endpoints
    data = endpoints.serving.data
    models = [
        endpoints.serving.model(ModelDataUrl=url, Environment={"ANSWER": MODEL})
        for url in (data, endpoints.serving.artifact(b"another"))
    ]
    names = [endpoints.create(model) for model in models]
    for name in names:
        assert endpoints.settled(name)["EndpointStatus"] == "InService"
    assert [endpoints.ask(name) for name in names] == ["a model:x", "another:x"]
    endpoints.sagemaker.delete_endpoint(EndpointName=names[0])
    wait_for(lambda: names[0] not in listed(endpoints.sagemaker))
    with pytest.raises(ClientError, match=f"Endpoint {names[0]} of account .* not found") as error:
        endpoints.ask(names[0])
    assert error.value.response["Error"]["Code"] == "ValidationError"
    assert endpoints.ask(names[1]) == "another:x"


@pytest.mark.parametrize(("status", "whose"), [(400, "client"), (503, "server")])
def test_what_the_model_refuses_is_a_model_error(
    status: int, whose: str, endpoints: Endpoints
) -> None:
    name = endpoints.running(endpoints.serving.answering(f"{status}, b'no such column'"))
    with pytest.raises(ClientError) as error:
        endpoints.ask(name)
    response = error.value.response
    assert response["Error"]["Code"] == "ModelError"
    assert response["OriginalStatusCode"] == status
    assert response["OriginalMessage"] == "no such column"
    said = f'Received {whose} error ({status}) from primary with message "no such column". See '
    assert response["Error"]["Message"].startswith(said)
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 424


def test_a_server_that_ends_is_a_model_error_and_started_again(endpoints: Endpoints) -> None:
    answer = "os._exit(7) if body == b'end' else (200, body)"
    name = endpoints.running(endpoints.serving.answering(answer))
    with pytest.raises(ClientError, match=r"Received server error \(0\) from primary"):
        endpoints.ask(name, b"end")
    wait_for(lambda: "ended with exit code 7" in "\n".join(endpoints.log(name)))

    def answers() -> bool:
        try:
            return endpoints.ask(name) == "x"
        except ClientError:
            return False

    wait_for(answers)


def test_an_endpoint_whose_server_ends_at_once_has_failed(endpoints: Endpoints) -> None:
    name = endpoints.create(endpoints.serving.model(start="print('no model'); raise SystemExit(3)"))
    found = endpoints.settled(name)
    assert found["EndpointStatus"] == "Failed"
    assert found["FailureReason"] == (
        "The primary container for production variant AllTraffic did not pass the ping health "
        "check. Please check CloudWatch logs for this endpoint."
    )
    assert "no model" in endpoints.log(name)
    with pytest.raises(ClientError, match="not found"):
        endpoints.ask(name)
    config = found["EndpointConfigName"]
    with pytest.raises(ClientError, match="Cannot update failed endpoint"):
        endpoints.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=config)


def test_an_update_moves_the_traffic_when_the_new_one_is_healthy(endpoints: Endpoints) -> None:
    """Nothing is lost meanwhile: somebody asks without a pause."""
    old = endpoints.running(endpoints.serving.answering("200, b'old'"))
    config = endpoints.config(endpoints.serving.answering("200, b'new'"))
    answers: list[str] = []
    ended = threading.Event()

    def ask() -> None:
        while not ended.is_set():
            answers.append(endpoints.ask(old))

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        endpoints.sagemaker.update_endpoint(EndpointName=old, EndpointConfigName=config)
        with pytest.raises(ClientError, match="Cannot update in-progress endpoint"):
            endpoints.sagemaker.update_endpoint(EndpointName=old, EndpointConfigName=config)
        found = endpoints.settled(old)
        wait_for(lambda: "new" in answers)
    finally:
        ended.set()
        asking.join()
    assert (found["EndpointStatus"], found["EndpointConfigName"]) == ("InService", config)
    assert answers == sorted(answers, reverse=True)
    assert set(answers) == {"old", "new"}


def test_an_update_that_fails_leaves_the_old_one_serving(endpoints: Endpoints) -> None:
    name = endpoints.running(endpoints.serving.answering("200, b'old'"))
    before = endpoints.sagemaker.describe_endpoint(EndpointName=name)
    broken = endpoints.config(endpoints.serving.model(start="raise SystemExit(1)"))
    endpoints.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=broken)
    assert endpoints.ask(name) == "old"
    found = endpoints.settled(name)
    assert found["EndpointStatus"] == "InService"
    assert found["EndpointConfigName"] == before["EndpointConfigName"]
    assert "did not pass the ping health check" in found["FailureReason"]
    assert endpoints.ask(name) == "old"
    good = endpoints.config(endpoints.serving.answering("200, b'good'"))
    endpoints.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=good)
    assert "FailureReason" not in endpoints.settled(name)
    assert endpoints.ask(name) == "good"


def test_variants_share_the_traffic_by_weight(endpoints: Endpoints) -> None:
    variants = [
        {
            "VariantName": text,
            "ModelName": endpoints.serving.answering(f"200, b'{text}'"),
            "InitialVariantWeight": weight,
            **INSTANCE,
        }
        for text, weight in (("all", 1.0), ("none", 0.0))
    ]
    name = endpoints.create("", ProductionVariants=variants)
    assert endpoints.settled(name)["EndpointStatus"] == "InService"
    assert {endpoints.ask(name) for _ in range(5)} == {"all"}
    assert endpoints.ask(name, TargetVariant="none") == "none"
    other_way = [
        {"VariantName": text, "DesiredWeight": weight} for text, weight in (("all", 0), ("none", 1))
    ]
    change = endpoints.sagemaker.update_endpoint_weights_and_capacities
    change(EndpointName=name, DesiredWeightsAndCapacities=other_way)
    assert {endpoints.ask(name) for _ in range(5)} == {"none"}
    with pytest.raises(ClientError, match="Could not find production variant 'x'"):
        change(
            EndpointName=name,
            DesiredWeightsAndCapacities=[{"VariantName": "x", "DesiredWeight": 1}],
        )
    with pytest.raises(ClientError, match=r"Variant no-such of endpoint .* not found"):
        endpoints.ask(name, TargetVariant="no-such")


def test_a_serverless_endpoint_answers_so_many_at_a_time(
    endpoints: Endpoints, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    slow = (
        "(print('asked', flush=True), [__import__('time').sleep(0.05) for _ in "
        f"iter(lambda: os.path.exists({str(go)!r}), True)], (200, b'slow'))[-1]"
    )
    name = endpoints.running(endpoints.serving.answering(slow), SERVERLESS)
    first = threading.Thread(target=endpoints.ask, args=[name])
    first.start()
    wait_for(lambda: "asked" in "\n".join(endpoints.log(name)))
    try:
        with pytest.raises(ClientError, match="ThrottlingException"):
            endpoints.serving.runtime_without_retries().invoke_endpoint(
                EndpointName=name, Body=b"x"
            )
    finally:
        go.touch()
        first.join()
    assert endpoints.ask(name) == "slow"


@pytest.mark.parametrize(
    ("kind", "changes", "reason"),
    [
        ({**INSTANCE, **SERVERLESS}, {}, "exactly one of InstanceType and ServerlessConfig"),
        ({"InstanceType": "ml.m5.large"}, {}, "InitialInstanceCount is missing"),
        (
            {"ServerlessConfig": {"MemorySizeInMB": 1500, "MaxConcurrency": 1}},
            {},
            "multiple of 1024",
        ),
        (
            SERVERLESS,
            {
                "DataCaptureConfig": {
                    "EnableCapture": True,
                    "InitialSamplingPercentage": 1,
                    "DestinationS3Uri": "s3://b/c",
                    "CaptureOptions": [{"CaptureMode": "Input"}],
                }
            },
            "captures no data",
        ),
        (
            INSTANCE,
            {"AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": "s3://b/c"}}},
            "AsyncInferenceConfig",
        ),
        (
            INSTANCE,
            {"ProductionVariants": [{"VariantName": "A", **INSTANCE}]},
            "local AWS does not support a variant without a model: A",
        ),
    ],
)
def test_what_no_endpoint_can_be_made_of_is_refused_by_name(
    kind: dict[str, Any], changes: dict[str, Any], reason: str, endpoints: Endpoints
) -> None:
    with pytest.raises(ClientError) as error:
        endpoints.config(endpoints.serving.model(), kind, **changes)
    assert reason in error.value.response["Error"]["Message"]


def test_what_is_captured_on_aws_is_named_in_the_log(endpoints: Endpoints) -> None:
    capture = {
        "EnableCapture": True,
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": "s3://b/c",
        "CaptureOptions": [{"CaptureMode": "Input"}],
    }
    name = endpoints.create(endpoints.serving.model(), DataCaptureConfig=capture)
    config = endpoints.settled(name)["EndpointConfigName"]
    described = endpoints.sagemaker.describe_endpoint_config(EndpointConfigName=config)
    assert described["DataCaptureConfig"] == capture
    (line,) = (each for each in endpoints.log(name) if "not carried out here" in each)
    assert "DataCaptureConfig" in line


def test_what_is_not_there_is_said_by_name(endpoints: Endpoints) -> None:
    call = endpoints.sagemaker
    with pytest.raises(ClientError, match=r'Could not find endpoint "arn:.*endpoint/none"'):
        call.describe_endpoint(EndpointName="none")
    with pytest.raises(ClientError, match='Could not find endpoint configuration "arn:'):
        call.create_endpoint(EndpointName="none", EndpointConfigName="none")
    with pytest.raises(ClientError, match="Could not find model"):
        endpoints.config("none")
    config = endpoints.config(endpoints.serving.model())
    assert config in [
        each["EndpointConfigName"]
        for each in call.list_endpoint_configs(NameContains=config)["EndpointConfigs"]
    ]
    call.delete_endpoint_config(EndpointConfigName=config)
    with pytest.raises(ClientError, match="Could not find endpoint configuration"):
        call.describe_endpoint_config(EndpointConfigName=config)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_after_kill_9_the_next_start_ends_the_servers(tmp_path: Path) -> None:
    (tmp_path / "local_aws.yaml").write_text(yaml.safe_dump({"images": [IMAGE]}))
    with serving(tmp_path, code=-signal.SIGKILL) as environment:
        endpoints = Endpoints(Serving(clients_of(environment)))
        endpoints.running(endpoints.serving.model())
        (lock,) = tmp_path.glob(f"local-aws-*/{LOCK}")
        (server,) = (int(note.name) for note in (lock.parent / PROCESSES).iterdir())
        os.kill(int(lock.read_text()), signal.SIGKILL)
    assert alive(server)
    with serving(tmp_path):
        wait_for(lambda: not alive(server))
    assert [path.name for path in tmp_path.iterdir()] == ["local_aws.yaml"]


def test_without_capacity_instances_fail_and_serverless_does_not(tmp_path: Path) -> None:
    (tmp_path / "local_aws.yaml").write_text(yaml.safe_dump({"images": [IMAGE]}))
    with serving(tmp_path, "--fault", "no-capacity") as environment:
        endpoints = Endpoints(Serving(clients_of(environment)))
        model = endpoints.serving.model()
        found = endpoints.settled(endpoints.create(model))
        assert found["EndpointStatus"] == "Failed"
        assert found["FailureReason"].startswith("Unable to provision requested ML compute capac")
        assert endpoints.ask(endpoints.running(model, SERVERLESS)) == "X"
        job = endpoints.serving.transform(model)
        assert job["FailureReason"].startswith("CapacityError: Unable to provision")


def test_a_model_in_a_vpc_without_a_way_to_s3_is_not_served(endpoints: Endpoints) -> None:
    ec2 = endpoints.serving.clients.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    name = f"in-a-vpc-{uuid.uuid4().hex[:8]}"
    endpoints.sagemaker.create_model(
        ModelName=name,
        ExecutionRoleArn=endpoints.serving.role,
        PrimaryContainer={"Image": endpoints.serving.image, "ModelDataUrl": endpoints.serving.data},
        VpcConfig={"Subnets": [subnet], "SecurityGroupIds": ["sg-1"]},
    )
    with pytest.raises(ClientError, match="supports neither VpcConfig"):
        endpoints.config(name, SERVERLESS)
    found = endpoints.settled(endpoints.create(name))
    assert "has a route to an S3 VPC endpoint" in found["FailureReason"]


def test_odd_requests_to_an_endpoint_are_answered_by_name(endpoints: Endpoints) -> None:
    name, runtime = endpoints.running(endpoints.serving.model()), endpoints.runtime
    form = "application/x-www-form-urlencoded"
    assert endpoints.ask(name, b"a=b&Action=c", ContentType=form) == "A=B&ACTION=C"
    assert endpoints.ask(name, b"") == ""
    with pytest.raises(ClientError, match="length less than or equal to 6291456"):
        endpoints.ask(name, bytes(6291457))
    with pytest.raises(ClientError, match="does not support TargetModel"):
        endpoints.ask(name, TargetModel="other.tar.gz")
    with pytest.raises(ClientError, match="does not support InvokeEndpointAsync"):
        runtime.invoke_endpoint_async(EndpointName=name, InputLocation="s3://b/c")
    with pytest.raises(ClientError, match="does not support InvokeEndpointWithResponseStream"):
        runtime.invoke_endpoint_with_response_stream(EndpointName=name, Body=b"x")


def test_an_endpoint_needs_room_in_the_quota_and_an_update_room_for_both(
    endpoints: Endpoints,
) -> None:
    message = r"'ml\.m5\.large for endpoint usage' is 8 .* utilization of {} .* delta of {} "
    model = endpoints.serving.model()
    with pytest.raises(ClientError, match=message.format(0, 9)):
        endpoints.create(model, INSTANCE | {"InitialInstanceCount": 9})
    name = endpoints.running(model, INSTANCE | {"InitialInstanceCount": 5})
    config = endpoints.config(model, INSTANCE | {"InitialInstanceCount": 4})
    with pytest.raises(ClientError, match=message.format(5, 4)):
        endpoints.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=config)
