"""IAM's policy simulator, as local AWS has it."""

import json
from collections.abc import Iterator
from typing import Any

from local_aws.clients import Clients
from local_aws.iam.conditions import met

import pytest
from botocore.exceptions import ClientError
from moto.core.exceptions import JsonRESTError

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


@pytest.mark.parametrize(
    ("operator", "expected", "given", "holds"),
    [
        ("StringEquals", "a", "a", True),
        ("StringEquals", ["a", "b"], "b", True),
        ("StringEquals", "a", None, False),
        ("StringEqualsIfExists", "a", None, True),
        ("StringEqualsIfExists", "a", "b", False),
        ("StringNotEquals", "a", None, True),
        ("StringNotEquals", ["a", "b"], "b", False),
        ("StringLike", "build/*.zip", "build/x/y.zip", True),
        ("StringLike", "build/*.zip", "build/x.tar", False),
        ("StringLike", "[ab]?", "ab", False),
        (
            "ArnLike",
            "arn:aws:sagemaker:*:1:pipeline/a-*",
            "arn:aws:sagemaker:x:1:pipeline/b",
            False,
        ),
        ("Bool", "true", "True", True),
        ("Bool", "true", None, False),
        ("Null", "true", None, True),
        ("Null", "true", "a", False),
        ("Null", "false", "a", True),
        ("ForAllValues:StringEquals", ["a", "b"], ["a", "b"], True),
        ("ForAllValues:StringEquals", ["a", "b"], ["a", "c"], False),
        ("ForAllValues:StringEquals", ["a", "b"], None, True),
        ("ForAnyValue:StringEquals", ["a", "b"], ["a", "c"], True),
        ("ForAnyValue:StringEquals", ["a", "b"], None, False),
        ("ForAnyValue:StringNotEquals", ["a"], ["a", "c"], True),
    ],
)
def test_an_operator_holds_as_in_the_user_guide_of_iam(
    operator: str, expected: str | list[str], given: str | list[str] | None, holds: bool
) -> None:
    context = {} if given is None else {"key": given}
    assert met({operator: {"key": expected}}, context) is holds


def test_all_keys_of_a_condition_must_be_met() -> None:
    condition = {"StringEquals": {"a": "1", "b": "2"}, "Null": {"c": "true"}}
    assert met(condition, {"a": "1", "b": "2"})
    assert not met(condition, {"a": "1"})
    assert not met(condition, {"a": "1", "b": "2", "c": "3"})


def test_an_operator_that_is_not_known_is_refused_by_name() -> None:
    with pytest.raises(JsonRESTError, match="does not support condition NumericLessThan"):
        met({"NumericLessThan": {"key": "1"}}, {"key": "0"})


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
