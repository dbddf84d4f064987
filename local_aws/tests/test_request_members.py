"""The list of what is done with each member of a request is complete."""

from collections.abc import Iterator
from typing import Any

from local_aws.sagemaker.request_members import REQUESTS
from local_aws.sagemaker.request_members.treatments import DONE, REFUSED, Table
from local_aws.sagemaker.supported import not_carried_out, unsupported
from local_aws.service_model import sagemaker_model

import pytest


def undecided(table: Table, shape: Any, path: str) -> list[str]:
    """Return the members that the list lacks, those that AWS lacks, and structures done blindly."""
    while shape.type_name == "list":
        shape = shape.member
    found = [f"{path}.{name}" for name in shape.members.keys() ^ table.keys()]
    for name in shape.members.keys() & table.keys():
        treatment, member = table[name], shape.members[name]
        if isinstance(treatment, dict):
            found += undecided(treatment, member, f"{path}.{name}")
            continue
        while member.type_name == "list":
            member = member.member
        if member.type_name == "structure" and treatment is DONE:
            found.append(f"{path}.{name}: say it of each of its members")
    return found


@pytest.mark.parametrize("operation", REQUESTS)
def test_every_member_of_the_api_is_decided_on(operation: str) -> None:
    shape = sagemaker_model().operation_model(operation).input_shape
    assert undecided(REQUESTS[operation], shape, operation) == []


TRAINING: dict[str, Any] = {
    "AlgorithmSpecification": {"TrainingInputMode": "FastFile"},
    "ResourceConfig": {"KeepAlivePeriodInSeconds": 60},
    "DebugHookConfig": {"S3OutputPath": "s3://a/b"},
    "ProfilerConfig": {"DisableProfiler": False, "S3OutputPath": "s3://a/b"},
    "RetryStrategy": {"MaximumRetryAttempts": 2},
    "InputDataConfig": [{"InputMode": "FastFile"}, {"InputMode": "FastFile"}],
    "EnableInterContainerTrafficEncryption": False,
}


def test_what_changes_no_result_is_named_once() -> None:
    assert unsupported("CreateTrainingJob", TRAINING) == []
    assert not_carried_out("CreateTrainingJob", TRAINING) == (
        "not carried out here: AlgorithmSpecification.TrainingInputMode FastFile, "
        "ResourceConfig.KeepAlivePeriodInSeconds, DebugHookConfig, ProfilerConfig.DisableProfiler "
        "False, ProfilerConfig.S3OutputPath, RetryStrategy, InputDataConfig.InputMode FastFile"
    )
    off = {"ProfilerConfig": {"DisableProfiler": True}}
    assert not_carried_out("CreateTrainingJob", off) is None


@pytest.mark.parametrize(
    ("operation", "request_", "problem"),
    [
        ("CreateTrainingJob", {"MlflowConfig": {}}, "support CreateTrainingJob.MlflowConfig"),
        ("CreateTrainingJob", {"New": 1}, "support CreateTrainingJob.New"),
        (
            "CreateTrainingJob",
            {"AlgorithmSpecification": {"TrainingInputMode": "Pipe"}},
            "support CreateTrainingJob.AlgorithmSpecification.TrainingInputMode 'Pipe', only "
            "'File', 'FastFile'",
        ),
        (
            "CreateTrainingJob",
            {"InputDataConfig": [{"CompressionType": "Gzip"}]},
            "support CreateTrainingJob.InputDataConfig.CompressionType 'Gzip', only 'None'",
        ),
        (
            "CreateProcessingJob",
            {"ProcessingInputs": [{"DatasetDefinition": {}}]},
            "support CreateProcessingJob.ProcessingInputs.DatasetDefinition",
        ),
    ],
)
def test_what_would_change_a_result_is_refused_by_name(
    operation: str, request_: dict[str, Any], problem: str
) -> None:
    assert unsupported(operation, request_) == [f"local AWS does not {problem}"]


def refused_members(table: Table) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the path of each refused member, and a request that has it and nothing else."""
    for name, treatment in table.items():
        if treatment is REFUSED:
            yield name, {name: "given"}
        elif isinstance(treatment, dict):
            for path, inner in refused_members(treatment):
                yield f"{name}.{path}", {name: [inner]}


@pytest.mark.parametrize("operation", REQUESTS)
def test_each_refused_member_is_refused_by_its_path(operation: str) -> None:
    found = dict(refused_members(REQUESTS[operation]))
    for path, request in found.items():
        assert unsupported(operation, request) == [f"local AWS does not support {operation}.{path}"]
