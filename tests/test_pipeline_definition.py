"""The JSON that AWS executes. After a change on purpose, `make regenerate` stores it."""

import copy
import functools
import json
import operator
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from container import contract
from local_aws.definition.expressions import references, resolve
from local_aws.definition.parameters import PARAMETER_TYPES
from local_aws.definition.steps import all_steps
from local_aws.definition.validation import parse_definition, problems
from local_aws.service_model import violations
from pipeline import definition as definition_module
from pipeline.definition import example_definition
from pipeline.settings import Settings, load_settings
from pipeline.stack import example_stack
from pipeline.workflow.parameters import parse_overrides

import pytest
from conftest import ROOT, WriteConfig
from generated import assert_current

STORED = Path(__file__).parent / "definition.json"


@pytest.fixture(scope="module")
def definition(settings: Settings) -> dict[str, Any]:
    return example_definition(settings)


def training_request(definition: dict[str, Any]) -> dict[str, Any]:
    """What CreateTrainingJob is sent when every parameter keeps its default."""
    defaults = {p["Name"]: p["DefaultValue"] for p in definition["Parameters"]}
    train = next(step for step in definition["Steps"] if step["Type"] == "Training")
    arguments = resolve(train["Arguments"], lambda reference: defaults[str(reference.path[0])])
    return {"TrainingJobName": "pipelines-abcdefghijkl-Train-0123456789", **arguments}


@pytest.mark.generated
def test_the_definition_is_the_one_that_was_reviewed(capsys: pytest.CaptureFixture[str]) -> None:
    assert definition_module.main([]) == 0
    assert_current(STORED, capsys.readouterr().out)


def test_it_has_no_problem_that_the_service_would_name(definition: dict[str, Any]) -> None:
    assert problems(definition) == []


def test_every_parameter_used_is_declared_and_every_declared_one_is_used(
    definition: dict[str, Any],
) -> None:
    declared = [parameter["Name"] for parameter in definition["Parameters"]]
    used = {r.path[0] for r in references(definition["Steps"]) if r.kind == "Parameters"}
    assert len(declared) == len(set(declared))
    assert used == set(declared)


def test_every_parameter_has_a_default_of_its_type(definition: dict[str, Any]) -> None:
    """So a start from SageMaker Studio with an untouched form works."""
    for parameter in definition["Parameters"]:
        assert isinstance(parameter["DefaultValue"], PARAMETER_TYPES[parameter["Type"]]), parameter


def test_the_arguments_are_a_request_that_the_api_accepts(definition: dict[str, Any]) -> None:
    assert violations("CreateTrainingJob", training_request(definition)) == []


def test_what_costs_money_or_leaks_is_set_on_purpose(
    definition: dict[str, Any], settings: Settings
) -> None:
    request = training_request(definition)
    assert request["StoppingCondition"] == {"MaxRuntimeInSeconds": settings.max_run_seconds}
    assert request["ResourceConfig"] == {
        "InstanceType": settings.instance_type,
        "InstanceCount": 1,
        "VolumeSizeInGB": settings.volume_size_gb,
    }
    assert request["EnableNetworkIsolation"] is True
    assert request["ProfilerConfig"] == {"DisableProfiler": True}
    assert "DebugHookConfig" not in request
    assert "EnableManagedSpotTraining" not in request
    assert definition["PipelineExperimentConfig"] is None


def test_hyperparameters_reach_the_job_as_strings_of_the_settings(
    definition: dict[str, Any], settings: Settings
) -> None:
    given = training_request(definition)["HyperParameters"]
    assert contract.parse_hyperparameters(given) == settings.hyperparameters


def test_the_gate_compares_a_metric_that_the_job_reports(definition: dict[str, Any]) -> None:
    gate = next(step for step in definition["Steps"] if step["Type"] == "Condition")
    metric = next(r for r in references(gate) if r.kind == "Steps").path
    names = [
        each["Name"]
        for each in training_request(definition)["AlgorithmSpecification"]["MetricDefinitions"]
    ]
    assert metric == ("Train", "FinalMetricDataList", "validation:auc", "Value")
    assert names == [contract.metric_name(metric) for metric in contract.METRICS]


def test_another_image_for_one_execution_has_no_known_revision(
    definition: dict[str, Any], settings: Settings
) -> None:
    image = f"{example_stack('s', 'us-east-1').repository_uri}@sha256:{'1' * 64}"
    alone = parse_overrides([f"ImageUri={image}"], definition, settings)
    assert alone == {"ImageUri": image, "SourceRevision": "unknown"}
    named = parse_overrides([f"ImageUri={image}", "SourceRevision=abc"], definition, settings)
    assert named["SourceRevision"] == "abc"


def register_step(definition: dict[str, Any]) -> dict[str, Any]:
    steps = all_steps(definition["Steps"])
    return next(step for step in steps if step["Type"] == "RegisterModel")


def test_the_model_waits_for_approval_in_the_group_of_the_stack(definition: dict[str, Any]) -> None:
    arguments = register_step(definition)["Arguments"]
    assert arguments["ModelApprovalStatus"] == "PendingManualApproval"
    assert arguments["ModelPackageGroupName"] == "titanic-pipeline"
    assert "CacheConfig" not in register_step(definition)


def test_a_version_says_all_metrics_the_image_and_the_data(definition: dict[str, Any]) -> None:
    said = register_step(definition)["Arguments"]["CustomerMetadataProperties"]
    referred = {(r.kind, r.path[0]) for r in references(said)}
    assert {contract.metric_name(metric) for metric in contract.METRICS} <= said.keys()
    assert referred == {
        ("Steps", "Train"),
        ("Execution", "PipelineExecutionArn"),
        *(("Parameters", name) for name in ("ImageUri", "SourceRevision")),
        *(("Parameters", name) for name in ("TrainDataUri", "ValidationDataUri")),
    }


def test_the_longest_names_fit_into_what_a_version_says_of_itself(settings: Settings) -> None:
    """SageMaker keeps 256 characters of each."""
    longest = {"stack_name": "s" * 30, "prefix": "p" * 63, "region": "ap-southeast-1"}
    found = example_definition(settings.model_copy(update=longest))
    for parameter in found["Parameters"]:
        assert len(str(parameter["DefaultValue"])) <= 256


def test_spot_sets_the_switch_the_longest_wait_and_the_place_of_checkpoints(
    write_config: WriteConfig,
) -> None:
    settings = load_settings(write_config(spot=True, max_run_seconds=60, max_wait_seconds=120))
    request = training_request(example_definition(settings))
    assert request["EnableManagedSpotTraining"] is True
    assert request["StoppingCondition"] == {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 120}
    bucket = example_stack(settings.stack_name, settings.region).bucket
    assert request["CheckpointConfig"] == {
        "S3Uri": f"s3://{bucket}/checkpoints/titanic",
        "LocalPath": "/opt/ml/checkpoints",
    }
    assert violations("CreateTrainingJob", request) == []


def test_every_parameter_says_what_it_is(definition: dict[str, Any]) -> None:
    for parameter in definition["Parameters"]:
        assert re.fullmatch("[A-Z].*[.]", parameter["Description"]), parameter


def test_steps_have_names_and_descriptions_that_read_well(definition: dict[str, Any]) -> None:
    for step in all_steps(definition["Steps"]):
        assert step["DisplayName"] != step["Name"]
        assert step["Description"].endswith(".")


BLOCK_SOCKETS = """
import socket, sys
def refuse(*_, **__):
    raise AssertionError("a socket was opened")
socket.socket.connect = socket.getaddrinfo = refuse
from pipeline.definition import main
raise SystemExit(main([]))
"""


def print_definition(environment: dict[str, str]) -> str:
    job = subprocess.run(
        [sys.executable, "-c", BLOCK_SOCKETS],
        env={"PATH": os.defpath, **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (job.returncode, job.stderr) == (0, "")
    return job.stdout


def test_it_is_hermetic(tmp_path: Path) -> None:
    """The same bytes twice, with sockets blocked, whatever this machine's SDK and AWS settings."""
    config = tmp_path / "config.yaml"
    config.write_text(
        json.dumps(
            {
                "SchemaVersion": "1.0",
                "SageMaker": {
                    "TrainingJob": {
                        "EnableNetworkIsolation": False,
                        "EnableInterContainerTrafficEncryption": True,
                        "VpcConfig": {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
                    }
                },
            }
        )
    )
    profile = tmp_path / "aws"
    profile.write_text("[default]\nregion = eu-west-3\ncredential_process = /bin/false\n")
    plain = print_definition({"HOME": str(tmp_path)})
    assert plain == print_definition(
        {
            "HOME": "/nonexistent",
            "PYTHONHASHSEED": "7",
            "SAGEMAKER_USER_CONFIG_OVERRIDE": str(config),
            "AWS_CONFIG_FILE": str(profile),
            "AWS_PROFILE": "missing",
            "AWS_DEFAULT_REGION": "ap-northeast-2",
            "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        }
    )
    assert json.loads(plain) == json.loads(STORED.read_text(encoding="utf-8"))


def test_bad_settings_end_with_one_line_and_a_hint(
    write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    assert definition_module.main(["--config", str(write_config(region="mars"))]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: pipeline.yaml: region: 'mars' is not a region")
    assert "\nhint: " in err


def changed(definition: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return a copy with another value at `path`; None deletes, and `+` is the end of a list."""
    copied = copy.deepcopy(definition)
    *parents, last = (int(part) if part.isdigit() else part for part in path.split())
    parent: Any = functools.reduce(operator.getitem, parents, copied)  # type: ignore[arg-type]
    if value is None:
        del parent[last]
    elif last == "+":
        parent.append(value(copied))
    else:
        parent[last] = value
    return copied


def step_after(name: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda definition: {**definition["Steps"][0], "Name": "Later", "DependsOn": [name]}


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"Steps": null}', '{"Steps": ["x"]}', '{"Steps": [{"DependsOn": 5}]}']
)
def test_what_is_no_definition_at_all_is_an_error_too(text: str) -> None:
    with pytest.raises(ValueError, match=r"Expecting|not a JSON object|malformed|not legal"):
        parse_definition(text)


TRAIN, GATE, REGISTER = "Steps 0", "Steps 1", "Steps 1 Arguments IfSteps 0"
COMPARED = f"{GATE} Arguments Conditions 0"
METRICS = f"{TRAIN} Arguments AlgorithmSpecification MetricDefinitions"
INSTANCE_TYPE = "Parameters 0"


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        (INSTANCE_TYPE, None, "Parameters.InstanceType refers to nothing that is declared"),
        ("Parameters +", lambda d: d["Parameters"][0], "parameter InstanceType: declared twice"),
        (f"{INSTANCE_TYPE} DefaultValue", 5, "the default 5 is not of type String"),
        ("Parameters 1 DefaultValue", True, "the default True is not of type Integer"),
        (f"{INSTANCE_TYPE} EnumValues", ["x"], "'ml.m5.large' is not among its allowed values"),
        (f"{INSTANCE_TYPE} DefaultValue", "ml.huge", "InstanceType: 'ml.huge' is not one of the"),
        (f"{INSTANCE_TYPE} Help", "x", "parameter InstanceType: unknown member Help"),
        (f"{INSTANCE_TYPE} Description", "x" * 5000, "5000 characters of description, of 4096"),
        (f"{TRAIN} Arguments RoleArn", "my-role", "RoleArn: 'my-role' does not match"),
        (f"{TRAIN} Arguments RoleArn", {"Std:Split": {}}, "function Std:Split is not supported"),
        (METRICS, [{"Name": "a", "Regex": "a"}] * 41, "length 41 is more than 40"),
        (f"{TRAIN} Arguments Environment CACHE_KEY", 3, "3 is not a string"),
        (f"{TRAIN} Arguments InstanceTyp", "x", "unknown member InstanceTyp"),
        (f"{TRAIN} Type", "QualityCheck", "the type QualityCheck is not supported"),
        (f"{TRAIN} DependsOn", ["CheckValidationAuc"], "depend on each other in a circle"),
        (f"{TRAIN} Nonsense", 1, "step Train: unknown member Nonsense"),
        (f"{TRAIN} CacheConfig ExpireAfter", "a month", "'a month' is not an ISO 8601 duration"),
        (f"{GATE} DependsOn", ["Evaluate"], "DependsOn names an unknown step Evaluate"),
        (f"{GATE} Name", "bad name!", "the name is not legal"),
        (f"{GATE} Arguments Conditions", None, "Conditions are missing"),
        (f"{COMPARED} LeftValue", {"Get": "Steps.Tune.Auc"}, "Steps.Tune.Auc refers to nothing"),
        (f"{COMPARED} LeftValue", {"Get": "Train['"}, "is not a reference"),
        (f"{COMPARED} Type", "Resembles", "the condition type Resembles is not supported"),
        (f"{REGISTER} CacheConfig", {"Enabled": True}, "a RegisterModel step cannot be cached"),
        (f"{REGISTER} Arguments ModelApprovalStatus", "Perhaps", "Status: 'Perhaps' is not one"),
        ("Steps", [], "the definition has no steps"),
        ("Steps +", lambda d: d["Steps"][0], "step Train: given twice"),
        ("Steps +", step_after("Candidate-RegisterModel"), "RegisterModel, which is in a branch"),
        ("Steps +", step_after("ValidationAucTooLow"), "can not depends on ValidationAucTooLow"),
    ],
)
def test_each_mistake_that_the_sdk_lets_through_is_found(
    path: str, value: Any, problem: str, definition: dict[str, Any]
) -> None:
    found = problems(changed(definition, path, value))
    assert any(problem in each for each in found), found
