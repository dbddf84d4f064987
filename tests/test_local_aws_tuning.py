"""Tuning jobs of local AWS, asked for with boto3; every training job of theirs really runs."""

import json
import re
import time
import uuid
from collections.abc import Mapping
from typing import Any

from container import contract
from container.contract import CROSS_VALIDATION
from local_aws.service_model import violations
from local_aws.tests.jobs import JobCalls
from local_aws.tests.waiting import wait_for
from pipeline.data import Dataset
from pipeline.local import ProjectAws
from pipeline.settings import Settings

import pytest
from botocore.exceptions import ClientError
from conftest import SLOW
from sagemaker.parameter import ContinuousParameter, IntegerParameter
from sagemaker.tuner import HyperparameterTuner
from test_local_aws_training import SLOW_TEXT, Jobs, channel, estimator_of

OBJECTIVE = contract.metric_name("auc", CROSS_VALIDATION)
DEPTHS = {"Name": "max_depth", "MinValue": "1", "MaxValue": "8", "ScalingType": "Linear"}
QUICK = {"num_round": "5", contract.FOLDS: "3"}


class Tuning(JobCalls):
    """Requests with working defaults, and the answers to them."""

    kind = "HyperParameterTuning"

    def __init__(self, jobs: Jobs) -> None:
        super().__init__(jobs.clients)
        self.jobs = jobs

    def request(self, **changes: Any) -> dict[str, Any]:
        """`changes` are of the config or of the training job definition, by name."""
        config: dict[str, Any] = {
            "Strategy": "Random",
            "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": OBJECTIVE},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 3, "MaxParallelTrainingJobs": 2},
            "ParameterRanges": {"IntegerParameterRanges": [DEPTHS]},
            "RandomSeed": 3,
        }
        job = self.jobs.request()
        definition = {
            "StaticHyperParameters": QUICK,
            "RoleArn": job["RoleArn"],
            "AlgorithmSpecification": job["AlgorithmSpecification"]
            | {
                "MetricDefinitions": [
                    {"Name": OBJECTIVE, "Regex": contract.metric_regex("auc", CROSS_VALIDATION)}
                ]
            },
            "InputDataConfig": [channel("train", self.jobs.uris["train"])],
            "OutputDataConfig": job["OutputDataConfig"],
            "HyperParameterTuningResourceConfig": job["ResourceConfig"],
            "StoppingCondition": job["StoppingCondition"],
        }
        for name, value in changes.items():
            (config if name in config or name.startswith("Training") else definition)[name] = value
        return {
            "HyperParameterTuningJobName": f"t-{uuid.uuid4().hex[:12]}",
            "HyperParameterTuningJobConfig": config,
            "TrainingJobDefinition": definition,
        }

    def start(self, **changes: Any) -> str:
        return self.create(self.request(**changes))

    def trials(self, name: str, **options: Any) -> list[dict[str, Any]]:
        answer = self.sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(
            HyperParameterTuningJobName=name, **options
        )
        found: list[dict[str, Any]] = answer["TrainingJobSummaries"]
        return found

    def describe(self, name: str) -> dict[str, Any]:
        """Never more jobs run than may."""
        job = super().describe(name)
        limits = job["HyperParameterTuningJobConfig"]["ResourceLimits"]
        running = job["TrainingJobStatusCounters"]["InProgress"]
        assert running <= limits["MaxParallelTrainingJobs"]
        return job


@pytest.fixture(scope="module")
def tuning(local_aws: ProjectAws, dataset: Dataset) -> Tuning:
    return Tuning(Jobs(local_aws, dataset))


def test_a_tuning_job_tries_values_and_names_the_best(tuning: Tuning) -> None:
    name = tuning.start()
    job = tuning.wait(name)
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    assert job["TrainingJobStatusCounters"] == {
        "Completed": 3,
        "InProgress": 0,
        "RetryableError": 0,
        "NonRetryableError": 0,
        "Stopped": 0,
    }
    assert job["ObjectiveStatusCounters"] == {"Succeeded": 3, "Pending": 0, "Failed": 0}
    trials = tuning.trials(name)
    for number, trial in enumerate(trials, 1):
        assert re.fullmatch(rf"{name}-00{number}-[0-9a-f]{{8}}", trial["TrainingJobName"])
    depths = [trial["TunedHyperParameters"]["max_depth"] for trial in trials]
    assert len(set(depths)) == 3
    ranked = tuning.trials(name, SortBy="FinalObjectiveMetricValue", SortOrder="Descending")
    values = [t["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] for t in ranked]
    assert values == sorted(values, reverse=True)
    assert len(set(values)) > 1
    assert job["BestTrainingJob"]["TrainingJobName"] == ranked[0]["TrainingJobName"]
    again = tuning.wait(tuning.start())
    assert again["BestTrainingJob"]["TunedHyperParameters"] == ranked[0]["TunedHyperParameters"]


def test_a_training_job_gets_what_aws_gives_it_and_only_measures(tuning: Tuning) -> None:
    name = tuning.start(ResourceLimits=limits(1, 1))
    job = tuning.wait(name)
    (trial,) = tuning.trials(name)
    trained = tuning.jobs.describe(trial["TrainingJobName"])
    assert trained["HyperParameters"] == {
        **QUICK,
        **trial["TunedHyperParameters"],
        "_tuning_objective_metric": OBJECTIVE,
    }
    assert trained["TuningJobArn"] == job["HyperParameterTuningJobArn"]
    assert "ModelArtifacts" not in trained
    assert [c["ChannelName"] for c in trained["InputDataConfig"]] == ["train"]
    (metric,) = trained["FinalMetricDataList"]
    assert metric["Value"] == trial["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
    output = f"{trained['OutputDataConfig']['S3OutputPath']}/{trial['TrainingJobName']}/output"
    files = tuning.jobs.archive(f"{output}/output.tar.gz")
    measured = json.loads(files[contract.CROSS_VALIDATION_FILE])
    assert measured["auc"] == pytest.approx(metric["Value"], abs=1e-6)


def limits(jobs: int, parallel: int) -> dict[str, int]:
    return {"MaxNumberOfTrainingJobs": jobs, "MaxParallelTrainingJobs": parallel}


def test_a_grid_tries_every_combination(tuning: Tuning) -> None:
    depths = {"Name": "max_depth", "Values": ["1", "3"]}
    etas = {"Name": "eta", "Values": ["0.1", "0.3"]}
    name = tuning.start(
        Strategy="Grid",
        ResourceLimits={"MaxParallelTrainingJobs": 2},
        ParameterRanges={"CategoricalParameterRanges": [depths, etas]},
    )
    assert tuning.wait(name)["HyperParameterTuningJobStatus"] == "Completed"
    tried = {tuple(sorted(t["TunedHyperParameters"].items())) for t in tuning.trials(name)}
    assert tried == {(("eta", e), ("max_depth", d)) for e in ("0.1", "0.3") for d in ("1", "3")}


def test_training_jobs_that_all_fail_make_the_tuning_job_fail(tuning: Tuning) -> None:
    name = tuning.start(StaticHyperParameters={**QUICK, "eta": "7"}, ResourceLimits=limits(2, 2))
    job = tuning.wait(name)
    assert job["HyperParameterTuningJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("All training jobs failed")
    assert job["TrainingJobStatusCounters"]["NonRetryableError"] == 2
    assert "BestTrainingJob" not in job
    for trial in tuning.trials(name, StatusEquals="Failed"):
        assert "eta: '7' is not a number" in trial["FailureReason"]
        assert trial["ObjectiveStatus"] == "Failed"
    assert tuning.trials(name, SortBy="FinalObjectiveMetricValue") == []


def test_a_job_without_the_objective_is_no_candidate(tuning: Tuning) -> None:
    """A minimum is searched for, and a training job that says nothing of it does not win."""
    other = {"Name": "other", "Regex": "metric other=([0-9.]+)"}
    algorithm = tuning.request()["TrainingJobDefinition"]["AlgorithmSpecification"]
    name = tuning.start(
        AlgorithmSpecification=algorithm | {"MetricDefinitions": [other]},
        HyperParameterTuningJobObjective={"Type": "Minimize", "MetricName": "other"},
        ResourceLimits=limits(1, 1),
    )
    job = tuning.wait(name)
    assert job["TrainingJobStatusCounters"]["Completed"] == 1
    assert job["ObjectiveStatusCounters"] == {"Succeeded": 0, "Pending": 0, "Failed": 1}
    assert job["HyperParameterTuningJobStatus"] == "Failed"


def test_the_lowest_objective_is_the_best_of_a_minimum(tuning: Tuning) -> None:
    name = tuning.start(
        HyperParameterTuningJobObjective={"Type": "Minimize", "MetricName": OBJECTIVE}
    )
    best = tuning.wait(name)["BestTrainingJob"]
    (lowest, *_) = tuning.trials(name, SortBy="FinalObjectiveMetricValue")
    assert best["TrainingJobName"] == lowest["TrainingJobName"]


def test_a_tuning_job_can_be_stopped(tuning: Tuning) -> None:
    slow = {name: text for name, text in SLOW_TEXT.items() if name != "max_depth"}
    name = tuning.start(StaticHyperParameters={contract.FOLDS: "3", **slow})
    wait_for(lambda: tuning.trials(name))
    tuning.stop(name)
    job = tuning.wait(name)
    assert job["HyperParameterTuningJobStatus"] == "Stopped"
    counters = job["TrainingJobStatusCounters"]
    assert counters["Stopped"] == len(tuning.trials(name)) <= 2
    assert counters["InProgress"] == 0
    assert SLOW["num_round"] == 10000, "what is searched here does not end by itself"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"Strategy": "Hyperband"}, "does not support the strategy Hyperband"),
        ({"Strategy": "Any"}, "'Any' is not one of the 4 allowed values"),
        ({"Environment": {"a b": "c"}}, "does not match"),
        ({"TrainingJobEarlyStoppingType": "Auto"}, "EarlyStoppingType Auto, only Off"),
        (
            {"HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "other"}},
            "the objective metric other is not among the MetricDefinitions",
        ),
        ({"StaticHyperParameters": {"max_depth": "3"}}, "max_depth: tuned and static"),
        ({"RoleArn": "arn:aws:iam::123456789012:role/nobody"}, "Could not assume role"),
    ],
)
def test_what_aws_would_refuse_or_local_aws_cannot_do_is_refused_by_name(
    changes: Mapping[str, Any], problem: str, tuning: Tuning
) -> None:
    with pytest.raises(ClientError, match=problem) as caught:
        tuning.start(**changes)
    assert caught.value.response["Error"]["Code"] == "ValidationException"


def test_the_training_jobs_of_a_moment_must_be_within_the_quota(tuning: Tuning) -> None:
    with pytest.raises(ClientError, match=r"is 4 Instances, .* a request delta of 5 Instances"):
        tuning.start(ResourceLimits=limits(9, 5))


def test_a_name_is_used_once_and_an_unknown_one_is_said(tuning: Tuning) -> None:
    request = tuning.request(ResourceLimits=limits(1, 1))
    tuning.create(request)
    with pytest.raises(ClientError, match="already exists"):
        tuning.create(request)
    with pytest.raises(ClientError, match="can't find a tuning job with the name nobody"):
        tuning.describe("nobody")
    assert tuning.wait(request["HyperParameterTuningJobName"])
    listed = tuning.sagemaker.list_hyper_parameter_tuning_jobs()
    assert request["HyperParameterTuningJobName"] in [
        each["HyperParameterTuningJobName"] for each in listed["HyperParameterTuningJobSummaries"]
    ]


def test_answers_are_answers_of_the_api(tuning: Tuning) -> None:
    """The request that comes back in the Describe answer is still a valid one."""
    request = tuning.request(ResourceLimits=limits(1, 1))
    assert violations("CreateHyperParameterTuningJob", request) == []
    tuning.create(request)
    job = tuning.wait(request["HyperParameterTuningJobName"])
    assert {name: job[name] for name in request} == request


def test_the_sdks_own_tuner_waits_and_finds_the_best(tuning: Tuning, settings: Settings) -> None:
    estimator = estimator_of(tuning.jobs, settings, num_round=5, cv_folds=3)
    tuner = HyperparameterTuner(
        estimator,
        OBJECTIVE,
        {"max_depth": IntegerParameter(1, 6), "eta": ContinuousParameter(0.1, 0.5)},
        metric_definitions=[
            {"Name": OBJECTIVE, "Regex": contract.metric_regex("auc", CROSS_VALIDATION)}
        ],
        strategy="Random",
        max_jobs=3,
        max_parallel_jobs=2,
        base_tuning_job_name="sdk",
    )
    tuner.fit({"train": tuning.jobs.uris["train"]}, wait=True)
    found = tuner.analytics().dataframe()  # type: ignore[no-untyped-call]
    assert len(found) == 3
    highest = found.sort_values("FinalObjectiveValue")["TrainingJobName"].iloc[-1]
    assert tuner.best_training_job() == highest  # type: ignore[no-untyped-call]


def step(tuning: Tuning, **changes: Any) -> dict[str, Any]:
    request = tuning.request(**changes)
    del request["HyperParameterTuningJobName"]
    return {"Name": "Search_for_it", "Type": "Tuning", "Arguments": request}


def execute(tuning: Tuning, *steps: dict[str, Any], stop_after: str | None = None) -> Any:
    sagemaker, name = tuning.sagemaker, f"titanic-pipeline-{uuid.uuid4().hex[:12]}"
    sagemaker.create_pipeline(
        PipelineName=name,
        PipelineDefinition=json.dumps({"Version": "2020-12-01", "Steps": list(steps)}),
        RoleArn=tuning.jobs.stack.pipeline_role_arn,
        ClientRequestToken="x" * 32,
    )
    arn = sagemaker.start_pipeline_execution(PipelineName=name, ClientRequestToken="y" * 32)
    where = {"PipelineExecutionArn": arn["PipelineExecutionArn"]}
    while True:
        status = sagemaker.describe_pipeline_execution(**where)["PipelineExecutionStatus"]
        listed = sagemaker.list_pipeline_execution_steps(**where, SortOrder="Ascending")
        found = listed["PipelineExecutionSteps"]
        if status in ("Succeeded", "Failed", "Stopped"):
            return status, found
        if stop_after and any(stop_after in each["Metadata"] for each in found):
            sagemaker.stop_pipeline_execution(**where, ClientRequestToken="z" * 32)
        time.sleep(0.1)


def test_a_tuning_step_gives_its_best_job_to_the_steps_after_it(tuning: Tuning) -> None:
    best = "Steps.Search_for_it.BestTrainingJob"
    text = {
        "Std:Join": {
            "On": " ",
            "Values": [
                {"Get": f"{best}.TrainingJobName"},
                {"Get": "Steps.Search_for_it.TrainingJobSummaries[0].TrainingJobName"},
            ],
        }
    }
    after = {"Name": "Say", "Type": "Fail", "Arguments": {"ErrorMessage": text}}
    status, (searched, said) = execute(tuning, step(tuning, ResourceLimits=limits(2, 2)), after)
    assert status == "Failed", "so that it can say something"
    name = searched["Metadata"]["TuningJob"]["Arn"].rpartition("/")[2]
    assert re.fullmatch(r"[a-z0-9]{12}-Search-f-[0-9a-f]{10}", name)
    of_best, of_first = said["FailureReason"].split()
    assert of_best == of_first
    assert of_best == tuning.describe(name)["BestTrainingJob"]["TrainingJobName"]


def test_a_tuning_step_that_is_refused_or_fails_says_why(tuning: Tuning) -> None:
    status, (searched,) = execute(tuning, step(tuning, Strategy="Hyperband"))
    assert status == "Failed"
    assert "does not support the strategy Hyperband" in searched["FailureReason"]
    fails = step(tuning, StaticHyperParameters={"eta": "7"}, ResourceLimits=limits(1, 1))
    status, (searched,) = execute(tuning, fails)
    assert searched["FailureReason"].startswith("All training jobs failed")


def test_stopping_an_execution_stops_its_tuning_job(tuning: Tuning) -> None:
    slow = {name: text for name, text in SLOW_TEXT.items() if name != "max_depth"}
    searching = step(tuning, StaticHyperParameters={contract.FOLDS: "3", **slow})
    status, (searched,) = execute(tuning, searching, stop_after="TuningJob")
    assert status == searched["StepStatus"] == "Stopped"
    name = searched["Metadata"]["TuningJob"]["Arn"].rpartition("/")[2]
    assert tuning.describe(name)["HyperParameterTuningJobStatus"] == "Stopped"


@pytest.mark.parametrize(
    ("of", "member"),
    [
        ("HyperParameterTuningJobConfig", "HyperParameterTuningJobObjective"),
        ("TrainingJobDefinition", "HyperParameterTuningResourceConfig"),
    ],
)
def test_what_the_model_of_the_api_leaves_open_is_needed_here(
    of: str, member: str, tuning: Tuning
) -> None:
    request = tuning.request()
    del request[of][member]
    with pytest.raises(ClientError, match=f"{member} is missing"):
        tuning.create(request)
