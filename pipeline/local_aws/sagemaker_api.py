"""The SageMaker API of local AWS: moto's, with the calls that there start nothing made real."""

import json
from typing import Any, ClassVar

from pipeline.image import SINGLE
from pipeline.instances.inquiry import instance_type_requests
from pipeline.local_aws.account import Account
from pipeline.local_aws.clients import Clients
from pipeline.local_aws.execution import Execution
from pipeline.local_aws.faults import RATE_EXCEEDED, THROTTLING, Faults
from pipeline.local_aws.iam_conditions import met
from pipeline.local_aws.model_registry import ModelRegistry
from pipeline.local_aws.runner import Runner
from pipeline.local_aws.source_image import media_type
from pipeline.local_aws.step_cache import StepCache
from pipeline.local_aws.supported import spot_problems, unsupported
from pipeline.local_aws.training import TrainingJob
from pipeline.local_aws.tuning import TuningJob
from pipeline.workflow.validation import parameter_value, parse_definition

from moto.core.responses import ActionResult, EmptyResult
from moto.sagemaker.exceptions import (
    AWSValidationException,
    ResourceInUseException,
    ResourceNotFound,
    SagemakerClientError,
)

SERVE_INSTEAD = "run the image with `serve`, or `python -m container serve`"
PAGE_SIZE = 100  # default of the List calls answered here


class Work:
    """What runs, and what has run, since this local AWS was started."""

    def __init__(self, clients: Clients, runner: Runner, account: Account, faults: Faults) -> None:
        self.clients = clients
        self.runner = runner
        self.account = account
        self.faults = faults
        self.jobs: dict[str, TrainingJob] = {}
        self.tuning_jobs: dict[str, TuningJob] = {}
        self.executions: dict[str, Execution] = {}
        self.cache = StepCache()

    def interrupt(self, name: str | None, grace_seconds: float, capacity_after: float) -> str:
        """Takes back the spot instances of a training job, or of the one that runs; its name.

        Raises ValueError when there is no such job, or it has none.
        """
        running = [job for job in self.jobs.values() if not job.ended]
        found = [job for job in running if name in (None, job.name)]
        if len(found) != 1:
            names = ", ".join(job.name for job in running) or "none"
            raise ValueError(f"running training jobs: {names}")
        found[0].interrupt(grace_seconds, capacity_after)
        return found[0].name

    def end(self) -> None:
        """Stops everything, and returns when nothing runs any more."""
        for execution in self.executions.values():
            execution.stop()
        for tuning_job in self.tuning_jobs.values():
            tuning_job.stop()
        for job in list(self.jobs.values()):
            job.stop(grace_seconds=0)
        for execution in self.executions.values():
            execution.join()
        for tuning_job in self.tuning_jobs.values():
            tuning_job.join()
        for job in self.jobs.values():
            job.join()


class LocalSageMaker(ModelRegistry):
    """Made anew for each request; `work` is set once, when the server starts."""

    work: ClassVar[Work]

    # Pipelines: moto stores them, once they are found valid.

    def create_pipeline(self) -> ActionResult:
        self._check_pipeline("CreatePipeline")
        return super().create_pipeline()

    def update_pipeline(self) -> ActionResult:
        self._check_pipeline("UpdatePipeline")
        return super().update_pipeline()

    def describe_pipeline(self) -> ActionResult:
        """As on AWS, where moto has a validation error for one that is not there."""
        name = self._get_param("PipelineName")
        if name not in self.sagemaker_backend.pipelines:
            arn = f"arn:aws:sagemaker:{self.region}:{self.current_account}:pipeline/{name}"
            raise ResourceNotFound(f"Pipeline '{arn}' does not exist.")
        return super().describe_pipeline()

    def _check_pipeline(self, operation: str) -> None:
        request = self._checked_request(operation)
        if "PipelineDefinitionS3Location" in request:
            raise AWSValidationException("local AWS does not support PipelineDefinitionS3Location")
        if "RoleArn" in request:
            self._check_role(request["RoleArn"], f"pipeline/{request['PipelineName']}")
        if "PipelineDefinition" in request:
            try:
                parse_definition(request["PipelineDefinition"])
            except ValueError as error:
                raise AWSValidationException(
                    f"Unable to parse pipeline definition: {error}"
                ) from None

    # Executions: moto keeps their list, `Execution` their truth.

    def start_pipeline_execution(self) -> ActionResult:
        request = self._checked_request("StartPipelineExecution")
        self._refuse_all_but(
            "PipelineName",
            "PipelineParameters",
            "PipelineExecutionDisplayName",
            "PipelineExecutionDescription",
            "ClientRequestToken",
        )
        pipeline = self.sagemaker_backend.describe_pipeline(request["PipelineName"])
        definition = json.loads(pipeline["PipelineDefinition"])
        parameters = _parameters(definition, request.get("PipelineParameters", []))
        answer: Any = super().start_pipeline_execution()
        execution = Execution(
            answer.result["PipelineExecutionArn"],
            definition,
            parameters,
            lambda: self.work.clients.as_role(pipeline["RoleArn"]).client("sagemaker"),
            self.work.cache,
            faults=self.work.faults,
        )
        self.work.executions[execution.arn] = execution
        execution.start()
        return ActionResult(answer.result)

    def describe_pipeline_execution(self) -> ActionResult:
        execution = self._execution()
        answer: Any = super().describe_pipeline_execution()
        state = {
            "PipelineExecutionStatus": execution.status,
            "FailureReason": execution.failure_reason,
            "LastModifiedTime": execution.last_modified,
        }
        return ActionResult(answer.result | state)

    def list_pipeline_executions(self) -> ActionResult:
        answer: Any = super().list_pipeline_executions()
        for summary in answer.result["PipelineExecutionSummaries"]:
            execution = self.work.executions[summary["PipelineExecutionArn"]]
            summary["PipelineExecutionStatus"] = execution.status
            summary["PipelineExecutionFailureReason"] = execution.failure_reason
        return ActionResult(answer.result)

    def list_pipeline_parameters_for_execution(self) -> ActionResult:
        parameters = self._execution().parameters.items()
        return self._page(
            "PipelineParameters",
            [{"Name": name, "Value": str(value)} for name, value in parameters],
        )

    def list_pipeline_execution_steps(self) -> ActionResult:
        steps = self._execution().steps()
        if self._get_param("SortOrder", "Descending") == "Descending":
            steps.reverse()
        return self._page("PipelineExecutionSteps", steps)

    def stop_pipeline_execution(self) -> ActionResult:
        execution = self._execution()
        execution.stop()
        return ActionResult({"PipelineExecutionArn": execution.arn})

    def _execution(self) -> Execution:
        arn = self._get_param("PipelineExecutionArn")
        if arn not in self.work.executions:
            raise ResourceNotFound(f"Pipeline execution with ARN {arn} does not exist")
        return self.work.executions[arn]

    # Serving: moto's endpoints and transform jobs are ready at once, and run nothing.

    def create_endpoint(self) -> ActionResult:
        raise AWSValidationException(f"local AWS does not support CreateEndpoint: {SERVE_INSTEAD}")

    def create_transform_job(self) -> ActionResult:
        raise AWSValidationException(
            f"local AWS does not support CreateTransformJob: {SERVE_INSTEAD}"
        )

    # Training jobs: nothing of moto's, whose jobs complete at once and run nothing.

    def create_training_job(self) -> ActionResult:
        if THROTTLING in self.work.faults:
            raise SagemakerClientError("ThrottlingException", RATE_EXCEEDED)
        request = self._checked_request("CreateTrainingJob")
        self._check_training_job(request)
        return ActionResult({"TrainingJobArn": self._start_training_job(request).arn})

    def describe_training_job(self) -> ActionResult:
        return ActionResult(self._job().describe())

    def stop_training_job(self) -> ActionResult:
        self._job().stop()
        return EmptyResult()

    def list_training_jobs(self) -> ActionResult:
        self._refuse_all_but("NextToken", "MaxResults")
        jobs = [job.describe() for job in list(self.work.jobs.values())]
        return self._page("TrainingJobSummaries", jobs[::-1])

    def _job(self) -> TrainingJob:
        name = self._get_param("TrainingJobName")
        if name not in self.work.jobs:
            raise AWSValidationException("Requested resource not found.")
        return self.work.jobs[name]

    def _check_image(self, uri: str) -> None:
        kind = media_type(self.work.clients.client("ecr"), uri)
        if kind is None:
            raise AWSValidationException(f"Requested image {uri} not found.")
        if kind not in SINGLE:
            raise AWSValidationException(
                f"Unsupported manifest media type {kind} for image {uri}. Ensure that valid "
                "manifest media type is used for specified image."
            )

    def _check_offer(self, instance_type: str) -> None:
        """What EC2 does not have in the region, SageMaker has not either."""
        (request,) = instance_type_requests([instance_type])
        answer = self.work.clients.client("ec2").describe_instance_types(**request)
        if not answer["InstanceTypes"]:
            raise SagemakerClientError(
                "ResourceLimitExceeded",
                f"The requested resource training-job/{instance_type} is not available in this "
                "region",
            )

    def _check_training_job(self, request: dict[str, Any], jobs: int = 1) -> None:
        """Whether so many jobs like this one could be started now."""
        refused = unsupported(request, self.work.runner.most_instances) + spot_problems(request)
        if refused:
            raise AWSValidationException("; ".join(refused))
        self._check_role(request["RoleArn"], f"training-job/{request['TrainingJobName']}")
        self._check_image(request["AlgorithmSpecification"]["TrainingImage"])
        name = request["TrainingJobName"]
        if name in self.work.jobs:
            raise ResourceInUseException(f"Training job {name} already exists")
        self._check_offer(request["ResourceConfig"]["InstanceType"])
        self._check_quotas(request, jobs)

    def _start_training_job(self, request: dict[str, Any]) -> TrainingJob:
        name = request["TrainingJobName"]
        arn = f"arn:aws:sagemaker:{self.region}:{self.current_account}:training-job/{name}"
        job = TrainingJob(
            request, arn, self.work.clients, self.work.runner, self.work.account, self.work.faults
        )
        self.work.jobs[name] = job
        job.start()
        return job

    def _check_quotas(self, request: dict[str, Any], jobs: int) -> None:
        account = self.work.account
        running = [job.describe() for job in list(self.work.jobs.values()) if not job.ended]
        wanted = jobs * request["ResourceConfig"]["InstanceCount"]
        for quota, most in account.limits(request).items():
            used = sum(
                job["ResourceConfig"]["InstanceCount"]
                for job in running
                if quota in account.limits(job)
            )
            if used + wanted > most:
                raise SagemakerClientError(
                    "ResourceLimitExceeded",
                    f"The account-level service limit '{quota}' is {most:g} Instances, with "
                    f"current utilization of {used} Instances and a request delta of {wanted} "
                    "Instances. Please use AWS Service Quotas to request an increase for this "
                    "quota.",
                )

    def _check_role(self, arn: str, place: str) -> None:
        """Refuse a role that does not exist, or does not trust SageMaker for this resource."""
        source = f"arn:aws:sagemaker:{self.region}:{self.current_account}:{place}"
        keys = {"aws:SourceAccount": self.current_account, "aws:SourceArn": source}
        iam = self.work.clients.client("iam")
        try:
            role = iam.get_role(RoleName=arn.rpartition("/")[2])["Role"]
            trusted = any(
                "sagemaker.amazonaws.com" in json.dumps(statement["Principal"])
                and met(statement.get("Condition", {}), keys)
                for statement in role["AssumeRolePolicyDocument"]["Statement"]
            )
        except iam.exceptions.NoSuchEntityException:
            trusted = False
        if not trusted:
            raise AWSValidationException(
                f"Could not assume role {arn}. Please ensure that the role exists and allows "
                "principal 'sagemaker.amazonaws.com' to assume the role."
            )

    def _page(self, key: str, items: list[dict[str, Any]]) -> ActionResult:
        begin = int(self._get_param("NextToken") or 0)
        end = begin + (self._get_param("MaxResults") or PAGE_SIZE)
        page: dict[str, Any] = {key: items[begin:end]}
        return ActionResult(page | ({"NextToken": str(end)} if end < len(items) else {}))


def _parameters(definition: dict[str, Any], given: list[dict[str, str]]) -> dict[str, Any]:
    """Every declared parameter with its default or the value given for this execution."""
    declared = {parameter["Name"]: parameter for parameter in definition.get("Parameters", [])}
    values = {
        name: parameter["DefaultValue"]
        for name, parameter in declared.items()
        if "DefaultValue" in parameter
    }
    problems = []
    for item in given:
        if item["Name"] not in declared:
            problems.append(f"Unknown parameters: {item['Name']}")
            continue
        try:
            values[item["Name"]] = parameter_value(declared[item["Name"]], item["Value"])
        except ValueError as error:
            problems.append(str(error))
    problems += [f"parameter {name} has no value" for name in declared if name not in values]
    if problems:
        raise AWSValidationException("; ".join(problems))
    return values
