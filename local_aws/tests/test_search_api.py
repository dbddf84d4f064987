"""What Search finds of that which was made here."""

import uuid
from typing import Any

from local_aws.tests.jobs import Jobs
from local_aws.tests.test_pipelines import Pipeline, condition

import pytest
from botocore.exceptions import ClientError


class Trained:
    """Two training jobs, a deep and a flat one, with a tag that no others have."""

    def __init__(self, jobs: Jobs) -> None:
        self.sagemaker = jobs.sagemaker
        self.project = uuid.uuid4().hex
        request = jobs.request()["AlgorithmSpecification"]
        metric = {"Name": "validation:auc", "Regex": "auc=([0-9.]+)"}
        self.names = {
            kind: jobs.start(
                AlgorithmSpecification=request | {"MetricDefinitions": [metric]},
                HyperParameters={"do": f"print('auc={auc}')", "depth": depth, "kind": kind},
                Tags=[{"Key": "project", "Value": self.project}],
            )
            for kind, auc, depth in (("deep", 0.9, "10"), ("flat", 0.7, "9.5"))
        }
        for name in self.names.values():
            assert jobs.wait(name)["TrainingJobStatus"] == "Completed"

    def find(self, *filters: dict[str, Any], **request: Any) -> list[str]:
        """Return which of the two match, in the order of the answer."""
        mine = {"Name": "Tags.project", "Operator": "Equals", "Value": self.project}
        inner = request.pop("inner", {"Filters": list(filters)} if filters else {})
        subs = {"SubExpressions": [inner]} if inner else {}
        answer = self.sagemaker.search(
            Resource="TrainingJob", SearchExpression={"Filters": [mine], **subs}, **request
        )
        found = [each["TrainingJob"]["TrainingJobName"] for each in answer["Results"]]
        assert answer["TotalHits"] == {"Value": len(found), "Relation": "EqualTo"}
        return [kind for name in found for kind in self.names if self.names[kind] == name]


@pytest.fixture(scope="module")
def trained(jobs: Jobs) -> Trained:
    return Trained(jobs)


def where(name: str, operator: str = "", value: str = "") -> dict[str, Any]:
    given = {"Name": name, "Operator": operator, "Value": value}
    return {key: text for key, text in given.items() if text}


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ([], ["deep", "flat"]),
        ([where("Metrics.validation:auc", "GreaterThan", "0.8")], ["deep"]),
        ([where("HyperParameters.depth", "LessThanOrEqualTo", "9.5")], ["flat"]),
        ([where("HyperParameters.kind", value="deep")], ["deep"]),
        ([where("HyperParameters.kind", "NotEquals", "deep")], ["flat"]),
        ([where("HyperParameters.kind", "In", "flat, round")], ["flat"]),
        ([where("TrainingJobName", "Contains", "job-")], ["deep", "flat"]),
        ([where("TrainingJobStatus", "Equals", "Failed")], []),
        ([where("FailureReason", "NotExists"), where("ModelArtifacts")], ["deep", "flat"]),
        ([where("HyperParameters.leaves", "Exists")], []),
        ([where("CreationTime", "GreaterThan", "2100-01-01T00:00:00")], []),
        ([where("CreationTime", "LessThan", "2100-01-01T00:00:00")], ["deep", "flat"]),
        ([where("EnableManagedSpotTraining", "Equals", "false")], ["deep", "flat"]),
        ([where("ResourceConfig.InstanceCount", "Equals", "1")], ["deep", "flat"]),
        ([where("AlgorithmSpecification.MetricDefinitions.Name", "Contains", "f1")], []),
    ],
)
def test_training_jobs_are_found_by_their_properties(
    filters: list[dict[str, Any]], found: list[str], trained: Trained
) -> None:
    assert sorted(trained.find(*filters)) == found


def test_one_of_several_conditions_can_be_enough(trained: Trained) -> None:
    either = [where("HyperParameters.kind", "Equals", kind) for kind in ("deep", "flat", "no")]
    assert trained.find(*either) == []
    assert len(trained.find(inner={"Filters": either, "Operator": "Or"})) == 2


def test_what_is_found_is_sorted_and_paged(trained: Trained) -> None:
    by = {"SortBy": "Metrics.validation:auc"}
    assert trained.find(**by) == ["deep", "flat"]
    assert trained.find(**by, SortOrder="Ascending") == ["flat", "deep"]
    pages = trained.sagemaker.get_paginator("search").paginate(
        Resource="TrainingJob",
        SearchExpression={"Filters": [where("Tags.project", "Equals", trained.project)]},
        PaginationConfig={"PageSize": 1},
    )
    found = [[each["TrainingJob"]["TrainingJobName"] for each in page["Results"]] for page in pages]
    assert sorted(found) == sorted([name] for name in trained.names.values())


NESTED = {"NestedPropertyName": "InputDataConfig", "Filters": [where("ChannelName")]}


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"SearchExpression": {"Filters": [where("Colour")]}}, "Unknown property name: Colour"),
        ({"SortBy": "Colour"}, "Unknown property name: Colour"),
        (
            {"SearchExpression": {"Filters": [where("TrainingJobName", "GreaterThan", "a")]}},
            "TrainingJobName: GreaterThan is not for a string",
        ),
        (
            {"SearchExpression": {"Filters": [where("CreationTime", "LessThan", "today")]}},
            "CreationTime: 'today' is not a timestamp",
        ),
        (
            {"SearchExpression": {"Filters": [where("TrainingJobName", "Equals")]}},
            "TrainingJobName: Equals needs a Value",
        ),
        (
            {"SearchExpression": {"NestedFilters": [NESTED]}},
            "local AWS does not support NestedFilters",
        ),
        ({"Resource": "FeatureGroup"}, "local AWS does not support Search for FeatureGroup, only"),
        ({"Resource": "Ship"}, "1 validation error detected"),
    ],
)
def test_what_cannot_be_searched_is_refused_by_name(
    request_: dict[str, Any], message: str, jobs: Jobs
) -> None:
    with pytest.raises(ClientError, match=message) as error:
        jobs.sagemaker.search(**{"Resource": "TrainingJob"} | request_)
    assert error.value.response["Error"]["Code"] == "ValidationException"


def test_pipelines_executions_and_versions_are_found(jobs: Jobs) -> None:
    parameter = {"Name": "Depth", "Type": "Integer", "DefaultValue": 3}
    tags = [{"Key": "team", "Value": "a"}]
    pipeline = Pipeline(jobs, condition(), parameters=[parameter], Tags=tags)
    execution, _ = pipeline.run()
    group = {"ModelPackageGroupName": pipeline.name}
    jobs.sagemaker.create_model_package_group(**group)
    container = {"Image": jobs.image, "ModelDataUrl": f"s3://{jobs.bucket}/model.tar.gz"}
    version = jobs.sagemaker.create_model_package(
        **group,
        ModelApprovalStatus="Approved",
        InferenceSpecification={"Containers": [container]},
    )["ModelPackageArn"]

    def find(resource: str, *filters: dict[str, Any]) -> dict[str, Any]:
        answer = jobs.sagemaker.search(
            Resource=resource, SearchExpression={"Filters": list(filters)}
        )
        (result,) = answer["Results"]
        found: dict[str, Any] = result[resource]
        return found

    found = find("Pipeline", where("PipelineName", "Equals", pipeline.name))
    assert (found["PipelineArn"], found["Tags"]) == (pipeline.arn, tags)
    found = find("PipelineExecution", where("PipelineArn", "Equals", pipeline.arn))
    assert found["PipelineExecutionArn"] == execution["PipelineExecutionArn"]
    assert found["PipelineExecutionStatus"] == "Succeeded"
    assert found["PipelineParameters"] == [{"Name": "Depth", "Value": "3"}]
    of_group = where("ModelPackageGroupName", "Contains", pipeline.name)
    found = find("ModelPackage", of_group, where("ModelApprovalStatus", "Equals", "Approved"))
    assert found["ModelPackageArn"] == version
    assert find("ModelPackageGroup", of_group)["ModelPackageGroupName"] == pipeline.name
