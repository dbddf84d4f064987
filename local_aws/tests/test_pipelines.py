"""Pipelines and executions, as clients of AWS see them."""

import itertools
import json
import uuid
from typing import Any

from local_aws.tests.conftest import BUILT
from local_aws.tests.jobs import Jobs
from local_aws.tests.serving import Serving
from local_aws.tests.waiting import wait_for, wait_for_execution

import pytest
from botocore.exceptions import ClientError


class Pipeline:
    """A pipeline of some steps, and its executions."""

    def __init__(
        self, jobs: Jobs, *steps: dict[str, Any], parameters: Any = (), **request: Any
    ) -> None:
        self.sagemaker = jobs.sagemaker
        self.name = f"p-{uuid.uuid4().hex[:8]}"
        document = {"Version": "2020-12-01", "Parameters": parameters, "Steps": steps}
        definition = json.dumps(document)
        self.arn = self.create(jobs, self.name, PipelineDefinition=definition, **request)

    @staticmethod
    def create(jobs: Jobs, name: str, **request: Any) -> str:
        arn: str = jobs.sagemaker.create_pipeline(
            PipelineName=name,
            RoleArn=jobs.role,
            **{"ClientRequestToken": uuid.uuid4().hex} | request,
        )["PipelineArn"]
        return arn

    def start(self, token: str = "", name: str = "", **request: Any) -> str:
        """Start an execution, and return its ARN."""
        arn: str = self.sagemaker.start_pipeline_execution(
            PipelineName=name or self.name,
            ClientRequestToken=token or uuid.uuid4().hex,
            **request,
        )["PipelineExecutionArn"]
        return arn

    def run(self, **request: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Start an execution, and return it and its steps when it has ended."""
        return self.wait(self.start(**request))

    def wait(self, arn: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Return an execution and its steps when it has ended."""
        execution = wait_for_execution(self.sagemaker, arn)
        steps = self.sagemaker.list_pipeline_execution_steps(
            PipelineExecutionArn=arn, SortOrder="Ascending"
        )
        return execution, steps["PipelineExecutionSteps"]


def fail(**arguments: Any) -> dict[str, Any]:
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
    found = sagemaker.describe_pipeline(PipelineName=pipeline.arn)
    assert found["PipelineName"] == pipeline.name
    assert "CreatedBy" not in found, "a user that nobody made"
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


def condition(name: str = "Gate", **changes: Any) -> dict[str, Any]:
    """A condition that is true."""
    equal = {"Type": "Equals", "LeftValue": 1, "RightValue": 1}
    arguments = {"Conditions": [equal], "IfSteps": [], "ElseSteps": []} | changes
    return {"Name": name, "Type": "Condition", "Arguments": arguments}


def train(jobs: Jobs, do: Any = "", name: str = "Train", **changes: Any) -> dict[str, Any]:
    request = jobs.request(do)
    del request["TrainingJobName"]
    return {"Name": name, "Type": "Training", "Arguments": request} | changes


def test_a_definition_in_s3_is_checked_and_stored(jobs: Jobs) -> None:
    pipeline = Pipeline(jobs, fail())
    text = json.dumps({"Version": "2020-12-01", "Steps": [condition("InS3")]}, indent=1)
    jobs.s3.put_object(Bucket=jobs.bucket, Key="definition.json", Body=text)
    place = {"Bucket": jobs.bucket, "ObjectKey": "definition.json"}
    jobs.sagemaker.update_pipeline(PipelineName=pipeline.name, PipelineDefinitionS3Location=place)
    stored = jobs.sagemaker.describe_pipeline(PipelineName=pipeline.name)
    assert stored["PipelineDefinition"] == text
    execution, (step,) = pipeline.run()
    assert step["StepName"] == "InS3"
    arn = execution["PipelineExecutionArn"]
    jobs.sagemaker.delete_pipeline(PipelineName=pipeline.name, ClientRequestToken="x" * 32)
    kept = jobs.sagemaker.describe_pipeline_definition_for_execution(PipelineExecutionArn=arn)
    assert kept["PipelineDefinition"] == text
    with pytest.raises(ClientError, match="Unable to read s3://"):
        Pipeline.create(jobs, "p", PipelineDefinitionS3Location=place | {"ObjectKey": "none"})
    jobs.s3.put_object(Bucket=jobs.bucket, Key="wrong.json", Body='{"Steps": []}')
    with pytest.raises(ClientError, match="the definition has no steps"):
        Pipeline.create(jobs, "p", PipelineDefinitionS3Location=place | {"ObjectKey": "wrong.json"})


def test_a_pipeline_that_is_created_twice_by_one_request_is_there_once(jobs: Jobs) -> None:
    request = {
        "name": f"p-{uuid.uuid4().hex[:8]}",
        "PipelineDefinition": json.dumps({"Steps": [condition()]}),
        "ClientRequestToken": uuid.uuid4().hex,
    }
    assert Pipeline.create(jobs, **request) == Pipeline.create(jobs, **request)
    with pytest.raises(ClientError, match="already exists"):
        Pipeline.create(jobs, **request | {"ClientRequestToken": uuid.uuid4().hex})


def test_tags_can_be_listed_added_and_removed(jobs: Jobs) -> None:
    pipeline = Pipeline(jobs, fail(), Tags=[{"Key": "team", "Value": "a"}])
    sagemaker, arn = jobs.sagemaker, pipeline.arn
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "team", "Value": "a"}]
    new = [{"Key": "team", "Value": "b"}, {"Key": "cost", "Value": "1"}]
    assert sagemaker.add_tags(ResourceArn=arn, Tags=new)["Tags"] == new
    sagemaker.delete_tags(ResourceArn=arn, TagKeys=["team"])
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == new[1:]
    with pytest.raises(ClientError, match="does not exist"):
        sagemaker.list_tags(ResourceArn=f"{arn}x")


def test_the_tags_of_the_job_of_a_step_name_its_execution(jobs: Jobs) -> None:
    execution, (step,) = Pipeline(jobs, train(jobs)).run()
    tags = jobs.sagemaker.list_tags(ResourceArn=step["Metadata"]["TrainingJob"]["Arn"])["Tags"]
    assert tags == [
        {
            "Key": "sagemaker:pipeline-execution-arn",
            "Value": execution["PipelineExecutionArn"],
        },
        {"Key": "sagemaker:pipeline-step-name", "Value": "Train"},
    ]


def test_an_execution_has_a_name_and_a_description_that_can_be_changed(jobs: Jobs) -> None:
    pipeline, sagemaker = Pipeline(jobs, condition()), jobs.sagemaker
    execution, _ = pipeline.run()
    where = {"PipelineExecutionArn": execution["PipelineExecutionArn"]}
    assert execution["PipelineExecutionDisplayName"].startswith("execution-")
    sagemaker.update_pipeline_execution(
        **where, PipelineExecutionDisplayName="mine", PipelineExecutionDescription="a test"
    )
    changed = sagemaker.describe_pipeline_execution(**where)
    assert changed["PipelineExecutionDisplayName"] == "mine"
    assert changed["PipelineExecutionDescription"] == "a test"
    pipeline.start()
    listed = sagemaker.list_pipeline_executions(PipelineName=pipeline.name, SortOrder="Ascending")
    first, second = listed["PipelineExecutionSummaries"]
    assert first["PipelineExecutionDisplayName"] == "mine"
    page = sagemaker.list_pipeline_executions(PipelineName=pipeline.name, MaxResults=1)
    (newest,) = page["PipelineExecutionSummaries"]
    assert newest["PipelineExecutionArn"] == second["PipelineExecutionArn"]
    assert page["NextToken"]
    later = sagemaker.list_pipeline_executions(PipelineName=pipeline.name, CreatedAfter=2e9)
    assert later["PipelineExecutionSummaries"] == []


def test_steps_run_one_after_the_other_when_the_pipeline_says_so(any_jobs: Jobs) -> None:
    one = {"MaxParallelExecutionSteps": 1}
    steps = [train(any_jobs, name=name) for name in ("A", "B")]
    execution, steps = Pipeline(any_jobs, *steps, ParallelismConfiguration=one).run()
    assert execution["PipelineExecutionStatus"] == "Succeeded"
    times = [(step["StartTime"], step["EndTime"]) for step in steps]
    assert all(first[1] <= then[0] for first, then in itertools.pairwise(times))


def test_a_start_may_ask_for_another_number_of_steps_at_a_time(jobs: Jobs) -> None:
    three = {"MaxParallelExecutionSteps": 3}
    execution, _ = Pipeline(jobs, condition()).run(ParallelismConfiguration=three)
    assert execution["ParallelismConfiguration"] == three


def test_a_retry_runs_what_did_not_succeed(jobs: Jobs) -> None:
    flag = f"s3://{jobs.bucket}/flag"
    missing = {"Std:JsonGet": {"S3Uri": {"Std:Join": {"On": "", "Values": [flag]}}, "Path": "a"}}
    inner = {"Name": "Later", "Type": "Condition", "Arguments": {}}
    inner["Arguments"] = {
        "Conditions": [{"Type": "Equals", "LeftValue": missing, "RightValue": 1}],
        "IfSteps": [],
        "ElseSteps": [],
    }
    pipeline, sagemaker = Pipeline(jobs, condition(IfSteps=[inner])), jobs.sagemaker
    execution, (first, failed) = pipeline.run()
    assert (first["StepStatus"], failed["StepStatus"]) == ("Succeeded", "Failed")
    arn, token = execution["PipelineExecutionArn"], uuid.uuid4().hex
    jobs.s3.put_object(Bucket=jobs.bucket, Key="flag", Body=b'{"a": 1}')
    for _ in range(2):  # the same request, sent twice
        sagemaker.retry_pipeline_execution(PipelineExecutionArn=arn, ClientRequestToken=token)
    execution, steps = pipeline.wait(arn)
    assert execution["PipelineExecutionStatus"] == "Succeeded"
    assert "FailureReason" not in execution
    assert [step["StepName"] for step in steps] == ["Gate", "Later"]
    assert steps[0]["StartTime"] == first["StartTime"], "it was not run again"
    with pytest.raises(ClientError, match="is Succeeded: only a failed one is retried"):
        sagemaker.retry_pipeline_execution(PipelineExecutionArn=arn, ClientRequestToken="y" * 32)


def test_an_execution_that_ended_with_a_fail_step_is_not_retried(jobs: Jobs) -> None:
    execution, _ = Pipeline(jobs, fail()).run()
    with pytest.raises(ClientError, match="ended with a Fail step cannot be retried"):
        jobs.sagemaker.retry_pipeline_execution(
            PipelineExecutionArn=execution["PipelineExecutionArn"]
        )


def select(source: str, *names: str) -> dict[str, Any]:
    config: dict[str, Any] = {"SelectedSteps": [{"StepName": name} for name in names]}
    return {
        "SelectiveExecutionConfig": config
        | ({"SourcePipelineExecutionArn": source} if source else {})
    }


def test_selected_steps_that_need_no_others_run_without_an_earlier_execution(jobs: Jobs) -> None:
    _, steps = Pipeline(jobs, condition("A"), condition("B")).run(**select("", "B"))
    assert [step["StepName"] for step in steps] == ["B"]


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (("Last",), "a selected step depends on Train, which did not succeed"),
        (("Train", "Last"), "step Gate is between selected steps"),
        (("Nothing",), "step Nothing is not in the pipeline"),
    ],
)
def test_a_selection_that_cannot_run_is_refused(
    names: tuple[str, ...], problem: str, jobs: Jobs
) -> None:
    gate = condition(IfSteps=[condition("Last")])
    steps: list[Any] = [train(jobs), gate | {"DependsOn": ["Train"]}]
    last = gate["Arguments"]["IfSteps"][0]
    last["DependsOn"] = ["Train"]
    with pytest.raises(ClientError, match=problem):
        Pipeline(jobs, *steps).start(**select("", *names))


def test_a_source_of_another_pipeline_is_refused(jobs: Jobs) -> None:
    execution, _ = Pipeline(jobs, condition()).run()
    with pytest.raises(ClientError, match="is an execution of another pipeline"):
        Pipeline(jobs, condition()).start(**select(execution["PipelineExecutionArn"], "Gate"))


def test_stopping_ends_the_jobs_of_all_steps(jobs: Jobs) -> None:
    slow = "import time; time.sleep(600)"
    pipeline = Pipeline(jobs, train(jobs, slow, "A"), train(jobs, slow, "B"), condition("C"))
    arn = pipeline.start()

    def running() -> bool:
        steps = jobs.sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=arn)
        return sum("TrainingJob" in s["Metadata"] for s in steps["PipelineExecutionSteps"]) == 2

    wait_for(running)
    jobs.sagemaker.stop_pipeline_execution(PipelineExecutionArn=arn)
    execution, steps = pipeline.wait(arn)
    assert execution["PipelineExecutionStatus"] == "Stopped"
    found = {step["StepName"]: step["StepStatus"] for step in steps}
    assert found == {"A": "Stopped", "B": "Stopped", "C": "Succeeded"}


def test_what_a_job_could_not_do_is_refused_when_the_pipeline_is_created(jobs: Jobs) -> None:
    parameter = {"Name": "Mode", "Type": "String", "DefaultValue": "Pipe"}
    step = train(jobs)
    step["Arguments"]["AlgorithmSpecification"]["TrainingInputMode"] = {"Get": "Parameters.Mode"}
    definition = json.dumps({"Parameters": [parameter], "Steps": [step]})
    message = "step Train: local AWS does not support .*TrainingInputMode 'Pipe', only 'File'"
    with pytest.raises(ClientError, match=message):
        Pipeline.create(jobs, "p", PipelineDefinition=definition)


def test_a_model_is_trained_registered_and_used_for_a_transform(any_serving: Serving) -> None:
    serving_models = any_serving
    built = serving_models.image.startswith(BUILT)
    jobs = Jobs(serving_models.clients, serving_models.image if built else "")
    data = {"Get": "Steps.Train.ModelArtifacts.S3ModelArtifacts"}
    container = {"Image": serving_models.image, "ModelDataUrl": data}
    report = {"ContentType": "application/json", "S3Uri": f"s3://{jobs.bucket}/report.json"}
    register = {
        "Name": "Register",
        "Type": "RegisterModel",
        "Arguments": {
            "ModelPackageGroupName": f"group-{uuid.uuid4().hex[:8]}",
            "InferenceSpecification": {"Containers": [container]},
            "ModelMetrics": {"ModelQuality": {"Statistics": report}},
        },
    }
    create = {
        "Name": "Create",
        "Type": "Model",
        "Arguments": {"PrimaryContainer": container, "ExecutionRoleArn": jobs.role},
    }
    serving_models.put("batch/in/rows.csv", b"a,b\n")
    request = serving_models.transform_request("batch", "")
    del request["TransformJobName"]
    request["ModelName"] = {"Get": "Steps.Create.ModelName"}
    transform = {"Name": "Score", "Type": "Transform", "Arguments": request}
    execution, steps = Pipeline(jobs, transform, create, register, train(jobs)).run()
    reasons = [step.get("FailureReason") for step in steps]
    assert execution["PipelineExecutionStatus"] == "Succeeded", reasons
    assert {step["StepName"]: next(iter(step["Metadata"])) for step in steps} == {
        "Train": "TrainingJob",
        "Register": "RegisterModel",
        "Create": "Model",
        "Score": "TransformJob",
    }
    assert list(serving_models.read("batch/out").values()) == [b"A,B\n"]
