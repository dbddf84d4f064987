"""AWS's own XGBoost image: its metrics are the image's, and no request defines them."""

from typing import Any

from local_aws.tests.jobs import Jobs
from local_aws.tests.waiting import wait_for_status

import pytest
from botocore.exceptions import ClientError

XGBOOST = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
TABS = r"print('[0]\ttrain-rmse:2.50000\tvalidation-rmse:3')"
ESCAPED = "print('[1]#011train-rmse:1.5#011validation-rmse:2e-1')"


def of_image(image: str) -> dict[str, Any]:
    return {"AlgorithmSpecification": {"TrainingImage": image, "TrainingInputMode": "File"}}


@pytest.mark.parametrize(
    ("do", "metrics"),
    [
        (TABS, {"train:rmse": 2.5, "validation:rmse": 3.0}),
        (ESCAPED, {"train:rmse": 1.5, "validation:rmse": pytest.approx(0.2)}),
        (f"{TABS}; {ESCAPED}", {"train:rmse": 1.5, "validation:rmse": pytest.approx(0.2)}),
    ],
)
def test_the_lines_of_xgboost_are_its_metrics(
    do: str, metrics: dict[str, float], jobs: Jobs
) -> None:
    job = jobs.wait(jobs.start(do, **of_image(XGBOOST)))
    assert {each["MetricName"]: each["Value"] for each in job["FinalMetricDataList"]} == metrics


def test_an_image_of_the_account_defines_none(jobs: Jobs) -> None:
    assert jobs.wait(jobs.start(ESCAPED))["FinalMetricDataList"] == []


def tuning(jobs: Jobs, metric: str) -> dict[str, Any]:
    """A CreateHyperParameterTuningJob request of the XGBoost image."""
    request = jobs.request(**of_image(XGBOOST))
    name = request.pop("TrainingJobName")[:20]
    del request["HyperParameters"]
    # The program prints what is tuned.
    do = "n = json.loads((root / 'input/config/hyperparameters.json').read_text())['n']"
    static = {"do": f"{do}; print('[0]#011validation-rmse:' + n)"}
    return {
        "HyperParameterTuningJobName": name,
        "HyperParameterTuningJobConfig": {
            "Strategy": "Random",
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 2, "MaxParallelTrainingJobs": 2},
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": metric},
            "ParameterRanges": {
                "IntegerParameterRanges": [{"Name": "n", "MinValue": "1", "MaxValue": "99"}]
            },
        },
        "TrainingJobDefinition": request | {"StaticHyperParameters": static},
    }


def test_a_tuning_job_takes_one_of_them_for_its_objective(jobs: Jobs) -> None:
    request = tuning(jobs, "validation:rmse")
    jobs.sagemaker.create_hyper_parameter_tuning_job(**request)
    name = {"HyperParameterTuningJobName": request["HyperParameterTuningJobName"]}
    job = wait_for_status(
        lambda: jobs.sagemaker.describe_hyper_parameter_tuning_job(**name),
        "HyperParameterTuningJobStatus",
    )
    trials = jobs.sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(**name)
    tried = [int(each["TunedHyperParameters"]["n"]) for each in trials["TrainingJobSummaries"]]
    best = job["BestTrainingJob"]["FinalHyperParameterTuningJobObjectiveMetric"]
    assert len(tried) == 2
    assert best["Value"] == min(tried)


def test_a_metric_that_xgboost_has_not_is_refused(jobs: Jobs) -> None:
    with pytest.raises(ClientError, match="objective metric validation:rmsee is not among"):
        jobs.sagemaker.create_hyper_parameter_tuning_job(**tuning(jobs, "validation:rmsee"))
