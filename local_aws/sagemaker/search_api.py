"""The Search API, over resources of several kinds."""

from collections.abc import Callable
from typing import Any

from local_aws.sagemaker.endpoint import Endpoint
from local_aws.sagemaker.execution import Execution
from local_aws.sagemaker.executions_api import parameters_of
from local_aws.sagemaker.requests import SageMakerRequests
from local_aws.sagemaker.search_expression import kind_of, matches, properties_of, typed
from local_aws.sagemaker.training import TrainingJob
from local_aws.sagemaker.tuning import TuningJob
from local_aws.service_model import sagemaker_model

from moto.core.responses import ActionResult
from moto.sagemaker.exceptions import AWSValidationException
from moto.sagemaker.models import ModelPackage, ModelPackageGroup

Document = dict[str, Any]


class SearchApi(SageMakerRequests):
    """The operation Search."""

    def search(self) -> ActionResult:
        """Answer with a page of the resources that match, newest change first."""
        request = self._request()
        members = ("Resource", "SearchExpression", "SortBy", "SortOrder", "MaxResults", "NextToken")
        self._refuse_all_but(*members)
        resource, expression = request["Resource"], request.get("SearchExpression", {})
        shape: Any = sagemaker_model().shape_for("SearchRecord")
        shape = shape.members.get(resource)
        try:
            found = [self._document(each, resource, shape) for each in self._described(resource)]
            matches({}, expression, shape)  # what is wrong is said where nothing is found, too
            found = [each for each in found if matches(each, expression, shape)]
            found = _sorted(found, request, shape)
        except ValueError as error:
            raise AWSValidationException(str(error)) from None
        page: Any = self._page("Results", [{resource: each} for each in found])
        total = {"Value": len(found), "Relation": "EqualTo"}
        return ActionResult({**page.result, "TotalHits": total})

    def _described(self, resource: str) -> list[Document]:
        """Return the answers of Describe. Raises ValueError for a kind without search."""
        state, moto = self.state, self.sagemaker_backend
        kinds: dict[str, tuple[dict[str, Any], Callable[[Any], Document]]] = {
            "TrainingJob": (state.jobs, TrainingJob.describe),
            "HyperParameterTuningJob": (state.tuning_jobs, TuningJob.describe),
            "Pipeline": (moto.pipelines, lambda each: moto.describe_pipeline(each.pipeline_name)),
            "PipelineExecution": (state.executions, _described_execution),
            "ModelPackage": (moto.model_packages, ModelPackage.gen_response_object),
            "ModelPackageGroup": (moto.model_package_groups, ModelPackageGroup.gen_response_object),
            "Endpoint": (state.endpoints, Endpoint.describe),
        }
        if resource not in kinds:
            only = ", ".join(kinds)
            raise ValueError(f"local AWS does not support Search for {resource}, only for {only}")
        kept, describe = kinds[resource]
        return [describe(each) for each in list(kept.values())]

    def _document(self, described: Document, resource: str, shape: Any) -> Document:
        """Return the members that Search answers with: some of Describe's, and the tags."""
        invented = ("CreatedBy", "LastModifiedBy") if resource == "Pipeline" else ()
        tags = self.state.tags.get(described[f"{resource}Arn"], {})
        described["Tags"] = [{"Key": key, "Value": value} for key, value in tags.items()]
        names = [name for name in shape.members if name in described and name not in invented]
        return {name: described[name] for name in names}


def _described_execution(execution: Execution) -> Document:
    return execution.describe() | {"PipelineParameters": parameters_of(execution)}


def _sorted(documents: list[Document], request: Document, shape: Any) -> list[Document]:
    """Sort by a property; resources without it come last."""
    by = request.get("SortBy", "LastModifiedTime")
    kind = "timestamp" if by == "LastModifiedTime" else kind_of(by, shape)

    def place(document: Document) -> Any:
        never_changed = {"LastModifiedTime": document["CreationTime"]}
        value = (never_changed | dict(properties_of(document))).get(by)
        return None if value is None else typed(kind, value)

    there = [each for each in documents if place(each) is not None]
    rest = [each for each in documents if place(each) is None]
    descending = request.get("SortOrder", "Descending") == "Descending"
    return sorted(there, key=place, reverse=descending) + rest
