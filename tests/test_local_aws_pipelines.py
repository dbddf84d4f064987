"""Pipelines and executions of local AWS, through boto3 and the SDK; real training throughout."""

import json
import re
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.data import Dataset, upload
from pipeline.definition import DESCRIPTION, Inputs, build_pipeline
from pipeline.image import resolve_image, source_tag
from pipeline.local import ProjectAws
from pipeline.settings import Settings

import boto3
import pytest
from botocore.exceptions import ClientError
from conftest import ROOT, serving
from present_image import TAG
from sagemaker.workflow.pipeline import Pipeline


@pytest.fixture
def pipeline(local_aws: ProjectAws, dataset: Dataset, settings: Settings) -> Pipeline:
    """The project's pipeline under a name of its own, stored but not started."""
    stack = local_aws.stack
    upload(local_aws.clients.client("s3"), dataset, stack.bucket, settings.prefix)
    image = resolve_image(local_aws.clients.client("ecr"), stack.repository_uri, TAG)
    quick = dict(settings.hyperparameters, num_round=30)
    changes = {
        "pipeline_name": f"titanic-pipeline-{uuid.uuid4().hex[:8]}",
        "hyperparameters": quick,
    }
    pipeline = build_pipeline(
        settings.model_copy(update=changes),
        stack,
        Inputs(image, source_tag(), dataset.uris(stack.bucket, settings.prefix)),
        boto3.Session(),
    )
    pipeline.upsert(role_arn=stack.pipeline_role_arn, description=DESCRIPTION)
    return pipeline


@pytest.fixture
def sagemaker(local_aws: ProjectAws) -> Any:
    return local_aws.clients.client("sagemaker")


def wait(execution: Any) -> None:
    """The SDK's own wait, with less patience between its questions."""
    execution.wait(delay=1, max_attempts=60)


def test_the_sdk_starts_the_stored_definition_and_waits_for_it(
    pipeline: Pipeline, sagemaker: Any
) -> None:
    execution = pipeline.start(parameters={"max_depth": 2})
    wait(execution)
    description = execution.describe()
    assert description["PipelineExecutionStatus"] == "Succeeded"
    steps = execution.list_steps()
    names = ["Candidate-RegisterModel", "CheckValidationAuc", "Train"]
    assert [s["StepName"] for s in steps] == names, "newest first"
    pages = sagemaker.get_paginator("list_pipeline_execution_steps").paginate(
        PipelineExecutionArn=execution.arn, SortOrder="Ascending", PaginationConfig={"PageSize": 1}
    )
    paged = [[s["StepName"] for s in page["PipelineExecutionSteps"]] for page in pages]
    assert paged == [[name] for name in reversed(names)]
    job = sagemaker.describe_training_job(
        TrainingJobName=steps[2]["Metadata"]["TrainingJob"]["Arn"].rpartition("/")[2]
    )
    assert job["HyperParameters"]["max_depth"] == "2"
    assert job["HyperParameters"]["num_round"] == "30"
    listed = execution.list_parameters()["PipelineParameters"]
    values = {p["Name"]: p["Value"] for p in listed}
    assert values["max_depth"] == "2"
    assert values["InstanceType"] == "ml.m5.large"
    listed = sagemaker.list_pipeline_executions(PipelineName=pipeline.name)
    summary = listed["PipelineExecutionSummaries"][0]
    assert summary["PipelineExecutionStatus"] == "Succeeded"


def models(sagemaker: Any, local_aws: ProjectAws) -> list[str]:
    """ARNs of the registered versions, the oldest first."""
    listed = sagemaker.list_model_packages(
        ModelPackageGroupName=local_aws.stack.model_package_group, MaxResults=100
    )
    return [each["ModelPackageArn"] for each in listed["ModelPackageSummaryList"]]


def test_a_good_model_is_registered_with_all_that_it_came_from(
    pipeline: Pipeline, sagemaker: Any, local_aws: ProjectAws, dataset: Dataset
) -> None:
    execution = pipeline.start(parameters={"max_depth": 3})
    wait(execution)
    step, _, trained = execution.list_steps()
    arn = step["Metadata"]["RegisterModel"]["Arn"]
    assert models(sagemaker, local_aws)[-1] == arn
    job_arn = trained["Metadata"]["TrainingJob"]["Arn"]
    job = sagemaker.describe_training_job(TrainingJobName=job_arn.rpartition("/")[2])
    version = sagemaker.describe_model_package(ModelPackageName=arn)
    assert version["ModelApprovalStatus"] == "PendingManualApproval"
    said = version["CustomerMetadataProperties"]
    for metric in job["FinalMetricDataList"]:
        assert float(said.pop(metric["MetricName"])) == metric["Value"]
    image = job["AlgorithmSpecification"]["TrainingImage"]
    uris = dataset.uris(local_aws.stack.bucket, "titanic")
    assert said == {
        "training_job_arn": job_arn,
        "pipeline_execution_arn": execution.arn,
        "image_uri": image,
        "source_revision": source_tag(),
        "train_data_uri": uris["train"],
        "validation_data_uri": uris["validation"],
    }
    assert "@sha256:" in image
    assert dataset.content_hash in uris["train"]
    (container,) = version["InferenceSpecification"]["Containers"]
    assert container["Image"] == image
    assert container["ModelDataUrl"] == job["ModelArtifacts"]["S3ModelArtifacts"]

    stacks = local_aws.clients.client("cloudformation").describe_stacks()["Stacks"]
    outputs = {o["OutputKey"]: o["OutputValue"] for o in stacks[0]["Outputs"]}
    assert job["RoleArn"] == outputs["TrainingRoleArn"]
    stored = sagemaker.describe_pipeline(PipelineName=pipeline.name)
    assert stored["RoleArn"] == outputs["PipelineRoleArn"]
    assert stored["PipelineDescription"] == DESCRIPTION
    assert container["ModelDataUrl"].startswith(
        f"s3://{outputs['BucketName']}/models/titanic/pipelines-"
    )


def test_an_auc_below_the_threshold_registers_nothing_and_says_both_values(
    pipeline: Pipeline, sagemaker: Any, local_aws: ProjectAws
) -> None:
    before = models(sagemaker, local_aws)
    execution = pipeline.start(parameters={"MinValidationAuc": 0.99})
    with pytest.raises(Exception, match="Waiter PipelineExecutionComplete failed"):
        wait(execution)
    assert execution.describe()["PipelineExecutionStatus"] == "Failed"
    step = execution.list_steps()[0]
    assert step["StepName"] == "ValidationAucTooLow"
    assert re.fullmatch(
        r"validation:auc 0\.9\d+ is below MinValidationAuc 0\.99", step["FailureReason"]
    )
    assert models(sagemaker, local_aws) == before


def test_a_second_equal_execution_reuses_the_job_unless_told_otherwise(pipeline: Pipeline) -> None:
    first = pipeline.start()
    wait(first)
    second = pipeline.start()
    wait(second)
    hit = second.list_steps()[2]["CacheHitResult"]
    assert hit == {"SourcePipelineExecutionArn": first.arn}
    third = pipeline.start(parameters={"CacheKey": "another"})
    wait(third)
    assert "CacheHitResult" not in third.list_steps()[2]


@pytest.mark.parametrize(
    ("parameters", "problem"),
    [
        ({"max_dept": "3"}, "Unknown parameters: max_dept"),
        ({"max_depth": "deep"}, "parameter max_depth: 'deep' is not of type Integer"),
        ({"MinValidationAuc": "high"}, "parameter MinValidationAuc: 'high' is not of type Float"),
    ],
)
def test_a_start_with_wrong_parameters_is_refused(
    parameters: dict[str, str], problem: str, pipeline: Pipeline, sagemaker: Any
) -> None:
    given = [{"Name": name, "Value": value} for name, value in parameters.items()]
    with pytest.raises(ClientError, match=problem):
        sagemaker.start_pipeline_execution(
            PipelineName=pipeline.name,
            PipelineParameters=given,
            ClientRequestToken=uuid.uuid4().hex,
        )
    listed = sagemaker.list_pipeline_executions(PipelineName=pipeline.name)
    assert listed["PipelineExecutionSummaries"] == []


def test_a_request_that_aws_refuses_fails_the_step_with_its_reason(pipeline: Pipeline) -> None:
    execution = pipeline.start(parameters={"InstanceType": "ml.m5.huge"})
    with pytest.raises(Exception, match="failed"):
        wait(execution)
    assert "'ml.m5.huge' is not one of" in execution.list_steps()[0]["FailureReason"]


def test_an_invalid_definition_is_neither_created_nor_updated(
    pipeline: Pipeline, sagemaker: Any, local_aws: ProjectAws
) -> None:
    stored = sagemaker.describe_pipeline(PipelineName=pipeline.name)["PipelineDefinition"]
    broken = json.loads(stored)
    del broken["Parameters"][0]
    request = {
        "PipelineDefinition": json.dumps(broken),
        "RoleArn": local_aws.stack.pipeline_role_arn,
    }
    with pytest.raises(ClientError, match=r"Parameters.InstanceType refers to nothing"):
        sagemaker.update_pipeline(PipelineName=pipeline.name, **request)
    with pytest.raises(ClientError, match=r"Parameters.InstanceType refers to nothing"):
        sagemaker.create_pipeline(
            PipelineName="titanic-pipeline-broken", ClientRequestToken=uuid.uuid4().hex, **request
        )
    assert sagemaker.describe_pipeline(PipelineName=pipeline.name)["PipelineDefinition"] == stored
    with pytest.raises(ClientError, match="broken"):
        sagemaker.describe_pipeline(PipelineName="titanic-pipeline-broken")


def test_a_role_that_does_not_trust_sagemaker_is_refused(
    pipeline: Pipeline, sagemaker: Any, local_aws: ProjectAws
) -> None:
    name = f"stranger-{uuid.uuid4().hex[:8]}"
    trust = {"Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}}]}
    role = local_aws.clients.client("iam").create_role(
        RoleName=name, AssumeRolePolicyDocument=json.dumps(trust)
    )["Role"]
    with pytest.raises(ClientError, match="Please ensure that the role exists and allows"):
        sagemaker.update_pipeline(PipelineName=pipeline.name, RoleArn=role["Arn"])


def test_the_environment_of_the_process_comes_back_afterwards() -> None:
    """In a process of its own: there is one local AWS in each."""
    program = (
        "import os\n"
        "from pipeline.settings import DEFAULT_CONFIG, load_settings\n"
        "from pipeline import local\n"
        "settings = load_settings(DEFAULT_CONFIG).model_copy(\n"
        "    update={'region': 'eu-west-1', 'stack_name': 'mine'})\n"
        "before = dict(os.environ)\n"
        "with local.start(settings) as local_aws:\n"
        "    assert 'AWS_PROFILE' not in os.environ\n"
        "    assert 'real' not in os.environ.values()\n"
        "    assert os.environ['AWS_ENDPOINT_URL'] == local_aws.clients.endpoint\n"
        "    assert local_aws.stack.bucket == 'mine-123456789012-eu-west-1'\n"
        "assert os.environ == before\n"
    )
    mine = {"AWS_PROFILE": "work", "AWS_SECRET_ACCESS_KEY": "real", "HOME": "/home/me"}
    job = subprocess.run(
        [sys.executable, "-c", program], env=mine, capture_output=True, text=True, check=False
    )
    assert (job.returncode, job.stderr) == (0, "")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[dict[str, str]]:
    with serving(tmp_path) as environment:
        yield environment


def test_a_running_local_aws_serves_every_command(server: dict[str, str], tmp_path: Path) -> None:
    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *command],
            env=server,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    scripts = ROOT / "pipeline"
    assert run(str(scripts / "data.py")).stderr == "train: uploaded\nvalidation: uploaded\n"
    started = run(str(scripts / "upsert_and_start.py"), "--no-wait")
    assert started.returncode == 0, started.stderr
    arn = started.stdout.strip()
    assert re.fullmatch(
        r"arn:aws:sagemaker:.*:pipeline/titanic-pipeline-survival/execution/\w{12}", arn
    )
    plain = (
        "import sagemaker, sys\n"
        "client = sagemaker.Session().sagemaker_client\n"
        "print(client.describe_pipeline_execution(PipelineExecutionArn=sys.argv[1])"
        "['PipelineExecutionStatus'])"
    )
    deadline = time.monotonic() + 60
    while (status := run("-c", plain, arn).stdout.split()[-1]) == "Executing":
        assert time.monotonic() < deadline
    assert status == "Succeeded"
    again = run(str(scripts / "upsert_and_start.py"))
    assert again.returncode == 0, again.stderr
    assert "step Train: Succeeded (result reused from an earlier execution)" in again.stderr
    assert f"the result was reused from {arn}" in again.stderr
    assert "\ncost " not in again.stdout, "what was reused cost something then"


def test_it_listens_on_one_loopback_address_only(local_aws: ProjectAws) -> None:
    """A server on all addresses would answer on 127.0.0.2 as well."""
    port = int(local_aws.clients.endpoint.rpartition(":")[2])
    socket.create_connection(("127.0.0.1", port)).close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", port))


def test_a_port_that_is_taken_is_one_line_and_a_hint(local_aws: ProjectAws) -> None:
    port = local_aws.clients.endpoint.rpartition(":")[2]
    process = subprocess.run(
        [sys.executable, "-m", "local_aws", "serve", "--port", port],
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 2
    assert process.stderr.startswith(f"error: port {port} of 127.0.0.1: ")
    assert "\nhint: give another one with --port" in process.stderr
