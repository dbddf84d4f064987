"""Every region of SageMaker, in every partition: local AWS starts there and runs a pipeline."""

import json
import sys

from local_aws.config import Config, Image
from local_aws.errors import UserError
from local_aws.partitions import domain_of, partition_of, sagemaker_regions
from local_aws.server import start
from local_aws.tests.jobs import PROGRAM, Jobs

import pytest

IMAGES = (Image(match="*", command=(sys.executable, "-c", PROGRAM)),)


def test_the_regions_are_those_of_every_partition() -> None:
    partitions = {partition_of(region) for region in sagemaker_regions()}
    assert {"aws", "aws-cn", "aws-us-gov", "aws-eusc", "aws-iso", "aws-iso-f"} <= partitions


@pytest.mark.parametrize("region", sagemaker_regions())
def test_a_pipeline_runs_in_the_region_with_the_names_of_its_partition(region: str) -> None:
    arn = f"arn:{partition_of(region)}:"
    with start(Config(region=region, images=IMAGES)) as running:
        caller = running.clients.client("sts").get_caller_identity()["Arn"]
        jobs = Jobs(running.clients)
        assert f".dkr.ecr.{region}.{domain_of(region)}/" in jobs.image
        step = {"Name": "End", "Type": "Fail", "Arguments": {"ErrorMessage": "as it should"}}
        definition = {"Version": "2020-12-01", "Parameters": [], "Steps": [step]}
        created = jobs.sagemaker.create_pipeline(
            PipelineName="p",
            PipelineDefinition=json.dumps(definition),
            RoleArn=jobs.role,
            ClientRequestToken="x" * 32,
        )
        execution = jobs.sagemaker.start_pipeline_execution(PipelineName="p")
        for name in (caller, jobs.role, created["PipelineArn"], execution["PipelineExecutionArn"]):
            assert name.startswith(arn)


@pytest.mark.parametrize("region", ["ap-southeast-6", "cn-north-1", "eu-isoe-west-1"])
def test_a_job_is_trained_with_the_role_of_the_partition(region: str) -> None:
    call = "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])"
    with start(Config(region=region, images=IMAGES)) as running:
        jobs = Jobs(running.clients)
        assert running.clients.client("ec2").describe_instance_types()["InstanceTypes"]
        name = jobs.start(call)
        job = jobs.wait(name)
        assert job["TrainingJobStatus"] == "Completed", job["FailureReason"]
        partition = f"arn:{partition_of(region)}:"
        assert job["TrainingJobArn"].startswith(f"{partition}sagemaker:{region}:")
        assert jobs.log(name)[-1].startswith(f"{partition}sts:")


def test_a_region_without_sagemaker_is_refused_with_one_that_has_it() -> None:
    refusal = "'us-esat-1' is not a region of SageMaker"
    with pytest.raises(UserError, match=refusal) as refused, start(Config(region="us-esat-1")):
        pass
    assert "us-east-1" in refused.value.hint
