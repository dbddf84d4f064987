"""The permissions that callers need for objects that are encrypted with a key of KMS.

Sources: "Using server-side encryption with AWS KMS keys", S3 user guide; "Key policies in AWS KMS",
KMS developer guide. If the key's policy trusts the account, IAM policies decide who may use the
key. If not, only the principals in the key's policy may use it.
"""

import json
from typing import Any

from local_aws.iam.conditions import as_list

from moto.kms.models import kms_backends
from moto.s3.models import s3_backends

KMS = "aws:kms"


def key_permission(
    account: str, region: str, action: str, object_arn: str
) -> tuple[str, str, dict[str, str]] | None:
    """Return the permission that an access to an object needs: action, key ARN, no condition."""
    bucket_name, _, name = object_arn.rpartition(":::")[2].partition("/")
    partition = object_arn.split(":")[1]
    bucket = s3_backends[account][partition].buckets.get(bucket_name)
    if bucket is None or not name:
        return None
    if action == "s3:PutObject":
        default = ((bucket.encryption or {}).get("Rule") or {}).get(
            "ApplyServerSideEncryptionByDefault", {}
        )
        algorithm, key = default.get("SSEAlgorithm"), default.get("KMSMasterKeyID")
        needed = "kms:GenerateDataKey"
    elif action == "s3:GetObject" and name in bucket.keys:
        stored = bucket.keys[name]
        algorithm, key = stored.encryption, stored.kms_key_id
        needed = "kms:Decrypt"
    else:
        return None
    if algorithm != KMS or key is None:
        return None
    arn = key if key.startswith("arn:") else f"arn:{partition}:kms:{region}:{account}:key/{key}"
    return needed, arn, {}


def leaves_it_to_iam(key_arn: str) -> bool:
    """Return whether IAM policies of the account decide who may use the key."""
    account = key_arn.split(":")[4]
    return any(f":{account}:root" in principal for principal, _ in _allowed(key_arn))


def names(key_arn: str, principal_arn: str, action: str) -> bool:
    """Return whether the key's policy names this user or role (or the role of this session)."""
    session = principal_arn.replace(":sts:", ":iam:").replace(":assumed-role/", ":role/")
    role = session.rpartition("/")[0]
    return any(
        principal in ("*", principal_arn, role) and {action, "kms:*"} & actions
        for principal, actions in _allowed(key_arn)
    )


def _allowed(key_arn: str) -> list[tuple[str, set[str]]]:
    """Return the principals that the key's policy allows actions, and the actions."""
    _, _, _, region, account, key = key_arn.split(":", 5)
    policy = json.loads(kms_backends[account][region].get_key_policy(key.partition("/")[2]))
    return [
        (principal, set(as_list(statement["Action"])))
        for statement in as_list(policy["Statement"])
        if statement["Effect"] == "Allow"
        for principal in _principals(statement["Principal"])
    ]


def _principals(value: Any) -> list[str]:
    return as_list(value.get("AWS", [])) if isinstance(value, dict) else [value]
