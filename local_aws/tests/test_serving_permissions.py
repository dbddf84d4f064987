"""Models and endpoints where IAM is enforced: of the user, and of the role that a model has."""

import json
from collections.abc import Iterator
from typing import Any

from local_aws.clients import Clients
from local_aws.tests.conftest import clients_of, serving
from local_aws.tests.jobs import make_role
from local_aws.tests.serving import IMAGE, Serving
from local_aws.tests.waiting import wait_for_status

import pytest
import yaml
from botocore.exceptions import ClientError

ARN = "arn:aws:sagemaker:us-east-1:123456789012"
ACTIONS = {  # of the user, on things whose name begins with `ours`
    "model": ["CreateModel"],
    "endpoint-config": ["CreateEndpointConfig", "CreateEndpoint"],
    "endpoint": ["CreateEndpoint", "DescribeEndpoint", "InvokeEndpoint"],
    "transform-job": ["CreateTransformJob"],
}
STATEMENTS = [
    {
        "Effect": "Allow",
        "Action": [f"sagemaker:{action}" for action in actions],
        "Resource": f"{ARN}:{kind}/ours*",
    }
    for kind, actions in ACTIONS.items()
]
PASS_ROLE = {
    "Effect": "Allow",
    "Action": "iam:PassRole",
    "Resource": "arn:aws:iam::123456789012:role/serving-*",
}
OF_THE_ROLE = [
    "s3:GetObject",
    "logs:CreateLogGroup",
    "logs:CreateLogStream",
    "logs:PutLogEvents",
]


def policy(*statements: Any) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def stack() -> dict[str, Any]:
    """A template with the user's policy."""
    user = {
        "Type": "AWS::IAM::ManagedPolicy",
        "Properties": {"PolicyDocument": policy(*STATEMENTS, PASS_ROLE)},
    }
    return {"Resources": {"User": user}, "Outputs": {"UserArn": {"Value": {"Ref": "User"}}}}


@pytest.fixture(scope="module")
def enforced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Serving, Clients]]:
    """What an administrator made, and the clients of the user."""
    folder = tmp_path_factory.mktemp("enforced")
    (folder / "stack.yaml").write_text(yaml.safe_dump(stack()))
    content = {
        "images": [IMAGE],
        "stack": {"name": "s", "template": "stack.yaml", "user_policy_output": "UserArn"},
    }
    (folder / "local_aws.yaml").write_text(yaml.safe_dump(content))
    with serving(folder, "--enforce-iam") as environment:
        (said,) = (f"{k}={v}" for k, v in environment.items() if k.startswith("# administrator"))
        keys = [word.partition("=")[2] for word in said.split() if "=" in word]
        user = clients_of(environment)
        made = Serving(Clients(user.endpoint, user.region, *keys))
        made.clients.client("iam").put_role_policy(
            RoleName=made.role.rpartition("/")[2],
            PolicyName="serving",
            PolicyDocument=json.dumps(
                policy({"Effect": "Allow", "Action": OF_THE_ROLE, "Resource": "*"})
            ),
        )
        yield made, user


def create(enforced: tuple[Serving, Clients], name: str, **changes: Any) -> None:
    made, user = enforced
    request = {
        "ModelName": name,
        "ExecutionRoleArn": made.role,
        "PrimaryContainer": {"Image": made.image, "ModelDataUrl": made.data},
    }
    user.client("sagemaker").create_model(**(request | changes))


def test_permissions_are_asked_for_by_resource(enforced: tuple[Serving, Clients]) -> None:
    made, user = enforced
    sagemaker, runtime = user.client("sagemaker"), user.client("sagemaker-runtime")
    with pytest.raises(ClientError, match=f"sagemaker:CreateModel on resource: {ARN}:model/other "):
        create(enforced, "other")
    with pytest.raises(
        ClientError, match="iam:PassRole on resource: arn:aws:iam::123456789012:role/other "
    ):
        create(enforced, "ours", ExecutionRoleArn="arn:aws:iam::123456789012:role/other")
    with pytest.raises(
        ClientError, match=r'Could not access model data at .* has "s3:GetObject" permissions'
    ):
        create(enforced, "ours", ExecutionRoleArn=make_role(made.clients, "serving-bare"))
    create(enforced, "ours")
    made.sagemaker.create_endpoint_config(
        EndpointConfigName="other", ProductionVariants=[variant("ours")]
    )
    place = f"sagemaker:CreateEndpoint on resource: {ARN}:endpoint-config/other "
    with pytest.raises(ClientError, match=place):
        sagemaker.create_endpoint(EndpointName="ours", EndpointConfigName="other")
    sagemaker.create_endpoint_config(
        EndpointConfigName="ours", ProductionVariants=[variant("ours")]
    )
    sagemaker.create_endpoint(EndpointName="ours", EndpointConfigName="ours")
    wait_for_status(
        lambda: sagemaker.describe_endpoint(EndpointName="ours"), "EndpointStatus", "InService"
    )
    answer = runtime.invoke_endpoint(EndpointName="ours", Body=b"x")
    assert answer["Body"].read() == b"X"
    with pytest.raises(ClientError, match=f"InvokeEndpoint on resource: {ARN}:endpoint/other "):
        runtime.invoke_endpoint(EndpointName="other", Body=b"x")


def test_a_transform_job_acts_with_the_role_of_its_model(
    enforced: tuple[Serving, Clients],
) -> None:
    """Which must list and write buckets, too."""
    made, user = enforced
    request = made.transform_request("ours-1", "ours-1")
    create(enforced, "ours-1")
    user.client("sagemaker").create_transform_job(**request)
    job = made.wait("ours-1")
    assert job["TransformJobStatus"] == "Failed"
    assert "s3:ListBucket" in job["FailureReason"] or "AccessDenied" in job["FailureReason"]


def variant(model: str) -> dict[str, Any]:
    return {
        "VariantName": "AllTraffic",
        "ModelName": model,
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
    }
