"""Every region of SageMaker, in every partition: local AWS starts there and runs a pipeline.

All in one other process: moto's state, and the environment, belong to a process.
"""

import json
import multiprocessing
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

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


@pytest.fixture(scope="module")
def other_process() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as executor:
        yield executor


def run_pipeline(region: str) -> tuple[str, list[str]]:
    """Return the image of a job in the region, and the ARNs that a pipeline meets there."""
    with start(Config(region=region, images=IMAGES)) as running:
        caller = running.clients.client("sts").get_caller_identity()["Arn"]
        jobs = Jobs(running.clients)
        step = {"Name": "End", "Type": "Fail", "Arguments": {"ErrorMessage": "as it should"}}
        definition = {"Version": "2020-12-01", "Parameters": [], "Steps": [step]}
        created = jobs.sagemaker.create_pipeline(
            PipelineName="p",
            PipelineDefinition=json.dumps(definition),
            RoleArn=jobs.role,
            ClientRequestToken="x" * 32,
        )
        execution = jobs.sagemaker.start_pipeline_execution(PipelineName="p")
        names = [caller, jobs.role, created["PipelineArn"], execution["PipelineExecutionArn"]]
        return jobs.image, names


@pytest.mark.parametrize("region", sagemaker_regions())
def test_a_pipeline_runs_in_the_region_with_the_names_of_its_partition(
    region: str, other_process: ProcessPoolExecutor
) -> None:
    image, names = other_process.submit(run_pipeline, region).result()
    assert f".dkr.ecr.{region}.{domain_of(region)}/" in image
    for name in names:
        assert name.startswith(f"arn:{partition_of(region)}:")


def train(region: str) -> tuple[dict[str, str], str]:
    """Return a job that asks who it is, and the last line of its log."""
    call = "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])"
    with start(Config(region=region, images=IMAGES)) as running:
        jobs = Jobs(running.clients)
        assert running.clients.client("ec2").describe_instance_types()["InstanceTypes"]
        name = jobs.start(call)
        job = jobs.wait(name)
        told = ("TrainingJobStatus", "FailureReason", "TrainingJobArn")
        return {key: job.get(key, "") for key in told}, jobs.log(name)[-1]


@pytest.mark.parametrize("region", ["ap-southeast-6", "cn-north-1", "eu-isoe-west-1"])
def test_a_job_is_trained_with_the_role_of_the_partition(
    region: str, other_process: ProcessPoolExecutor
) -> None:
    job, line = other_process.submit(train, region).result()
    assert job["TrainingJobStatus"] == "Completed", job["FailureReason"]
    partition = f"arn:{partition_of(region)}:"
    assert job["TrainingJobArn"].startswith(f"{partition}sagemaker:{region}:")
    assert line.startswith(f"{partition}sts:")


def test_a_region_without_sagemaker_is_refused_with_one_that_has_it() -> None:
    refusal = "'us-esat-1' is not a region of SageMaker"
    with pytest.raises(UserError, match=refusal) as refused, start(Config(region="us-esat-1")):
        pass
    assert "us-east-1" in refused.value.hint
