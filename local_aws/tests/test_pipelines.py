"""Pipelines and executions, as clients of AWS see them."""

import json
import time
import uuid
from typing import Any

from local_aws.tests.jobs import Jobs

import pytest
from botocore.exceptions import ClientError


class Pipeline:
    """A pipeline of some steps, and its executions."""

    def __init__(self, jobs: Jobs, *steps: dict[str, Any]) -> None:
        self.sagemaker = jobs.sagemaker
        self.name = f"p-{uuid.uuid4().hex[:8]}"
        definition = {"Version": "2020-12-01", "Steps": steps}
        self.arn = self.sagemaker.create_pipeline(
            PipelineName=self.name,
            PipelineDefinition=json.dumps(definition),
            RoleArn=jobs.role,
            ClientRequestToken=uuid.uuid4().hex,
        )["PipelineArn"]

    def start(self, token: str = "", name: str = "") -> str:
        """Start an execution, and return its ARN."""
        arn: str = self.sagemaker.start_pipeline_execution(
            PipelineName=name or self.name, ClientRequestToken=token or uuid.uuid4().hex
        )["PipelineExecutionArn"]
        return arn

    def run(self) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Start an execution, and return it and its steps when it has ended."""
        arn, deadline = self.start(), time.monotonic() + 60
        while time.monotonic() < deadline:
            execution = self.sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)
            if execution["PipelineExecutionStatus"] not in ("Executing", "Stopping"):
                steps = self.sagemaker.list_pipeline_execution_steps(
                    PipelineExecutionArn=arn, SortOrder="Ascending"
                )
                return execution, steps["PipelineExecutionSteps"]
            time.sleep(0.05)
        raise AssertionError("still executing")


def fail(**arguments: str) -> dict[str, Any]:
    return {"Name": "End", "Type": "Fail", "Arguments": arguments}


@pytest.mark.parametrize("arguments", [{}, {"ErrorMessage": ""}])
def test_a_fail_step_without_a_message_has_no_reason(arguments: dict[str, str], jobs: Jobs) -> None:
    execution, (step,) = Pipeline(jobs, fail(**arguments)).run()
    assert step["StepStatus"] == "Failed"
    assert "FailureReason" not in step
    assert execution["PipelineExecutionStatus"] == "Failed"
    assert execution["FailureReason"] == "Step failure: One or multiple steps failed."


def test_a_job_name_of_a_definition_is_a_prefix(jobs: Jobs) -> None:
    request = jobs.request() | {"TrainingJobName": "mine"}
    pipeline = Pipeline(jobs, {"Name": "Train", "Type": "Training", "Arguments": request})
    execution, (step,) = pipeline.run()
    assert execution["PipelineExecutionStatus"] == "Succeeded", step.get("FailureReason")
    name = step["Metadata"]["TrainingJob"]["Arn"].rpartition("/")[2]
    assert name.startswith(f"mine-{execution['PipelineExecutionArn'].rpartition('/')[2]}-")


def test_a_pipeline_is_found_by_its_arn(jobs: Jobs) -> None:
    pipeline = Pipeline(jobs, fail())
    sagemaker = pipeline.sagemaker
    assert sagemaker.describe_pipeline(PipelineName=pipeline.arn)["PipelineName"] == pipeline.name
    assert pipeline.start(name=pipeline.arn).startswith(f"{pipeline.arn}/execution/")


@pytest.mark.parametrize("operation", ["describe_pipeline", "delete_pipeline", "update_pipeline"])
def test_a_pipeline_that_is_not_there_is_said_to_be_missing(operation: str, jobs: Jobs) -> None:
    token = {"ClientRequestToken": "x" * 32} if operation == "delete_pipeline" else {}
    with pytest.raises(ClientError, match="pipeline/nobodys' does not exist") as error:
        getattr(jobs.sagemaker, operation)(PipelineName="nobodys", **token)
    assert error.value.response["Error"]["Code"] == "ResourceNotFound"


def test_a_request_that_is_sent_twice_starts_one_execution(jobs: Jobs) -> None:
    pipeline, token = Pipeline(jobs, fail()), uuid.uuid4().hex
    first = pipeline.start(token)
    assert pipeline.start(token) == first
    assert pipeline.start() != first


def test_what_would_run_nothing_is_refused_by_name(jobs: Jobs) -> None:
    with pytest.raises(ClientError, match="local AWS does not support Search"):
        jobs.sagemaker.search(Resource="TrainingJob")
