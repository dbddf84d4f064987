"""The model registry of local AWS, through boto3."""

import uuid
from typing import Any

from local_aws.clients import Clients

import pytest
from botocore.exceptions import ClientError

CONTAINER = {"Image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/i@sha256:" + "0" * 64}


@pytest.fixture
def sagemaker(clients: Clients) -> Any:
    return clients.client("sagemaker")


@pytest.fixture
def group(sagemaker: Any) -> str:
    name = f"group-{uuid.uuid4().hex[:8]}"
    sagemaker.create_model_package_group(ModelPackageGroupName=name)
    return name


def register(sagemaker: Any, group: str, **changes: Any) -> str:
    arn: str = sagemaker.create_model_package(
        **{
            "ModelPackageGroupName": group,
            "ModelApprovalStatus": "PendingManualApproval",
            "InferenceSpecification": {"Containers": [CONTAINER]},
            "CustomerMetadataProperties": {"validation:auc": "0.9", "source_revision": "abc"},
            **changes,
        }
    )["ModelPackageArn"]
    return arn


def versions(sagemaker: Any, group: str) -> list[int]:
    listed = sagemaker.list_model_packages(ModelPackageGroupName=group)
    return [each["ModelPackageVersion"] for each in listed["ModelPackageSummaryList"]]


def test_an_approval_keeps_what_the_version_says_of_itself(sagemaker: Any, group: str) -> None:
    arn = register(sagemaker, group)
    assert arn.endswith(f":model-package/{group}/1")
    sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved")
    sagemaker.update_model_package(
        ModelPackageArn=arn,
        ApprovalDescription="looked at",
        CustomerMetadataProperties={"ticket": "7"},
        CustomerMetadataPropertiesToRemove=["source_revision"],
    )
    found = sagemaker.describe_model_package(ModelPackageName=arn)
    assert found["ModelApprovalStatus"] == "Approved"
    assert found["ApprovalDescription"] == "looked at"
    assert found["CustomerMetadataProperties"] == {"validation:auc": "0.9", "ticket": "7"}
    assert "CreatedBy" not in found, "a user that nobody made"


def test_a_version_keeps_its_metrics_and_the_baselines_of_its_data(
    sagemaker: Any, group: str
) -> None:
    source = {"ContentType": "application/json", "S3Uri": "s3://bucket/evaluation.json"}
    said = {
        "ModelMetrics": {"ModelQuality": {"Statistics": source}},
        "DriftCheckBaselines": {"ModelDataQuality": {"Constraints": source}},
        "Domain": "MACHINE_LEARNING",
        "Task": "CLASSIFICATION",
        "InferenceSpecification": {"Containers": [CONTAINER | {"Framework": "XGBOOST"}]},
    }
    arn = register(sagemaker, group, **said)
    found = sagemaker.describe_model_package(ModelPackageName=arn)
    assert {name: found[name] for name in said} == said


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"ModelApprovalStatus": "Perhaps"}, "'Perhaps' is not one of the 3"),
        ({"CustomerMetadataProperties": {"a": "no, comma"}}, "'no, comma' does not match"),
        ({"CustomerMetadataProperties": {"a": "x" * 257}}, "length 257 is more than 256"),
        ({"SourceUri": "s3://b/k"}, "local AWS does not support CreateModelPackage.SourceUri"),
        ({"SkipModelValidation": "All"}, "CreateModelPackage.SkipModelValidation 'All', only"),
        (
            {"InferenceSpecification": {"Containers": [CONTAINER | {"IsCheckpoint": True}]}},
            "not support CreateModelPackage.InferenceSpecification.Containers.IsCheckpoint",
        ),
        ({"ModelPackageGroupName": "nowhere"}, "Model Package Group does not exist"),
    ],
)
def test_what_aws_refuses_or_local_aws_cannot_do_is_named(
    changes: dict[str, Any], problem: str, sagemaker: Any, group: str
) -> None:
    with pytest.raises(ClientError, match=problem):
        register(sagemaker, group, **changes)
    assert versions(sagemaker, group) == []


def test_a_change_that_local_aws_does_not_carry_out_is_refused(sagemaker: Any, group: str) -> None:
    arn = register(sagemaker, group)
    with pytest.raises(ClientError, match="local AWS does not support SourceUri here"):
        sagemaker.update_model_package(ModelPackageArn=arn, SourceUri="s3://b/k")


def test_a_group_is_made_once_and_deleted_when_it_is_empty(sagemaker: Any, group: str) -> None:
    with pytest.raises(ClientError, match="already exists"):
        sagemaker.create_model_package_group(ModelPackageGroupName=group)
    first, second = register(sagemaker, group), register(sagemaker, group)
    with pytest.raises(ClientError, match="still has versions"):
        sagemaker.delete_model_package_group(ModelPackageGroupName=group)
    with pytest.raises(ClientError, match="the newest version of a group first"):
        sagemaker.delete_model_package(ModelPackageName=first)
    assert versions(sagemaker, group) == [1, 2]
    for arn in (second, first):
        sagemaker.delete_model_package(ModelPackageName=arn)
    assert versions(sagemaker, group) == []
    sagemaker.delete_model_package_group(ModelPackageGroupName=group)
    with pytest.raises(ClientError, match="does not exist"):
        sagemaker.describe_model_package_group(ModelPackageGroupName=group)
