import json
from itertools import count
from types import SimpleNamespace
from typing import Any

from container.errors import InputError
from pipeline.local import ProjectAws
from pipeline.source_image import put_source_image

import deploy
import inventory
import pytest
import teardown
from botocore.session import get_session
from botocore.stub import Stubber
from conftest import ROOT, WriteConfig, trust
from present_image import BASE_IMAGE

TEMPLATE = (ROOT / "build" / "infrastructure.yml").read_text(encoding="utf-8")
NUMBERS = count(1)
STACK_ID = "arn:aws:cloudformation:us-east-1:123456789012:stack/torn/1"

pytestmark = pytest.mark.filterwarnings("ignore:Tried to parse AWS..S3..BucketPolicy")


class Deployed:
    """A stack in local AWS, with an image, an object in three versions, and a pipeline."""

    def __init__(self, local_aws: ProjectAws, name: str) -> None:
        client = local_aws.clients.client
        self.name = name
        self.pipeline = f"{name}-pipeline"
        self.bucket = f"{name}-123456789012-us-east-1"
        self.cloudformation, self.iam = client("cloudformation"), client("iam")
        self.sagemaker, self.ecr, self.s3 = client("sagemaker"), client("ecr"), client("s3")
        self.cloudformation.create_stack(
            StackName=name,
            TemplateBody=TEMPLATE,
            Parameters=[{"ParameterKey": "InVpc", "ParameterValue": "true"}],  # a policy of roles
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
        stack = self.cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        self.outputs = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
        put_source_image(self.ecr, self.outputs["RepositoryUri"], BASE_IMAGE)
        self.s3.put_bucket_versioning(  # moto's CloudFormation leaves it out
            Bucket=self.bucket, VersioningConfiguration={"Status": "Enabled"}
        )
        for content in (b"old", b"new"):
            self.s3.put_object(Bucket=self.bucket, Key="data/titanic/train.csv", Body=content)
        self.s3.delete_object(Bucket=self.bucket, Key="data/titanic/train.csv")

    def create_pipeline(self, role_arn: str) -> None:
        self.sagemaker.create_pipeline(
            PipelineName=self.pipeline,
            RoleArn=role_arn,
            ClientRequestToken="x" * 32,
            PipelineDefinition=json.dumps({"Version": "2020-12-01", "Steps": [FAIL_STEP]}),
        )

    def register_models(self, number: int) -> None:
        for _ in range(number):
            self.sagemaker.create_model_package(
                ModelPackageGroupName=self.outputs["ModelPackageGroupName"],
                InferenceSpecification={"Containers": [{"Image": "some/image"}]},
            )

    def config(self, write_config: WriteConfig) -> list[str]:
        path = write_config(stack_name=self.name, pipeline_name=self.pipeline)
        return ["--config", str(path)]

    def is_there(self) -> dict[str, bool]:
        stacks = self.cloudformation.describe_stacks()["Stacks"]
        pipelines = self.sagemaker.list_pipelines()["PipelineSummaries"]
        groups = self.sagemaker.list_model_package_groups()["ModelPackageGroupSummaryList"]
        repositories = self.ecr.describe_repositories()["repositories"]
        return {
            "stack": self.name in [each["StackName"] for each in stacks],
            "pipeline": self.pipeline in [each["PipelineName"] for each in pipelines],
            "models": self.name in [each["ModelPackageGroupName"] for each in groups],
            "repository": self.name in [each["repositoryName"] for each in repositories],
            "bucket": self.bucket in [each["Name"] for each in self.s3.list_buckets()["Buckets"]],
        }


FAIL_STEP = {"Name": "Fail", "Type": "Fail", "Arguments": {"ErrorMessage": "on purpose"}}


@pytest.fixture
def deployed(local_aws: ProjectAws) -> Deployed:
    return Deployed(local_aws, f"torn-{next(NUMBERS)}")


def test_all_that_belongs_to_the_stack_is_listed_with_its_size_and_removed(
    deployed: Deployed, write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    deployed.create_pipeline(deployed.outputs["PipelineRoleArn"])
    deployed.register_models(2)
    image = deployed.ecr.describe_images(repositoryName=deployed.name)["imageDetails"][0]
    size = f"{image['imageSizeInBytes']:,}"
    assert teardown.main([*deployed.config(write_config), "--yes"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        f"pipeline  {deployed.pipeline} and 0 records of executions",
        "models    2 versions in the model registry",
        f"images    1 in {deployed.name}, {size} bytes for 0.0000 USD a month",
        "objects   2 versions, 6 bytes for 0.0000 USD a month, and 1 delete markers",
        f"bucket    {deployed.bucket}",
        f"stack     {deployed.name} with its {teardown.STACK_HOLDS}",
        "stays     jobs, and the logs of jobs and endpoints: 0.03 USD a GB-month",
    ]
    assert err.endswith(f" DELETE_COMPLETE    {deployed.name}\n")
    assert not any(deployed.is_there().values())

    assert teardown.main([*deployed.config(write_config), "--yes"]) == 0
    assert capsys.readouterr() == (
        "",
        f"stack {deployed.name}: not in region us-east-1: nothing to delete\n",
    )


def test_what_serves_is_deleted_first_and_that_of_other_roles_is_left(
    deployed: Deployed, write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    sagemaker, own = deployed.sagemaker, f"{deployed.name}-v1"
    image = deployed.ecr.describe_images(repositoryName=deployed.name)["imageDetails"][0]
    uri = f"{deployed.outputs['RepositoryUri']}@{image['imageDigest']}"
    deployed.s3.put_object(Bucket=deployed.bucket, Key="models/model.tar.gz", Body=b"no model")
    container = {"Image": uri, "ModelDataUrl": f"s3://{deployed.bucket}/models/model.tar.gz"}
    others = deployed.iam.create_role(
        RoleName=f"others-{deployed.name}", AssumeRolePolicyDocument=json.dumps(trust())
    )["Role"]["Arn"]
    for name, role in ((own, deployed.outputs["ModelRoleArn"]), (f"{own}-of-others", others)):
        sagemaker.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=role)
        variant = {"VariantName": "approved", "ModelName": name}
        serverless = {"MemorySizeInMB": 1024, "MaxConcurrency": 1}
        variants = [variant | {"ServerlessConfig": serverless}]
        sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=variants)
    sagemaker.create_endpoint(EndpointName=own, EndpointConfigName=own)
    assert teardown.main([*deployed.config(write_config), "--yes"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[:2] == [
        f"endpoint  {own}: 0 USD while idle; 0.0200 USD for 1,000 requests of a second with "
        "1024 MB (price list of 2026-09-01)",
        "serving   1 models, 1 endpoint configurations: no cost",
    ]
    assert err.startswith(f"deleted endpoint {own}\n")
    left = sagemaker.list_models(NameContains=deployed.name)["Models"]
    assert [each["ModelName"] for each in left] == [f"{own}-of-others"]
    configs = sagemaker.list_endpoint_configs(NameContains=deployed.name)["EndpointConfigs"]
    assert [each["EndpointConfigName"] for each in configs] == [f"{own}-of-others"]
    assert sagemaker.list_endpoints(NameContains=deployed.name)["Endpoints"] == []


def test_without_a_terminal_and_without_yes_nothing_is_deleted(
    deployed: Deployed,
    write_config: WriteConfig,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deployed.create_pipeline(deployed.outputs["PipelineRoleArn"])
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: False))
    assert teardown.main(deployed.config(write_config)) == 2
    out, err = capsys.readouterr()
    assert out.startswith(f"pipeline  {deployed.pipeline}")
    assert (
        err
        == "error: not confirmed: there is no terminal for the question\nhint: confirm with --yes\n"
    )
    assert all(deployed.is_there().values())


@pytest.mark.parametrize(("answer", "code"), [("n\n", 1), ("", 1), ("yes\n", 0)])
def test_only_a_yes_at_the_terminal_deletes(
    deployed: Deployed,
    write_config: WriteConfig,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    code: int,
) -> None:
    terminal = SimpleNamespace(isatty=lambda: True, readline=lambda: answer)
    monkeypatch.setattr("sys.stdin", terminal)
    assert teardown.main(deployed.config(write_config)) == code
    assert "Delete all of this? [y/N] " in capsys.readouterr().err
    assert deployed.is_there()["bucket"] == (code != 0)


def test_a_pipeline_of_that_name_with_another_role_is_left_alone(
    deployed: Deployed,
    local_aws: ProjectAws,
    write_config: WriteConfig,
    capsys: pytest.CaptureFixture[str],
) -> None:
    role = local_aws.clients.client("iam").create_role(
        RoleName=f"{deployed.name}-other", AssumeRolePolicyDocument=json.dumps(trust())
    )["Role"]["Arn"]
    deployed.create_pipeline(role)
    assert teardown.main([*deployed.config(write_config), "--yes"]) == 0
    out, err = capsys.readouterr()
    assert "pipeline " not in out
    assert f"pipeline {deployed.pipeline}: not deleted, because its role {role}" in err
    assert deployed.is_there() == {
        "stack": False,
        "pipeline": True,
        "models": False,
        "repository": False,
        "bucket": False,
    }


def test_other_stacks_stay_as_they_are(
    deployed: Deployed, local_aws: ProjectAws, write_config: WriteConfig
) -> None:
    neighbour = Deployed(local_aws, f"{deployed.name}-neighbour")
    neighbour.create_pipeline(neighbour.outputs["PipelineRoleArn"])
    assert teardown.main([*deployed.config(write_config), "--yes"]) == 0
    assert all(neighbour.is_there().values())
    assert neighbour.s3.list_object_versions(Bucket=neighbour.bucket)["Versions"]
    assert neighbour.ecr.describe_images(repositoryName=neighbour.name)["imageDetails"]


def test_what_is_already_gone_is_no_obstacle(
    deployed: Deployed, write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    teardown.delete_objects(deployed.s3, deployed.bucket)
    deployed.s3.delete_bucket(Bucket=deployed.bucket)
    teardown.delete_images(deployed.ecr, deployed.name)
    assert teardown.main([*deployed.config(write_config), "--yes"]) == 0
    assert capsys.readouterr().out.splitlines()[:2] == [
        f"images    0 in {deployed.name}, 0 bytes for 0.0000 USD a month",
        f"stack     {deployed.name} with its {teardown.STACK_HOLDS}",
    ]
    assert not any(deployed.is_there().values())


def test_a_policy_in_use_is_said_before_anything_is_deleted(
    deployed: Deployed, write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    user, arn = f"{deployed.name}-alice", deployed.outputs["OperatorPolicyArn"]
    deployed.iam.create_user(UserName=user)
    deployed.iam.attach_user_policy(UserName=user, PolicyArn=arn)
    assert teardown.main([*deployed.config(write_config), "--yes"]) == 2
    assert capsys.readouterr() == (
        "",
        f"error: policy {arn}: attached to user {user}\n"
        f"hint: aws iam detach-user-policy --user-name {user} --policy-arn {arn}\n",
    )
    assert deployed.is_there()["bucket"]


def client(service: str) -> Any:
    return get_session().create_client(
        service, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
    )


@pytest.mark.parametrize("status", ["Executing", "Stopping"])
def test_a_running_execution_is_said_before_anything_is_deleted(status: str) -> None:
    sagemaker, arn = client("sagemaker"), "arn:aws:sagemaker:us-east-1:1:pipeline/p/execution/e"
    ended = {"PipelineExecutionArn": arn, "PipelineExecutionStatus": "Succeeded"}
    running = {"PipelineExecutionArn": arn, "PipelineExecutionStatus": status}
    with Stubber(sagemaker) as stub:
        stub.add_response(
            "list_pipeline_executions", {"PipelineExecutionSummaries": [ended], "NextToken": "2"}
        )
        stub.add_response("list_pipeline_executions", {"PipelineExecutionSummaries": [running]})
        with pytest.raises(InputError, match=f"it is {status}") as raised:
            inventory.count_executions(sagemaker, "p")
    assert raised.value.hint.endswith(
        f"aws sagemaker stop-pipeline-execution --pipeline-execution-arn {arn}"
    )


def test_an_image_that_another_refers_to_is_deleted_after_that() -> None:
    ecr, index, part = client("ecr"), "sha256:" + "1" * 64, "sha256:" + "2" * 64
    refused = {
        "imageId": {"imageDigest": part},
        "failureCode": "ImageReferencedByManifestList",
        "failureReason": "referenced by a manifest list",
    }
    with Stubber(ecr) as stub:
        stub.add_response("describe_images", images(index, part))
        stub.add_response("batch_delete_image", {"failures": [refused]})
        stub.add_response("describe_images", images(part))
        stub.add_response("batch_delete_image", {"failures": []})
        stub.add_response("describe_images", images())
        teardown.delete_images(ecr, "repository")
        stub.assert_no_pending_responses()


def test_an_image_that_cannot_be_deleted_says_why() -> None:
    ecr, digest = client("ecr"), "sha256:" + "1" * 64
    refused = {"imageId": {"imageDigest": digest}, "failureReason": "in the way"}
    with Stubber(ecr) as stub:
        stub.add_response("describe_images", images(digest))
        stub.add_response("batch_delete_image", {"failures": [refused]})
        with pytest.raises(InputError, match=f"image {digest}: in the way"):
            teardown.delete_images(ecr, "repository")


def images(*digests: str) -> dict[str, Any]:
    return {"imageDetails": [{"imageDigest": digest} for digest in digests]}


def test_objects_are_deleted_a_page_at_a_time_until_none_is_left() -> None:
    s3 = client("s3")
    version, marker = {"Key": "a", "VersionId": "1"}, {"Key": "b", "VersionId": "2"}
    with Stubber(s3) as stub:
        for page in ({"Versions": [version], "IsTruncated": True}, {"DeleteMarkers": [marker]}):
            stub.add_response("list_object_versions", page)
            (names,) = (value for value in page.values() if isinstance(value, list))
            request = {"Bucket": "bucket", "Delete": {"Objects": names, "Quiet": True}}
            stub.add_response("delete_objects", {}, request)
        stub.add_response("list_object_versions", {})
        teardown.delete_objects(s3, "bucket")
        stub.assert_no_pending_responses()


def test_an_object_that_cannot_be_deleted_says_why() -> None:
    s3 = client("s3")
    with Stubber(s3) as stub:
        stub.add_response("list_object_versions", {"Versions": [{"Key": "k", "VersionId": "v"}]})
        stub.add_response("delete_objects", {"Errors": [{"Key": "k", "Message": "Access Denied"}]})
        with pytest.raises(InputError, match="object k: Access Denied"):
            teardown.delete_objects(s3, "bucket")


def stub_session(cloudformation: Any) -> Any:
    """For a stack without outputs, where no other service is asked for anything."""
    clients = {"cloudformation": cloudformation}
    return SimpleNamespace(
        region_name="us-east-1", client=lambda name: clients.get(name) or empty(name)
    )


def empty(service: str) -> Any:
    answer = client(service)
    stub = Stubber(answer)
    if service == "sagemaker":
        stub.add_response("list_pipelines", {"PipelineSummaries": []})
    stub.activate()
    return answer


def stack(status: str) -> dict[str, Any]:
    return {
        "Stacks": [
            {"StackName": "torn", "StackId": STACK_ID, "CreationTime": 0, "StackStatus": status}
        ]
    }


def event(number: int, logical_id: str, status: str, reason: str = "") -> dict[str, Any]:
    return {
        "StackId": STACK_ID,
        "EventId": str(number),
        "StackName": "torn",
        "Timestamp": 0,
        "LogicalResourceId": logical_id,
        "ResourceType": "AWS::ECR::Repository",
        "PhysicalResourceId": STACK_ID if logical_id == "torn" else logical_id,
        "ResourceStatus": status,
        "ResourceStatusReason": reason,
    }


def test_a_stack_that_cannot_be_deleted_names_the_resource_and_the_reason(
    capsys: pytest.CaptureFixture[str],
) -> None:
    cloudformation = client("cloudformation")
    before = event(1, "torn", "ROLLBACK_COMPLETE")
    after = [
        event(3, "torn", "DELETE_FAILED", "The following resource(s) failed to delete"),
        event(2, "Repository", "DELETE_FAILED", "it contains images"),
        before,
    ]
    with Stubber(cloudformation) as stub:
        stub.add_response("describe_stacks", stack("ROLLBACK_COMPLETE"))
        stub.add_response("describe_stack_events", {"StackEvents": [before]})
        stub.add_response("delete_stack", {}, {"StackName": STACK_ID})
        stub.add_response("describe_stack_events", {"StackEvents": after})
        session = stub_session(cloudformation)
        assert teardown.teardown(session, "torn", "p", lambda: True, lambda _: None) == 1
    out, err = capsys.readouterr()
    assert out.startswith("stack     torn ")
    assert (
        "error: stack torn: Repository (AWS::ECR::Repository): it contains images\n"
        "hint: fix that, and run .venv/bin/python build/teardown.py again\n"
    ) in err


def test_a_stack_with_an_operation_under_way_is_not_touched() -> None:
    cloudformation = client("cloudformation")
    with Stubber(cloudformation) as stub:
        stub.add_response("describe_stacks", stack("UPDATE_IN_PROGRESS"))
        session = stub_session(cloudformation)
        with pytest.raises(InputError, match="its status is UPDATE_IN_PROGRESS"):
            teardown.teardown(session, "torn", "p", lambda: True, lambda _: None)


def test_a_stack_that_was_never_made_is_removed_without_waiting() -> None:
    cloudformation = client("cloudformation")
    with Stubber(cloudformation) as stub:
        stub.add_response("describe_stacks", stack("REVIEW_IN_PROGRESS"))
        stub.add_response("describe_stack_events", {"StackEvents": []})
        stub.add_response("delete_stack", {}, {"StackName": STACK_ID})
        session = stub_session(cloudformation)
        assert teardown.teardown(session, "torn", "p", lambda: True, lambda _: None) == 0
        stub.assert_no_pending_responses()


@pytest.mark.usefixtures("local_aws")
def test_what_was_torn_down_can_be_deployed_again(
    write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--config", str(write_config(stack_name="again-and-again")), "--yes"]
    assert deploy.main(arguments) == 0
    first = capsys.readouterr().out
    assert teardown.main(arguments) == 0
    capsys.readouterr()
    assert deploy.main(arguments) == 0
    assert capsys.readouterr().out == first
    assert teardown.main(arguments) == 0
