import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

from pipeline.data import Dataset

import pytest
import yaml
from conftest import ROOT

TEXT = (ROOT / "build" / "infrastructure.yml").read_text(encoding="utf-8")
TEMPLATE_BYTES = 51_200  # CloudFormation takes no longer one in a request

# The actions that AWS knows no resource for (its Service Authorization Reference).
WITHOUT_RESOURCE = {
    "cloudwatch:PutMetricData",
    "ec2:DescribeInstanceTypes",
    "ecr:GetAuthorizationToken",
    "pricing:GetProducts",
    "servicequotas:ListAWSDefaultServiceQuotas",
    "servicequotas:ListServiceQuotas",
}

LONGEST_STACK_NAME = "s" * 30  # settings.py allows no longer one
LONGEST_REGION = "ap-southeast-1"
ACCOUNT = "111122223333"
VALUES = {
    "AWS::StackName": LONGEST_STACK_NAME,
    "AWS::Region": LONGEST_REGION,
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "!aws:username": "${aws:username}",  # a variable of IAM's
}

ONESELF = (
    f"arn:aws:iam::{ACCOUNT}:user/${{aws:username}}",
    f"arn:aws:iam::{ACCOUNT}:role/aws-reserved/sso.amazonaws.com/*",
)
BUCKET = f"arn:aws:s3:::{LONGEST_STACK_NAME}-{ACCOUNT}-{LONGEST_REGION}"

Statement = dict[str, Any]


class Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms, worked out as far as VALUES go."""


def _sub(loader: Loader, node: yaml.ScalarNode) -> str:
    return re.sub(r"\$\{(.+?)\}", lambda name: _value(name[1]), str(loader.construct_scalar(node)))


def _named(loader: Loader, node: yaml.ScalarNode) -> str:
    return _value(str(loader.construct_scalar(node)))


def _value(name: str) -> str:
    return BUCKET if name == "Bucket.Arn" else VALUES.get(name, f"<{name}>")


Loader.add_constructor("!Sub", _sub)
for _tag in ("!Ref", "!GetAtt"):
    Loader.add_constructor(_tag, _named)

TEMPLATE = yaml.load(TEXT, Loader)
RESOURCES: dict[str, dict[str, Any]] = TEMPLATE["Resources"]


def policies(of: str) -> list[Statement]:
    """The statements that say what a role, or who bears a managed policy, may do."""
    properties = RESOURCES[of]["Properties"]
    documents = [policy["PolicyDocument"] for policy in properties.get("Policies", [])]
    documents += [properties["PolicyDocument"]] if "PolicyDocument" in properties else []
    return [statement for document in documents for statement in document["Statement"]]


def all_statements() -> Iterator[Statement]:
    for name, resource in RESOURCES.items():
        yield from policies(name)
        trust = resource["Properties"].get("AssumeRolePolicyDocument", {"Statement": []})
        yield from trust["Statement"]


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def allowed(of: str, action: str, resource: str) -> bool:
    return any(
        action in listed(statement["Action"])
        and any(fnmatchcase(resource, pattern) for pattern in listed(statement["Resource"]))
        for statement in policies(of)
    )


PRINCIPALS = ("BuildRole", "PipelineRole", "TrainingRole", "OperatorPolicy")


def test_every_statement_is_named_and_within_a_policy_by_one_name() -> None:
    for statement in all_statements():
        assert re.fullmatch("[A-Za-z0-9]+", statement["Sid"])
    for principal in PRINCIPALS:
        names = [statement["Sid"] for statement in policies(principal)]
        assert len(names) == len(set(names)) > 0


def test_every_action_is_named_in_full() -> None:
    for principal in PRINCIPALS:
        for statement in policies(principal):
            assert "NotAction" not in statement
            assert all(
                re.fullmatch("[a-z0-9]+:[A-Za-z]+", each) for each in listed(statement["Action"])
            )


def test_every_resource_that_can_be_named_is_named() -> None:
    for principal in PRINCIPALS:
        for statement in policies(principal):
            assert "NotResource" not in statement
            if "*" in listed(statement["Resource"]):
                assert set(listed(statement["Action"])) <= WITHOUT_RESOURCE


def test_no_resource_is_of_another_account_region_or_service() -> None:
    for principal in PRINCIPALS:
        for statement in policies(principal):
            for resource in listed(statement["Resource"]):
                named = resource in ("*", "<Repository.Arn>", *ONESELF) or resource.endswith(
                    "Role.Arn>"
                )
                own = f":{LONGEST_REGION}:{ACCOUNT}:" in resource or resource.startswith(BUCKET)
                assert named or own, resource


def test_every_passed_role_is_bound_to_the_service_that_gets_it() -> None:
    passing = [each for each in all_statements() if "iam:PassRole" in listed(each["Action"])]
    assert [each["Resource"] for each in passing] == ["<TrainingRole.Arn>", "<PipelineRole.Arn>"]
    for statement in passing:
        assert statement["Action"] == "iam:PassRole"
        assert statement["Condition"] == {
            "StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}
        }


@pytest.mark.parametrize(
    ("role", "service", "resource"),
    [
        ("BuildRole", "codebuild", f"project/{LONGEST_STACK_NAME}-build"),
        ("PipelineRole", "sagemaker", f"pipeline/{LONGEST_STACK_NAME}-*"),
        ("TrainingRole", "sagemaker", "training-job/*"),
    ],
)
def test_a_role_is_taken_by_its_service_alone_and_for_this_resource(
    role: str, service: str, resource: str
) -> None:
    (trust,) = RESOURCES[role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": f"{service}.amazonaws.com"}
    ((_, keys),) = trust["Condition"].items()
    arn = f"arn:aws:{service}:{LONGEST_REGION}:{ACCOUNT}:{resource}"
    assert arn in listed(keys["aws:SourceArn"])


def test_the_names_let_two_stacks_live_in_one_account() -> None:
    names = {
        "Bucket": ("BucketName", 63),
        "Repository": ("RepositoryName", 256),
        "BuildProject": ("Name", 150),
        "ModelPackageGroup": ("ModelPackageGroupName", 63),
        "BuildLogs": ("LogGroupName", 512),
        "BuildRole": ("RoleName", 64),
        "PipelineRole": ("RoleName", 64),
        "TrainingRole": ("RoleName", 64),
        "OperatorPolicy": ("ManagedPolicyName", 128),
    }
    assert names.keys() | {"BucketPolicy"} == RESOURCES.keys()
    for resource, (key, longest) in names.items():
        name = RESOURCES[resource]["Properties"][key]
        assert LONGEST_STACK_NAME in name
        assert len(name) <= longest
        if RESOURCES[resource]["Type"].startswith("AWS::IAM::"):  # which knows no regions
            assert LONGEST_REGION in name


def test_a_training_job_reads_data_and_writes_models_and_nothing_else(dataset: Dataset) -> None:
    data = f"{BUCKET}/{dataset.key('train', 'any-prefix')}"
    model = f"{BUCKET}/models/any-prefix/job/output/model.tar.gz"
    source = f"{BUCKET}/build/0123456789abcdef.zip"
    assert allowed("TrainingRole", "s3:GetObject", data)
    assert allowed("TrainingRole", "s3:PutObject", model)
    checkpoint = f"{BUCKET}/checkpoints/any-prefix/0123456789abcdef/booster.000010"
    for action in ("s3:GetObject", "s3:PutObject", "s3:DeleteObject"):
        assert allowed("TrainingRole", action, checkpoint)
    for action, arn in [
        ("s3:PutObject", data),
        ("s3:GetObject", model),
        ("s3:GetObject", source),
        ("s3:PutObject", source),
        ("s3:DeleteObject", model),
    ]:
        assert not allowed("TrainingRole", action, arn)


def test_a_build_reads_its_source_and_neither_data_nor_models(dataset: Dataset) -> None:
    assert allowed("BuildRole", "s3:GetObject", f"{BUCKET}/build/0123456789abcdef.zip")
    assert not allowed("BuildRole", "s3:PutObject", f"{BUCKET}/build/0123456789abcdef.zip")
    assert allowed("BuildRole", "s3:PutObject", f"{BUCKET}/build/0123456789abcdef.cdx.json")
    assert not allowed("BuildRole", "s3:GetObject", f"{BUCKET}/{dataset.key('train', 'titanic')}")
    assert not allowed("BuildRole", "ecr:BatchDeleteImage", "<Repository.Arn>")


def test_the_operator_can_neither_write_results_nor_remove_anything(dataset: Dataset) -> None:
    model = f"{BUCKET}/models/titanic/job/output/model.tar.gz"
    assert allowed("OperatorPolicy", "s3:PutObject", f"{BUCKET}/{dataset.key('train', 'titanic')}")
    assert allowed("OperatorPolicy", "s3:PutObject", f"{BUCKET}/build/0123456789abcdef.zip")
    assert allowed("OperatorPolicy", "s3:GetObject", model)
    assert not allowed("OperatorPolicy", "s3:PutObject", model)
    actions = {each for it in policies("OperatorPolicy") for each in listed(it["Action"])}
    assert not [action for action in actions if "Delete" in action]


def test_the_bucket_is_closed_encrypted_versioned_and_forgets() -> None:
    bucket = RESOURCES["Bucket"]["Properties"]
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert "BucketEncryption" in bucket
    rules = bucket["LifecycleConfiguration"]["Rules"]
    assert {rule["Status"] for rule in rules} == {"Enabled"}
    assert any("NoncurrentVersionExpiration" in rule for rule in rules)
    assert any("AbortIncompleteMultipartUpload" in rule for rule in rules)
    assert not any("ExpirationInDays" in rule for rule in rules)  # nothing current is lost
    (tls,) = policies("BucketPolicy")
    assert (tls["Effect"], tls["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
    assert tls["Resource"] == [BUCKET, f"{BUCKET}/*"]


def test_the_repository_keeps_its_tags_and_never_expires_an_image() -> None:
    repository = RESOURCES["Repository"]["Properties"]
    assert repository["ImageTagMutability"] == "IMMUTABLE"
    assert repository["ImageScanningConfiguration"] == {"ScanOnPush": True}
    assert repository["EmptyOnDelete"] is False
    assert "LifecyclePolicy" not in repository, "an approved model needs its image"


def test_the_build_ends_and_its_log_does_not_stay_for_ever() -> None:
    project = RESOURCES["BuildProject"]["Properties"]
    assert project["TimeoutInMinutes"] == 20
    assert project["Environment"]["ComputeType"] == "BUILD_GENERAL1_SMALL"
    assert project["LogsConfig"]["CloudWatchLogs"]["GroupName"] == "<BuildLogs>"
    assert RESOURCES["BuildLogs"]["Properties"]["RetentionInDays"] == 30


def test_the_template_fits_into_a_request() -> None:
    assert len(TEXT.encode()) <= TEMPLATE_BYTES
