"""Every setting of a company at once, on a running local AWS: deployed, checked, trained with."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from local_aws.stack import LEFT_OUT
from pipeline import preflight, upsert_and_start
from pipeline.checks.check import FAILURE, OK, WARNING, Check, run_check, run_checks
from pipeline.checks.permissions import of_operator, of_pipeline, of_training
from pipeline.checks.run_context import RunContext, Services, make_services
from pipeline.company import stack_parameters
from pipeline.local import ProjectAws
from pipeline.settings import Settings, load_settings
from pipeline.source_image import put_source_images
from pipeline.stack import Stack, read_stack

import boto3
import deploy
import pytest
from botocore.stub import Stubber
from company import TOPIC, surroundings, write_everything
from test_build_template import EVERYTHING as RESOURCES
from test_build_template import listed, policies

NAME = "titanic-company"

pytestmark = [
    pytest.mark.filterwarnings(f"ignore:Tried to parse {kind.replace(':', '.')}")
    for kind in LEFT_OUT
]


@dataclass(frozen=True)
class Company:
    settings: Settings
    services: Services
    run: RunContext
    config: Path


@pytest.fixture(scope="module")
def company(
    settings: Settings, local_aws: ProjectAws, tmp_path_factory: pytest.TempPathFactory
) -> Company:
    """The stack with everything set, in a VPC with endpoints for S3 and ECR."""
    client = local_aws.clients.client
    config = tmp_path_factory.mktemp("company") / "pipeline.yaml"
    write_everything(config, NAME, surroundings(client, settings.region))
    everything = load_settings(config)
    assert deploy.main(["--config", str(config), "--yes"]) == 0
    stack = read_stack(client("cloudformation"), NAME)
    put_source_images(client("ecr"), stack.repository_uri, settings.base_image)
    session = boto3.Session(region_name=settings.region)
    services = make_services(session)
    run = preflight.find_run_context(everything, session, services)
    return Company(everything, services, run, config)


def check(name: str, company: Company, **changes: Any) -> Check:
    run = replace(company.run, **changes)
    return run_check(name, preflight.CHECKS[name], company.services, run)


def with_settings(company: Company, **changes: Any) -> Settings:
    return company.settings.model_copy(update=changes)


def stack_of(company: Company) -> Stack:
    assert isinstance(company.run.stack, Stack)
    return company.run.stack


def test_with_everything_set_nothing_is_wrong(company: Company) -> None:
    found = {
        each.name: each for each in run_checks(preflight.CHECKS, company.services, company.run)
    }
    wrong = {name: each for name, each in found.items() if each.status in (WARNING, FAILURE)}
    assert wrong.keys() == {"quota"}, wrong
    # Local AWS knows no quota of a warm pool; an account that has none is refused the search.
    assert "may keep no ml.m5.xlarge in a warm pool" in wrong["quota"].message
    quota = check("quota", company, settings=with_settings(company, warm_pool_seconds=None))
    assert (quota.status, quota.message.count(" of ")) == (OK, 2)
    assert found["vpc"].message.endswith(": S3 and ECR can be reached")
    assert found["settings"].message.startswith("the stack has InVpc, KmsKeyArn, ")


def test_with_everything_set_the_pipeline_trains(company: Company, here: Path) -> None:
    assert upsert_and_start.main(["--config", str(company.config)]) == 0
    record = json.loads(next(here.glob("runs/*/run.json")).read_text("utf-8"))
    assert record["instance_type"] == "ml.m5.xlarge"
    sagemaker, name = company.services.sagemaker, record["training_job_name"]
    job = sagemaker.describe_training_job(TrainingJobName=name)
    vpc = company.settings.vpc
    assert vpc
    assert job["VpcConfig"]["Subnets"] == list(vpc.subnets)
    assert job["ResourceConfig"]["SelectedInstanceType"] == "ml.m5.xlarge"
    assert job["OutputDataConfig"]["KmsKeyId"] == company.settings.kms_key
    tags = {"Key": "cost-center", "Value": "4711"}
    for arn in (job["TrainingJobArn"], record["pipeline_arn"]):
        assert tags in sagemaker.list_tags(ResourceArn=arn)["Tags"]


def test_what_the_stack_was_not_deployed_with_is_said(company: Company) -> None:
    off = replace(stack_of(company), parameters={})
    found = check("settings", company, stack=off)
    assert (found.status, found.hint) == (
        FAILURE,
        ".venv/bin/python build/deploy.py deploys the stack with the settings of pipeline.yaml",
    )
    assert f"KmsKeyArn '{company.settings.kms_key}'" in found.message
    only = stack_parameters(company.settings) | {"ScheduleExpression": "", "PipelineName": ""}
    found = check("settings", company, stack=replace(off, parameters=only))
    assert (found.status, "ScheduleExpression 'cron(" in found.message) == (WARNING, True)
    none = dict.fromkeys(("vpc", "kms_key", "permissions_boundary", "schedule"))
    nothing = with_settings(
        company, **none, notify=None, tags={}, deploy_on_approval=False, warm_pool_seconds=None
    )
    assert check("settings", company, stack=off, settings=nothing).status == OK


def test_a_subnet_that_leads_nowhere_is_said(company: Company) -> None:
    vpc = company.settings.vpc
    assert vpc
    subnet, ec2 = vpc.subnets[0], company.services.ec2
    found = ec2.describe_subnets(SubnetIds=[subnet])["Subnets"][0]["VpcId"]
    table = ec2.create_route_table(VpcId=found)["RouteTable"]["RouteTableId"]
    association = ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)["AssociationId"]
    try:
        said = check("vpc", company)
        assert said.status == FAILURE
        assert said.message.startswith(f"vpc: {subnet} has no route to com.amazonaws.")
        gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=found)
        ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
        assert check("vpc", company).status == FAILURE, "a job has no public address"
        ec2.delete_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0")
        nat = ec2.create_nat_gateway(SubnetId=subnet, ConnectivityType="private")
        ec2.create_route(
            RouteTableId=table,
            DestinationCidrBlock="0.0.0.0/0",
            NatGatewayId=nat["NatGateway"]["NatGatewayId"],
        )
        assert check("vpc", company).status == OK
    finally:
        ec2.disassociate_route_table(AssociationId=association)
    gone = vpc.model_copy(update={"subnets": ("subnet-01234567",)})
    said = check("vpc", company, settings=with_settings(company, vpc=gone))
    assert (said.status, "subnet-01234567" in said.message) == (FAILURE, True)


def test_a_key_that_is_off_or_gone_is_said(company: Company) -> None:
    kms, arn = company.services.kms, company.settings.kms_key
    assert arn
    kms.disable_key(KeyId=arn.rpartition("/")[2])
    try:
        assert check("key", company).message.startswith(f"kms_key: {arn} is Disabled and ")
    finally:
        kms.enable_key(KeyId=arn.rpartition("/")[2])
    assert check("key", company).status == OK
    other = f"{arn.rpartition('/')[0]}/00000000-0000-0000-0000-000000000000"
    found = check("key", company, settings=with_settings(company, kms_key=other))
    assert (found.status, found.message) == (FAILURE, f"kms_key: {other} does not exist")


def subscriptions(company: Company, *arns: str) -> Check:
    """Return the check of the notifications for a topic with such subscriptions."""
    sns = boto3.client("sns", region_name="us-east-1")
    items = [{"SubscriptionArn": arn, "Endpoint": "ml@example.com"} for arn in arns]
    with Stubber(sns) as stubber:
        stubber.add_response("list_subscriptions_by_topic", {"Subscriptions": items})
        services = replace(company.services, sns=sns)
        return run_check("notify", preflight.CHECKS["notify"], services, company.run)


def test_an_address_that_has_not_confirmed_is_said(company: Company) -> None:
    assert check("notify", company).status == OK
    waiting = subscriptions(company, "PendingConfirmation")
    assert waiting.status == WARNING
    assert waiting.message.startswith("notify: ml@example.com has not confirmed the subscription")
    assert subscriptions(company).message.startswith("notify: nobody has subscribed")
    assert subscriptions(company, f"{TOPIC}:1").status == OK
    gone = replace(stack_of(company), notify_topic_arn=TOPIC)
    assert check("notify", company, stack=gone).message == f"notify: {TOPIC} does not exist"
    without = replace(stack_of(company), notify_topic_arn=None)
    found = check("notify", company, stack=without)
    assert found.message == "notify: the stack has no topic for ml@example.com"


@pytest.mark.parametrize("principal", ["operator", "pipeline", "training"])
def test_what_is_needed_with_everything_set_is_what_the_template_adds(
    principal: str, settings: Settings, company: Company
) -> None:
    needed, resources = {
        "operator": (of_operator, ["OperatorPolicy"]),
        "pipeline": (of_pipeline, ["PipelineRole"]),
        "training": (of_training, ["TrainingRole", "VpcPolicy"]),
    }[principal]

    def actions(settings: Settings) -> set[str]:
        return {a for each in needed(settings, stack_of(company)) for a in each.actions}

    added = actions(company.settings) - actions(settings)
    allowed = {
        action
        for name in resources
        for statement in policies(name, RESOURCES)
        for action in listed(statement["Action"])
    } - {
        action
        for name in resources
        if name != "VpcPolicy"
        for statement in policies(name)
        for action in listed(statement["Action"])
    }
    looked_at = {
        "ec2:DescribeRouteTables",
        "ec2:DescribeSubnets",
        "ec2:DescribeVpcEndpoints",
        "kms:DescribeKey",
        "sns:ListSubscriptionsByTopic",
    }
    assert added == (allowed - looked_at if principal == "operator" else allowed)


@pytest.mark.parametrize(
    ("role", "sid", "name", "lost"),
    [
        ("training", "UseTheKey", "training permissions", "kms:GenerateDataKey"),
        ("pipeline", "UseTheKey", "pipeline permissions", "kms:Decrypt"),
    ],
)
def test_a_role_that_may_not_use_the_key_is_named(
    role: str, sid: str, name: str, lost: str, company: Company
) -> None:
    iam = company.services.iam
    role_name = getattr(stack_of(company), f"{role}_role_arn").rpartition("/")[2]
    (policy,) = iam.list_role_policies(RoleName=role_name)["PolicyNames"]
    answer = iam.get_role_policy(RoleName=role_name, PolicyName=policy)
    before = answer["PolicyDocument"]
    less = [each for each in before["Statement"] if each["Sid"] != sid]
    iam.put_role_policy(
        RoleName=role_name,
        PolicyName=policy,
        PolicyDocument=json.dumps(before | {"Statement": less}),
    )
    try:
        found = check(name, company)
    finally:
        iam.put_role_policy(
            RoleName=role_name, PolicyName=policy, PolicyDocument=json.dumps(before)
        )
    assert found.status == FAILURE
    assert f"{lost} on {company.settings.kms_key}" in found.message
