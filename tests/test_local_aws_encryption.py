"""Who may use a key of KMS, and which objects ask for one."""

import json
from collections.abc import Callable
from typing import Any

from local_aws.iam import key_policies
from pipeline.local import ProjectAws

import pytest

ACCOUNT, REGION = "123456789012", "us-east-1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/train"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/train/SageMaker"

MakeKey = Callable[[Any, list[str]], str]


@pytest.fixture
def make_key(local_aws: ProjectAws) -> MakeKey:
    """A key whose policy allows a principal some actions; its ARN."""

    def make(principal: Any, actions: list[str]) -> str:
        statement = {"Effect": "Allow", "Principal": principal, "Action": actions, "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        arn: str = local_aws.clients.client("kms").create_key(Policy=policy)["KeyMetadata"]["Arn"]
        return arn

    return make


def test_a_key_that_trusts_its_account_leaves_it_to_iam(make_key: MakeKey) -> None:
    trusting = make_key({"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, ["kms:*"])
    assert key_policies.leaves_it_to_iam(trusting)
    assert not key_policies.leaves_it_to_iam(make_key({"AWS": ROLE}, ["kms:*"]))


@pytest.mark.parametrize(
    ("principal", "actions", "allowed"),
    [
        ({"AWS": ROLE}, ["kms:Decrypt"], True),
        ({"AWS": [ROLE, "arn:aws:iam::123456789012:role/other"]}, ["kms:*"], True),
        ("*", ["kms:Decrypt"], True),
        ({"AWS": ROLE}, ["kms:GenerateDataKey"], False),
        ({"AWS": f"{ROLE}-other"}, ["kms:*"], False),
        ({"Service": "s3.amazonaws.com"}, ["kms:*"], False),
    ],
)
def test_any_other_key_is_for_whom_it_names(
    principal: Any, actions: list[str], allowed: bool, make_key: MakeKey
) -> None:
    assert key_policies.names(make_key(principal, actions), SESSION, "kms:Decrypt") is allowed


def test_an_object_asks_for_the_key_that_it_was_stored_with(
    local_aws: ProjectAws, make_key: MakeKey
) -> None:
    s3, name, key = local_aws.clients.client("s3"), "encrypted", make_key({"AWS": ROLE}, ["kms:*"])
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="before", Body=b"x")
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    rules = {"Rules": [{"ApplyServerSideEncryptionByDefault": default}]}
    s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration=rules)
    s3.put_object(Bucket=name, Key="after", Body=b"x")

    def needed(action: str, path: str) -> tuple[str, str] | None:
        arn = f"arn:aws:s3:::{name}{path}"
        permission = key_policies.key_permission(ACCOUNT, REGION, action, arn)
        return permission and permission[:2]

    assert needed("s3:GetObject", "/before") is None
    assert needed("s3:GetObject", "/after") == ("kms:Decrypt", key)
    assert needed("s3:PutObject", "/new") == ("kms:GenerateDataKey", key)
    assert needed("s3:ListBucket", "") is None
    for each in ("before", "after"):
        s3.delete_object(Bucket=name, Key=each)
    s3.delete_bucket(Bucket=name)
