"""The tuning block of pipeline.yaml, and the pipeline that is made of it."""

import json
from typing import Any

from container import contract
from container.contract import CROSS_VALIDATION, FOLDS
from container.errors import InputError
from local_aws.definition.validation import problems
from pipeline.definition import NO_IMAGE_DIGEST, NO_SOURCE_REVISION, Inputs, build_pipeline
from pipeline.settings import Settings, load_settings
from pipeline.stack import example_stack
from pipeline.tuning.definition import TUNE_STEP, build_tuning_pipeline
from pipeline.tuning.trials import as_yaml, compare, table
from pipeline.tuning_settings import Tuning
from pipeline.workflow.parameters import INSTANCE_TYPE

import boto3
import pytest
import yaml
from conftest import WriteConfig


def definitions(settings: Settings, tuning: Tuning) -> tuple[dict[str, Any], dict[str, Any]]:
    """Of the pipeline that trains, and of the one that searches."""
    stack = example_stack(settings.stack_name, settings.region)
    inputs = Inputs(
        f"{stack.repository_uri}@{NO_IMAGE_DIGEST}",
        NO_SOURCE_REVISION,
        {"train": f"s3://{stack.bucket}/t/", "validation": f"s3://{stack.bucket}/v/"},
    )
    session = boto3.Session(
        region_name=settings.region, aws_access_key_id="none", aws_secret_access_key="none"
    )
    return (
        json.loads(build_pipeline(settings, stack, inputs, session).definition()),
        json.loads(build_tuning_pipeline(settings, tuning, stack, inputs, session).definition()),
    )


def test_a_search_runs_the_training_job_of_the_pipeline(settings: Settings) -> None:
    assert settings.tuning
    training, searching = definitions(settings, settings.tuning)
    assert problems(searching) == []
    present, step = searching["Steps"]
    assert (step["Name"], step["Type"]) == (TUNE_STEP, "Tuning")
    assert step["DependsOn"] == [present["Name"]]
    measured = present["Arguments"]
    assert measured["HyperParameters"].keys() == {*contract.HYPERPARAMETERS, FOLDS}
    job = step["Arguments"]["TrainingJobDefinition"]
    trained = training["Steps"][0]["Arguments"]
    for same in ("RoleArn", "OutputDataConfig", "StoppingCondition", "EnableNetworkIsolation"):
        assert job[same] == trained[same]
    algorithm, expected = job["AlgorithmSpecification"], trained["AlgorithmSpecification"]
    assert algorithm["TrainingImage"] == expected["TrainingImage"]
    resources = job["HyperParameterTuningResourceConfig"]
    assert resources["InstanceType"] == {"Get": f"Parameters.{INSTANCE_TYPE}"}
    assert [channel["ChannelName"] for channel in job["InputDataConfig"]] == ["train"]
    static = job["StaticHyperParameters"]
    assert static.keys() == contract.HYPERPARAMETERS.keys() - settings.tuning.ranges | {FOLDS}


def test_the_objective_is_found_in_the_log_of_a_cross_validation(settings: Settings) -> None:
    assert settings.tuning
    _, searching = definitions(settings, settings.tuning)
    arguments = searching["Steps"][1]["Arguments"]
    config = arguments["HyperParameterTuningJobConfig"]
    name = config["HyperParameterTuningJobObjective"]["MetricName"]
    assert name == contract.metric_name("auc", CROSS_VALIDATION)
    metrics = arguments["TrainingJobDefinition"]["AlgorithmSpecification"]["MetricDefinitions"]
    regexes = {each["Name"]: each["Regex"] for each in metrics}
    assert regexes[name] == contract.metric_regex("auc", CROSS_VALIDATION)
    assert config["RandomSeed"] == settings.tuning.seed


def test_ranges_become_those_of_sagemaker(settings: Settings) -> None:
    assert settings.tuning
    ranges = {
        "max_depth": {"min": 2, "max": 5},
        "eta": {"min": 0.01, "max": 0.3, "scale": "Logarithmic"},
        "gamma": [0, 1.5],
    }
    tuning = Tuning.model_validate(settings.tuning.model_dump() | {"ranges": ranges})
    _, searching = definitions(settings, tuning)
    config = searching["Steps"][1]["Arguments"]["HyperParameterTuningJobConfig"]
    depth = {"Name": "max_depth", "MinValue": "2", "MaxValue": "5", "ScalingType": "Linear"}
    eta = {"Name": "eta", "MinValue": "0.01", "MaxValue": "0.3", "ScalingType": "Logarithmic"}
    assert config["ParameterRanges"] == {
        "IntegerParameterRanges": [depth],
        "ContinuousParameterRanges": [eta],
        "CategoricalParameterRanges": [{"Name": "gamma", "Values": ["0.0", "1.5"]}],
    }


def test_a_grid_has_as_many_jobs_as_combinations(settings: Settings) -> None:
    assert settings.tuning
    ranges = {"max_depth": [2, 3, 4], "eta": [0.1, 0.3]}
    changes = {"strategy": "Grid", "ranges": ranges, "parallel": 50}
    tuning = Tuning.model_validate(settings.tuning.model_dump() | changes)
    assert (tuning.trials, tuning.at_once) == (6, 6)
    _, searching = definitions(settings, tuning)
    limits = searching["Steps"][1]["Arguments"]["HyperParameterTuningJobConfig"]["ResourceLimits"]
    assert limits == {"MaxNumberOfTrainingJobs": 6, "MaxParallelTrainingJobs": 6}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"strategy": "Hyperband"}, "tuning.strategy: 'Hyperband'"),
        ({"jobs": 0}, "tuning.jobs: 0"),
        ({"folds": 2}, "tuning.folds: 2 is not an integer from 3 to 20"),
        ({"job": 3}, "unknown key: tuning.job"),
        ({"ranges": {}}, "tuning.ranges: names of hyperparameters"),
        ({"ranges": {"max_dept": [1, 2]}}, "unknown hyperparameter max_dept (did you mean max_dep"),
        ({"ranges": {"max_depth": [1, 1]}}, "max_depth: 1 to 30 different values are needed"),
        ({"ranges": {"max_depth": [1, 99]}}, "max_depth: 99 is not an integer from 1 to 16"),
        ({"ranges": {"max_depth": 3}}, "max_depth: a range {min: ..., max: ...} or a list"),
        ({"ranges": {"eta": {"min": 0.1, "max": 2}}}, "eta: 2 is not a number from 0.0001 to 1"),
        ({"ranges": {"eta": {"min": 0.3, "max": 0.1}}}, "min (0.3) must be below max (0.1)"),
        (
            {"ranges": {"gamma": {"min": 0, "max": 1, "scale": "Logarithmic"}}},
            "min (0) must be above 0 with Logarithmic",
        ),
    ],
)
def test_mistakes_in_the_tuning_block_are_said(
    changes: dict[str, Any], problem: str, settings: Settings, write_config: WriteConfig
) -> None:
    assert settings.tuning
    changed = yaml.safe_load(settings.tuning.model_dump_json()) | changes
    with pytest.raises(InputError) as caught:
        load_settings(write_config(tuning=changed))
    assert problem in str(caught.value)


def test_the_best_come_first_and_failures_last_each_with_its_number() -> None:
    trials = [
        {"number": number, "objective": auc, "status": status, "hyperparameters": {"max_depth": 9}}
        for number, auc, status in (
            (1, 0.8, "Completed"),
            (2, None, "Failed"),
            (3, 0.9, "Completed"),
        )
    ]
    assert [line.split() for line in table(trials).splitlines()] == [
        ["max_"],
        ["job", "AUC", "depth"],
        ["3", "0.9000", "9"],
        ["1", "0.8000", "9"],
        ["2", "Failed", "9"],
    ]


@pytest.mark.parametrize(
    ("objective", "said"),
    [
        (0.89, "job 7, AUC 0.8900, +0.0100 against present: within"),
        (0.95, ": more than the"),
    ],
)
def test_a_gain_within_the_spread_between_the_folds_is_no_reason(
    objective: float, said: str
) -> None:
    assert said in compare(
        {"number": 7, "objective": objective}, {"objective": 0.88, "spread": 0.02}
    )


def test_the_block_is_yaml_with_the_same_numbers() -> None:
    values: dict[str, int | float] = {"num_round": 500, "eta": 1e-05, "gamma": 0.1 + 0.2}
    written = yaml.safe_load(as_yaml(values))["hyperparameters"]
    assert {name: float(value) for name, value in written.items()} == values
