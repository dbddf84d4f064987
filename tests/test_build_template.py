import json
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from textwrap import indent
from typing import Any

from local_aws.tests.waiting import wait_for
from pipeline.data import Dataset
from pipeline.definition import FAIL_STEP
from pipeline.settings import Settings

import push_image
import pytest
import yaml
from conftest import ROOT, serving
from container_engine import administrator
from generated import assert_current
from moto.events.models import EventPattern
from project_archive import pack_files

TEXT = (ROOT / "build" / "infrastructure.yml").read_text(encoding="utf-8")
TEMPLATE_BYTES = 51_200  # CloudFormation takes no longer one in a request

# The actions that AWS knows no resource for (its Service Authorization Reference).
WITHOUT_RESOURCE = {
    "cloudwatch:PutMetricData",
    "ec2:DescribeDhcpOptions",
    "ec2:DescribeInstanceTypes",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeRouteTables",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcEndpoints",
    "ec2:DescribeVpcs",
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


NO_VALUE = "<AWS::NoValue>"


class Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms, worked out as far as VALUES go.

    The template's conditions are all met, or none is.
    """

    met = False


class EverythingLoader(Loader):
    met = True


def _sub(loader: Loader, node: yaml.ScalarNode) -> str:
    return re.sub(r"\$\{(.+?)\}", lambda name: _value(name[1]), str(loader.construct_scalar(node)))


def _named(loader: Loader, node: yaml.ScalarNode) -> str:
    return _value(str(loader.construct_scalar(node)))


def _value(name: str) -> str:
    return BUCKET if name == "Bucket.Arn" else VALUES.get(name, f"<{name}>")


def _chosen(loader: Loader, node: yaml.SequenceNode) -> Any:
    _, when_met, otherwise = loader.construct_sequence(node, deep=True)
    return when_met if loader.met else otherwise


def _listed_values(loader: Loader, node: yaml.SequenceNode) -> list[Any]:
    return loader.construct_sequence(node, deep=True)


def _without_no_value(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_no_value(v) for key, v in value.items() if v != NO_VALUE}
    if isinstance(value, list):
        return [_without_no_value(each) for each in value if each != NO_VALUE]
    return value


Loader.add_constructor("!Sub", _sub)
Loader.add_constructor("!If", _chosen)
for _tag in ("!Ref", "!GetAtt"):
    Loader.add_constructor(_tag, _named)
for _tag in ("!Equals", "!Not"):
    Loader.add_constructor(_tag, _listed_values)


def load_resources(loader: type[Loader]) -> dict[str, dict[str, Any]]:
    """Return the resources of the template that are made."""
    resources = _without_no_value(yaml.load(TEXT, loader))["Resources"]
    return {
        name: resource
        for name, resource in resources.items()
        if loader.met or "Condition" not in resource
    }


RESOURCES = load_resources(Loader)  # as the stack is without any of the settings of a company
EVERYTHING = load_resources(EverythingLoader)  # and with all of them


def policies(of: str, resources: dict[str, dict[str, Any]] = RESOURCES) -> list[Statement]:
    """The statements that say what a role, or who bears a managed policy, may do."""
    properties = resources[of]["Properties"]
    documents = [policy["PolicyDocument"] for policy in properties.get("Policies", [])]
    documents += [properties["PolicyDocument"]] if "PolicyDocument" in properties else []
    return [statement for document in documents for statement in document["Statement"]]


def all_statements() -> Iterator[Statement]:
    for name, resource in EVERYTHING.items():
        yield from policies(name, EVERYTHING)
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


PRINCIPALS = [
    name
    for name, resource in EVERYTHING.items()
    if resource["Type"] in ("AWS::IAM::Role", "AWS::IAM::ManagedPolicy")
]


def test_every_statement_is_named_and_within_a_policy_by_one_name() -> None:
    for statement in all_statements():
        assert re.fullmatch("[A-Za-z0-9]+", statement["Sid"])
    for principal in PRINCIPALS:
        names = [statement["Sid"] for statement in policies(principal, EVERYTHING)]
        assert len(names) == len(set(names)) > 0


def test_every_action_is_named_in_full() -> None:
    for principal in PRINCIPALS:
        for statement in policies(principal, EVERYTHING):
            assert "NotAction" not in statement
            assert all(
                re.fullmatch("[a-z0-9]+:[A-Za-z]+", each) for each in listed(statement["Action"])
            )


def test_every_resource_that_can_be_named_is_named() -> None:
    for principal in PRINCIPALS:
        for statement in policies(principal, EVERYTHING):
            assert "NotResource" not in statement
            if "*" in listed(statement["Resource"]):
                assert set(listed(statement["Action"])) <= WITHOUT_RESOURCE


def test_no_resource_is_of_another_account_region_or_service() -> None:
    references = ("*", "<Repository.Arn>", "<KmsKeyArn>", "<Topic>", *ONESELF)
    for principal in PRINCIPALS:
        for statement in policies(principal, EVERYTHING):
            for resource in listed(statement["Resource"]):
                named = resource in references or resource.endswith("Role.Arn>")
                own = f":{LONGEST_REGION}:{ACCOUNT}:" in resource or resource.startswith(BUCKET)
                assert named or own, resource


def test_every_passed_role_is_bound_to_the_service_that_gets_it() -> None:
    passing = [each for each in all_statements() if "iam:PassRole" in listed(each["Action"])]
    assert [each["Resource"] for each in passing] == [
        f"<{role}Role.Arn>" for role in ("Training", "Pipeline", "Model")
    ]
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
        ("ModelRole", "sagemaker", "*"),
        ("DeployRole", "codebuild", f"project/{LONGEST_STACK_NAME}-deploy"),
        ("StartRole", "events", f"rule/{LONGEST_STACK_NAME}-approved"),
        ("ScheduleRole", "scheduler", "schedule-group/default"),
    ],
)
def test_a_role_is_taken_by_its_service_alone_and_for_this_resource(
    role: str, service: str, resource: str
) -> None:
    (trust,) = EVERYTHING[role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
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
        **{f"{role}Role": ("RoleName", 64) for role in ("Training", "Model")},
        **{f"{role}Role": ("RoleName", 64) for role in ("Deploy", "Start", "Schedule")},
        **{
            f"{who}Policy": ("ManagedPolicyName", 128)
            for who in ("Operator", "Approver", "Deployer", "Vpc")
        },
        **{f"{event}Rule": ("Name", 64) for event in ("Approved", "Failed", "Gate", "Waiting")},
        "EndpointRule": ("Name", 64),
        "DeployProject": ("Name", 150),
        "DeployLogs": ("LogGroupName", 512),
        "Schedule": ("Name", 64),
        "Topic": ("TopicName", 256),
    }
    assert names.keys() | {"BucketPolicy", "TopicPolicy"} == EVERYTHING.keys()
    for resource, (key, longest) in names.items():
        name = EVERYTHING[resource]["Properties"][key]
        assert LONGEST_STACK_NAME in name
        assert len(name) <= longest
        if EVERYTHING[resource]["Type"].startswith("AWS::IAM::"):  # which knows no regions
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


def test_the_operator_may_set_the_variables_of_a_build_and_no_others(settings: Settings) -> None:
    (build,) = [each for each in policies("OperatorPolicy") if each["Sid"] == "StartTheBuild"]
    names = build["Condition"]["ForAllValues:StringEquals"]
    given = push_image.build_variables(settings, "sha256:" + "0" * 64)
    assert names == {"codebuild:environment.environmentVariables.name": sorted(given)}


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


# What a reference becomes in an account, for the length of a policy.
LONG = {
    "<Repository.Arn>": f"arn:aws:ecr:{LONGEST_REGION}:{ACCOUNT}:repository/{LONGEST_STACK_NAME}",
    "<KmsKeyArn>": f"arn:aws:kms:{LONGEST_REGION}:{ACCOUNT}:key/mrk-{'0' * 32}",
    "<Topic>": f"arn:aws:sns:{LONGEST_REGION}:{ACCOUNT}:{LONGEST_STACK_NAME}-notify",
    "<BuildProject>": f"{LONGEST_STACK_NAME}-build",
    "<Bucket>": BUCKET.rpartition(":")[2],
    "<BuildLogs>": f"/aws/codebuild/{LONGEST_STACK_NAME}-build",
    **{
        f"<{role}Role.Arn>": f"arn:aws:iam::{ACCOUNT}:role/"
        f"{LONGEST_STACK_NAME}-{LONGEST_REGION}-{role.lower()}"
        for role in ("Pipeline", "Training", "Model")
    },
}


@pytest.mark.parametrize(
    "policy",
    [name for name, each in EVERYTHING.items() if each["Type"] == "AWS::IAM::ManagedPolicy"],
)
def test_a_managed_policy_is_within_iams_limit_with_everything_set(policy: str) -> None:
    """6,144 characters without white space: "IAM and AWS STS quotas", IAM user guide."""
    document = json.dumps(EVERYTHING[policy]["Properties"]["PolicyDocument"], separators=(",", ":"))
    for reference, value in LONG.items():
        document = document.replace(reference, value)
    assert "<" not in document
    assert len(document) <= 6144


def test_every_role_has_the_boundary_when_one_is_set() -> None:
    roles = {name for name, each in EVERYTHING.items() if each["Type"] == "AWS::IAM::Role"}
    bound = {
        name
        for name in roles
        if EVERYTHING[name]["Properties"].get("PermissionsBoundary") == "<PermissionsBoundaryArn>"
    }
    assert bound == roles
    assert not any("PermissionsBoundary" in each["Properties"] for each in RESOURCES.values())


def test_the_operator_cannot_approve_or_deploy_and_the_approver_cannot_train() -> None:
    version = f"arn:aws:sagemaker:{LONGEST_REGION}:{ACCOUNT}:model-package/{LONGEST_STACK_NAME}/1"
    endpoint = f"arn:aws:sagemaker:{LONGEST_REGION}:{ACCOUNT}:endpoint/{LONGEST_STACK_NAME}-x"
    assert allowed("ApproverPolicy", "sagemaker:UpdateModelPackage", version)
    assert allowed("DeployerPolicy", "sagemaker:UpdateEndpoint", endpoint)
    for policy in ("OperatorPolicy", "DeployerPolicy"):
        assert not allowed(policy, "sagemaker:UpdateModelPackage", version)
    for policy in ("OperatorPolicy", "ApproverPolicy"):
        assert not allowed(policy, "sagemaker:UpdateEndpoint", endpoint)
    actions = {each for it in policies("ApproverPolicy") for each in listed(it["Action"])}
    assert "sagemaker:StartPipelineExecution" not in actions


def package_event(number: int, status: str, group: str = LONGEST_STACK_NAME) -> Any:
    """Return an event as SageMaker sends it for a version of the registry."""
    return {
        "source": "aws.sagemaker",
        "detail-type": "SageMaker Model Package State Change",
        "detail": {
            "ModelPackageGroupName": group,
            "ModelPackageVersion": number,
            "ModelApprovalStatus": status,
        },
    }


def test_the_rule_starts_for_approved_versions_of_this_group_alone() -> None:
    pattern = EventPattern.load(
        json.dumps(EVERYTHING["ApprovedRule"]["Properties"]["EventPattern"])
    )
    statuses = ("Rejected", "PendingManualApproval")
    never = [package_event(n, statuses[n % 2]) for n in range(100)]
    assert [each for each in never if pattern.matches_event(each)] == []
    assert pattern.matches_event(package_event(101, "Approved"))
    assert not pattern.matches_event(package_event(102, "Approved", group="another"))


@pytest.mark.parametrize(
    ("rule", "kind", "detail", "other"),
    [
        (
            "FailedRule",
            "SageMaker Model Building Pipeline Execution Status Change",
            {"currentPipelineExecutionStatus": "Failed"},
            {"currentPipelineExecutionStatus": "Succeeded"},
        ),
        (
            "GateRule",
            "SageMaker Model Building Pipeline Execution Step Status Change",
            {"stepName": FAIL_STEP, "currentStepStatus": "Failed"},
            {"stepName": "Train", "currentStepStatus": "Failed"},
        ),
        (
            "WaitingRule",
            "SageMaker Model Package State Change",
            {"ModelApprovalStatus": "PendingManualApproval"},
            {"ModelApprovalStatus": "Approved"},
        ),
        (
            "EndpointRule",
            "SageMaker Endpoint State Change",
            {"EndpointStatus": "Failed"},
            {"EndpointStatus": "InService"},
        ),
    ],
)
def test_a_notification_is_sent_for_its_event_and_not_for_another(
    rule: str, kind: str, detail: dict[str, str], other: dict[str, str]
) -> None:
    name = f"{LONGEST_STACK_NAME}-x"
    common = {
        "pipelineArn": f"arn:aws:sagemaker:{LONGEST_REGION}:{ACCOUNT}:pipeline/{name}",
        "ModelPackageGroupName": LONGEST_STACK_NAME,
        "EndpointName": name,
    }
    pattern = EventPattern.load(json.dumps(EVERYTHING[rule]["Properties"]["EventPattern"]))

    def event(detail: dict[str, str]) -> Any:
        return {"source": "aws.sagemaker", "detail-type": kind, "detail": common | detail}

    assert pattern.matches_event(event(detail))
    assert not pattern.matches_event(event(other))
    text = EVERYTHING[rule]["Properties"]["Targets"][0]["InputTransformer"]
    named = set(re.findall("<([a-z]+)>", text["InputTemplate"]))
    assert named == text["InputPathsMap"].keys()


@pytest.mark.generated
def test_the_project_builds_by_a_copy_of_the_buildspec() -> None:
    """What lies in the bucket is built, and brings no commands to the privileged project."""
    spec = (ROOT / "build" / "buildspec.yml").read_text(encoding="utf-8")
    block = indent(spec, " " * 10)
    text = re.sub(
        r"(        BuildSpec: \|\n)(?: {10}.*\n|\n)+", lambda match: match[1] + block, TEXT, count=1
    )
    assert_current(ROOT / "build" / "infrastructure.yml", text)
    project = yaml.load(text, Loader)["Resources"]["BuildProject"]
    assert project["Properties"]["Source"]["BuildSpec"] == spec


def test_a_buildspec_in_the_archive_is_not_carried_out(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    evil = f"version: 0.2\nphases: {{pre_build: {{commands: [touch {mark}]}}}}\n"
    with serving(tmp_path, "--builds", "--config", str(ROOT / "local_aws.yaml")) as environment:
        clients = administrator(environment)
        (bucket,) = clients.client("s3").list_buckets()["Buckets"]
        key = "build/evil.zip"
        clients.client("s3").put_object(
            Bucket=bucket["Name"], Key=key, Body=pack_files({"build/buildspec.yml": evil.encode()})
        )
        codebuild = clients.client("codebuild")
        (project,) = codebuild.list_projects()["projects"]
        build = codebuild.start_build(
            projectName=project, sourceLocationOverride=f"{bucket['Name']}/{key}"
        )["build"]
        ids = [build["id"]]
        wait_for(lambda: codebuild.batch_get_builds(ids=ids)["builds"][0]["buildComplete"])
        (build,) = codebuild.batch_get_builds(ids=ids)["builds"]
    assert build["buildStatus"] == "FAILED"
    assert "PRE_BUILD" in [each["phaseType"] for each in build["phases"]], "it began"
    assert not mark.exists()
