"""IAM's policy simulator, as local AWS has it."""

import json
from collections.abc import Iterator
from typing import Any

from local_aws.clients import Clients

import pytest
from botocore.exceptions import ClientError

USER = "simulated-user"
ALICE = "arn:aws:iam::123456789012:user/alice"


@pytest.fixture(scope="module")
def iam(clients: Clients) -> Iterator[Any]:
    client = clients.client("iam")
    client.create_user(UserName=USER)
    statements = [
        {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::b/*"},
        {"Effect": "Deny", "Action": "s3:DeleteObject", "Resource": "*"},
        {
            "Effect": "Allow",
            "Action": "iam:GetUser",
            "Resource": "arn:aws:iam::123456789012:user/${aws:username}",
        },
        {
            "Effect": "Allow",
            "Action": "iam:PassRole",
            "Resource": "*",
            "Condition": {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
        },
    ]
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    client.put_user_policy(UserName=USER, PolicyName="p", PolicyDocument=document)
    yield client
    client.delete_user_policy(UserName=USER, PolicyName="p")
    client.delete_user(UserName=USER)


def simulate(iam: Any, action: str, resource: str, **context: str) -> str:
    answer = iam.simulate_principal_policy(
        PolicySourceArn=iam.get_user(UserName=USER)["User"]["Arn"],
        ActionNames=[action],
        ResourceArns=[resource],
        ContextEntries=[
            {
                "ContextKeyName": "iam:PassedToService",
                "ContextKeyValues": [f"{service}.amazonaws.com"],
                "ContextKeyType": "string",
            }
            for service in context.values()
        ],
    )
    (result,) = answer["EvaluationResults"]
    assert (result["EvalActionName"], result["EvalResourceName"]) == (action, resource)
    assert answer["IsTruncated"] is False
    decision: str = result["EvalDecision"]
    return decision


def test_a_decision_is_about_action_and_resource(iam: Any) -> None:
    assert simulate(iam, "s3:GetObject", "arn:aws:s3:::b/x") == "allowed"
    assert simulate(iam, "s3:GetObject", "arn:aws:s3:::c/x") == "implicitDeny"
    assert simulate(iam, "ecr:GetObject", "arn:aws:s3:::b/x") == "implicitDeny"
    assert simulate(iam, "s3:DeleteObject", "arn:aws:s3:::b/x") == "explicitDeny"


def test_a_condition_that_is_not_met_allows_and_denies_nothing(iam: Any) -> None:
    role = "arn:aws:iam::123456789012:role/r"
    assert simulate(iam, "iam:PassRole", role, to="sagemaker") == "allowed"
    assert simulate(iam, "iam:PassRole", role, to="ec2") == "implicitDeny"


def test_a_policy_can_name_the_user_itself(iam: Any) -> None:
    assert simulate(iam, "iam:GetUser", ALICE.replace("alice", USER)) == "allowed"
    assert simulate(iam, "iam:GetUser", ALICE) == "implicitDeny"


@pytest.mark.parametrize(
    ("arn", "code"),
    [
        (ALICE, "NoSuchEntity"),
        ("arn:aws:iam::123456789012:role/nobodys", "NoSuchEntity"),
        ("arn:aws:sts::123456789012:assumed-role/r/s", "InvalidInput"),
        ("arn:aws:iam::123456789012:root", "InvalidInput"),
    ],
)
def test_only_users_and_roles_that_are_there_can_be_simulated(
    arn: str, code: str, iam: Any
) -> None:
    with pytest.raises(ClientError) as error:
        iam.simulate_principal_policy(PolicySourceArn=arn, ActionNames=["s3:GetObject"])
    assert error.value.response["Error"]["Code"] == code
