"""The API of pipeline executions. It replaces moto's, which succeed at once without running."""

import json
import secrets
from typing import Any

from local_aws.definition.parameters import parameter_values
from local_aws.definition.selection import selection_problems
from local_aws.sagemaker.execution import MOST_PARALLEL_STEPS, Execution
from local_aws.sagemaker.pipelines_api import PipelinesApi

from moto.core.responses import ActionResult
from moto.sagemaker.exceptions import AWSValidationException, ResourceNotFound

ID_LENGTH = 12
SHOWN = (  # of an execution, in the List call
    "PipelineExecutionArn",
    "PipelineExecutionStatus",
    "PipelineExecutionDescription",
    "PipelineExecutionDisplayName",
)


class ExecutionsApi(PipelinesApi):
    """The operations on executions."""

    def start_pipeline_execution(self) -> ActionResult:
        """Start an execution of the stored definition; an equal token gives the same execution."""
        request = self._request()
        self._refuse_all_but(
            "PipelineName",
            "PipelineParameters",
            "PipelineExecutionDisplayName",
            "PipelineExecutionDescription",
            "ClientRequestToken",
            "ParallelismConfiguration",
            "SelectiveExecutionConfig",
            "RoleArn",
        )
        self._check_exists()
        name = self._get_param("PipelineName")

        def start() -> str:
            execution = self._make_execution(name, request)
            self.state.executions[execution.arn] = execution
            execution.start()
            return execution.arn

        token = request["ClientRequestToken"]
        arn = self._once(f"StartPipelineExecution {name}", token, start)
        return ActionResult({"PipelineExecutionArn": arn})

    def _make_execution(self, name: str, request: dict[str, Any]) -> Execution:
        pipeline = self.sagemaker_backend.describe_pipeline(name)
        role = request.get("RoleArn", pipeline["RoleArn"])
        if "RoleArn" in request:
            self._check_role(role, f"pipeline/{name}")
        definition = json.loads(pipeline["PipelineDefinition"])
        try:
            parameters = parameter_values(definition, request.get("PipelineParameters", []))
        except ValueError as error:
            raise AWSValidationException(str(error)) from None
        execution = Execution(
            f"{pipeline['PipelineArn']}/execution/{secrets.token_hex(ID_LENGTH // 2)}",
            pipeline["PipelineDefinition"],
            parameters,
            lambda: self.state.clients.as_role(role).client,
            self.state.cache,
            faults=self.state.faults,
            callbacks=self.state.callbacks,
            request=request,
            most_parallel=_most_parallel(request, pipeline),
            source=self._source(definition, request.get("SelectiveExecutionConfig")),
        )
        moto_pipeline = self.sagemaker_backend.pipelines[name]
        moto_pipeline.last_execution_time = execution.last_modified
        return execution

    def _source(self, definition: dict[str, Any], config: dict[str, Any] | None) -> Any:
        """Return the execution whose results selected steps use. Raises for a wrong selection."""
        if config is None:
            return None
        arn = config.get("SourcePipelineExecutionArn")
        source = self._execution(arn) if arn else None
        if source and source.pipeline_arn != self._pipeline_arn(self._get_param("PipelineName")):
            raise AWSValidationException(f"{arn} is an execution of another pipeline")
        if source and not source.ended:
            raise AWSValidationException(f"{arn} is still {source.status}")
        selected = {each["StepName"] for each in config["SelectedSteps"]}
        available = source.succeeded() if source else set()
        found = selection_problems(definition["Steps"], selected, available)
        self._refuse(found)
        return source

    def retry_pipeline_execution(self) -> ActionResult:
        """Run the steps of an ended execution again that did not succeed."""
        request = self._request()
        execution = self._execution()
        parallel = "ParallelismConfiguration" in request

        def retry() -> str:
            try:
                execution.retry(_most_parallel(request, {}) if parallel else 0)
            except ValueError as error:
                raise AWSValidationException(str(error)) from None
            return execution.arn

        self._once(f"RetryPipelineExecution {execution.arn}", request["ClientRequestToken"], retry)
        return ActionResult({"PipelineExecutionArn": execution.arn})

    def update_pipeline_execution(self) -> ActionResult:
        """Change display name, description or parallelism of an execution."""
        execution, request = self._execution(), self._request()
        execution.change(request)
        return ActionResult({"PipelineExecutionArn": execution.arn})

    def stop_pipeline_execution(self) -> ActionResult:
        """Stop an execution; its status is Stopping until its jobs have ended."""
        execution = self._execution()
        execution.stop()
        return ActionResult({"PipelineExecutionArn": execution.arn})

    def send_pipeline_execution_step_success(self) -> ActionResult:
        """End a callback step with its output parameters."""
        given = self._request().get("OutputParameters", [])
        return self._answer({each["Name"]: each["Value"] for each in given}, None)

    def send_pipeline_execution_step_failure(self) -> ActionResult:
        """Fail a callback step with a reason."""
        return self._answer({}, self._request().get("FailureReason", ""))

    def _answer(self, outputs: dict[str, str], failure: str | None) -> ActionResult:
        """Answer a callback. The client may repeat the same request."""
        request = self._request()
        token = request["CallbackToken"]

        def answer() -> str:
            try:
                return self.state.callbacks.answer(token, outputs, failure)
            except KeyError:
                raise ResourceNotFound(f"No callback step waits for {token}") from None

        operation = f"SendPipelineExecutionStep {token}"
        arn = self._once(operation, request.get("ClientRequestToken", ""), answer)
        return ActionResult({"PipelineExecutionArn": arn})

    def describe_pipeline_execution(self) -> ActionResult:
        """Answer with the status of an execution and, if it failed, the reason."""
        return ActionResult(self._execution().describe())

    def describe_pipeline_definition_for_execution(self) -> ActionResult:
        """Answer with the definition at the start of the execution."""
        execution = self._execution()
        return ActionResult(
            {"PipelineDefinition": execution.definition, "CreationTime": execution.values.started}
        )

    def list_pipeline_executions(self) -> ActionResult:
        """Answer with a page of a pipeline's executions, filtered and sorted as on AWS."""
        self._refuse_versions()
        self._check_exists()
        request, name = self._request(), self._get_param("PipelineName")
        found = [e for e in self.state.executions.values() if e.pipeline_name == name]
        if "CreatedAfter" in request:
            found = [e for e in found if e.values.started.timestamp() >= request["CreatedAfter"]]
        if "CreatedBefore" in request:
            found = [e for e in found if e.values.started.timestamp() <= request["CreatedBefore"]]
        by_arn = request.get("SortBy") == "PipelineExecutionArn"
        found.sort(key=lambda e: e.arn if by_arn else e.values.started.isoformat())
        if request.get("SortOrder", "Descending") == "Descending":
            found.reverse()
        return self._page("PipelineExecutionSummaries", [_summary(each) for each in found])

    def list_pipeline_parameters_for_execution(self) -> ActionResult:
        """Answer with all parameters, including default values."""
        return self._page("PipelineParameters", parameters_of(self._execution()))

    def list_pipeline_execution_steps(self) -> ActionResult:
        """Answer with a page of the steps that have begun."""
        steps = self._execution().steps()
        if self._get_param("SortOrder", "Descending") == "Descending":
            steps.reverse()
        return self._page("PipelineExecutionSteps", steps)

    def _execution(self, arn: str | None = None) -> Execution:
        arn = arn or self._get_param("PipelineExecutionArn")
        if arn not in self.state.executions:
            raise ResourceNotFound(f"Pipeline execution with ARN {arn} does not exist")
        return self.state.executions[arn]


def _most_parallel(request: dict[str, Any], pipeline: dict[str, Any]) -> int:
    config = request.get("ParallelismConfiguration") or pipeline.get("ParallelismConfiguration")
    most: int = (config or {}).get("MaxParallelExecutionSteps", MOST_PARALLEL_STEPS)
    return most


def parameters_of(execution: Execution) -> list[dict[str, str]]:
    """Return the PipelineParameters of an execution, including default values."""
    parameters = execution.values.parameters.items()
    return [{"Name": name, "Value": str(value)} for name, value in parameters]


def _summary(execution: Execution) -> dict[str, Any]:
    described = execution.describe()
    return {
        **{name: described.get(name) for name in SHOWN},
        "StartTime": execution.values.started,
        "PipelineExecutionFailureReason": described.get("FailureReason"),
    }
