"""Models: made of a container or of a version in the registry."""

import uuid
from typing import Any

from local_aws.tests.serving import Serving

import pytest
from botocore.exceptions import ClientError


def test_a_model_is_described_listed_and_deleted(serving_models: Serving) -> None:
    sagemaker, name = serving_models.sagemaker, serving_models.model()
    found = sagemaker.describe_model(ModelName=name)
    assert found["ModelArn"].endswith(f":model/{name}")
    assert found["PrimaryContainer"]["ModelDataUrl"] == serving_models.data
    assert found["EnableNetworkIsolation"] is False
    listed = sagemaker.list_models(NameContains=name.upper())["Models"]
    assert [each["ModelName"] for each in listed] == [name]
    with pytest.raises(ClientError, match="Cannot create already existing model"):
        sagemaker.create_model(
            ModelName=name,
            ExecutionRoleArn=serving_models.role,
            PrimaryContainer={"Image": serving_models.image},
        )
    sagemaker.delete_model(ModelName=name)
    with pytest.raises(ClientError, match=f'Could not find model "arn:.*:model/{name}"'):
        sagemaker.describe_model(ModelName=name)


def test_models_are_listed_in_the_order_that_is_asked_for(serving_models: Serving) -> None:
    names = [serving_models.model() for _ in range(3)]

    def listed(**request: str) -> list[str]:
        models = serving_models.sagemaker.list_models(**request)["Models"]
        return [each["ModelName"] for each in models if each["ModelName"] in names]

    assert listed() == names[::-1]
    assert listed(SortBy="Name", SortOrder="Ascending") == sorted(names)
    assert listed(CreationTimeAfter="2100-01-01") == []


def refused(serving: Serving, container: dict[str, Any], **changes: Any) -> str:
    request = {
        "ModelName": f"refused-{uuid.uuid4().hex[:8]}",
        "ExecutionRoleArn": serving.role,
        "PrimaryContainer": {"Image": serving.image, **container},
        **changes,
    }
    with pytest.raises(ClientError) as error:
        serving.sagemaker.create_model(**request)
    assert error.value.response["Error"]["Code"] == "ValidationException"
    return str(error.value.response["Error"]["Message"])


@pytest.mark.parametrize(
    ("container", "reason"),
    [
        ({"ModelDataUrl": "s3://no-such-bucket-here/model.tar.gz"}, "Could not find model data"),
        ({"Mode": "MultiModel"}, "MultiModel"),
        ({"MultiModelConfig": {}}, "CreateModel.PrimaryContainer.MultiModelConfig"),
        ({"Image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/no:1"}, "not found"),
        ({"ModelPackageName": "a-version"}, "Exactly one of Image and ModelPackageName"),
    ],
)
def test_what_no_model_can_be_made_of_is_refused_by_name(
    container: dict[str, Any], reason: str, serving_models: Serving
) -> None:
    assert reason in refused(serving_models, container)


def test_a_role_that_is_not_there_is_refused(serving_models: Serving) -> None:
    role = "arn:aws:iam::123456789012:role/nobody"
    assert "Could not assume role" in refused(serving_models, {}, ExecutionRoleArn=role)


def test_several_containers_are_refused(serving_models: Serving) -> None:
    containers = [{"Image": serving_models.image}] * 2
    assert "of one container, not of 3" in refused(serving_models, {}, Containers=containers)


@pytest.mark.parametrize("status", ["Approved", "PendingManualApproval"])
def test_a_version_of_the_registry_is_a_model(status: str, serving_models: Serving) -> None:
    sagemaker, group = serving_models.sagemaker, f"served-{uuid.uuid4().hex[:8]}"
    sagemaker.create_model_package_group(ModelPackageGroupName=group)
    container = {
        "Image": serving_models.image,
        "ModelDataUrl": serving_models.data,
        "Environment": {"ANSWER": "200, model.encode()"},
    }
    version = sagemaker.create_model_package(
        ModelPackageGroupName=group,
        ModelApprovalStatus=status,
        InferenceSpecification={"Containers": [container]},
    )["ModelPackageArn"]
    sagemaker.create_model(
        ModelName=group,
        ExecutionRoleArn=serving_models.role,
        PrimaryContainer={"ModelPackageName": version},
    )
    assert serving_models.output(serving_models.transform(group)) == b"a model\n"


@pytest.mark.parametrize("kind", ["S3Prefix", "S3Object"])
def test_an_artifact_need_not_be_packed(kind: str, serving_models: Serving) -> None:
    uri = serving_models.put(f"unpacked-{kind}/model.txt", b"not packed")
    source = {
        "S3Uri": uri if kind == "S3Object" else uri.removesuffix("model.txt"),
        "S3DataType": kind,
        "CompressionType": "None",
    }
    name = f"unpacked-{uuid.uuid4().hex[:8]}"
    serving_models.sagemaker.create_model(
        ModelName=name,
        ExecutionRoleArn=serving_models.role,
        PrimaryContainer={
            "Image": serving_models.image,
            "ModelDataSource": {"S3DataSource": source},
            "Environment": {"ANSWER": "200, model.encode()"},
        },
    )
    assert serving_models.output(serving_models.transform(name)) == b"not packed\n"
