"""Pipelines and their executions: moto stores them, `Execution` carries them out."""

import json
from typing import Any

from local_aws.definition.parameters import parameter_values
from local_aws.definition.validation import parse_definition
from local_aws.sagemaker.execution import Execution
from local_aws.sagemaker.requests import SageMakerRequests

from moto.core.responses import ActionResult
from moto.sagemaker.exceptions import AWSValidationException, ResourceNotFound


class PipelinesApi(SageMakerRequests):
    def create_pipeline(self) -> ActionResult:
        self._check_pipeline()
        return super().create_pipeline()

    def update_pipeline(self) -> ActionResult:
        self._check_exists()
        self._check_pipeline()
        return super().update_pipeline()

    def describe_pipeline(self) -> ActionResult:
        self._check_exists()
        return super().describe_pipeline()

    def delete_pipeline(self) -> ActionResult:
        self._check_exists()
        return super().delete_pipeline()

    def _get_param(self, param_name: str, if_none: Any = None) -> Any:
        """Return a member of the request: of a pipeline always the name, also for its ARN."""
        value = super()._get_param(param_name, if_none)
        return (
            value.rpartition(":pipeline/")[2] if param_name == "PipelineName" and value else value
        )

    def _check_exists(self) -> None:
        """Raise what AWS raises, where moto has a validation error."""
        name = self._get_param("PipelineName")
        if name not in self.sagemaker_backend.pipelines:
            arn = f"arn:aws:sagemaker:{self.region}:{self.current_account}:pipeline/{name}"
            raise ResourceNotFound(f"Pipeline '{arn}' does not exist.")

    def _check_pipeline(self) -> None:
        request = self._request()
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

    def start_pipeline_execution(self) -> ActionResult:
        request = self._request()
        self._refuse_all_but(
            "PipelineName",
            "PipelineParameters",
            "PipelineExecutionDisplayName",
            "PipelineExecutionDescription",
            "ClientRequestToken",
        )
        self._check_exists()
        name, token = self._get_param("PipelineName"), request["ClientRequestToken"]
        for execution in self.state.executions.values():  # the same request, sent once more
            if (execution.pipeline_name, execution.token) == (name, token):
                return ActionResult({"PipelineExecutionArn": execution.arn})
        pipeline = self.sagemaker_backend.describe_pipeline(name)
        definition = json.loads(pipeline["PipelineDefinition"])
        try:
            parameters = parameter_values(definition, request.get("PipelineParameters", []))
        except ValueError as error:
            raise AWSValidationException(str(error)) from None
        answer: Any = super().start_pipeline_execution()
        execution = Execution(
            answer.result["PipelineExecutionArn"],
            definition,
            parameters,
            lambda: self.state.clients.as_role(pipeline["RoleArn"]).client,
            self.state.cache,
            faults=self.state.faults,
            token=token,
        )
        self.state.executions[execution.arn] = execution
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
            execution = self.state.executions[summary["PipelineExecutionArn"]]
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
        if arn not in self.state.executions:
            raise ResourceNotFound(f"Pipeline execution with ARN {arn} does not exist")
        return self.state.executions[arn]
