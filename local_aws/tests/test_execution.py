"""Executes stored definitions, with training jobs that are plain answers."""

import re
from typing import Any

from local_aws.sagemaker.execution import Execution
from local_aws.sagemaker.step_cache import StepCache
from local_aws.tests.fake_sagemaker import (
    ARN,
    AUC,
    SageMaker,
    completed,
    execute,
    fail,
    failed,
    gate,
    make_execution,
    outline,
    refused,
    register,
    train,
)

import pytest


def test_the_branch_taken_is_the_one_that_the_metric_decides() -> None:
    steps = (train(), gate(AUC, [], [fail("too low")]))
    good = execute(*steps, sagemaker=SageMaker(completed(0.9)))
    assert good.status == "Succeeded"
    assert outline(good) == [("Train", "Succeeded"), ("Gate", "Succeeded")]
    bad = execute(*steps, sagemaker=SageMaker(completed(0.7)))
    assert bad.status == "Failed"
    assert outline(bad) == [("Train", "Succeeded"), ("Gate", "Succeeded"), ("Fail", "Failed")]
    assert bad.steps()[-1]["FailureReason"] == "too low"
    assert bad.steps()[1]["Metadata"] == {"Condition": {"Outcome": "False"}}


def test_a_model_is_registered_with_what_its_job_and_its_execution_are() -> None:
    properties = {
        "auc": {"Std:Join": {"On": "", "Values": [AUC]}},
        "job": {"Get": "Steps.Train.TrainingJobArn"},
        "execution": {"Get": "Execution.PipelineExecutionArn"},
        "depth": {"Get": "Parameters.depth"},
    }
    sagemaker = SageMaker(completed(0.9))
    after = fail({"Get": "Steps.Register.ModelPackageArn"})
    steps = (train(), gate(AUC, [register("models", **properties), after], [fail("too low")]))
    execution = execute(*steps, sagemaker=sagemaker)
    job, request = sagemaker.requests
    assert request["CustomerMetadataProperties"] == {
        "auc": "0.9",
        "job": f"arn:aws:sagemaker:us-east-1:123456789012:training-job/{job['TrainingJobName']}",
        "execution": ARN,
        "depth": "4",
    }
    registered, failed_step = execution.steps()[-2:]
    assert registered["StepStatus"] == "Succeeded"
    assert registered["Metadata"] == {"RegisterModel": {"Arn": "models/1"}}
    assert failed_step["FailureReason"] == "models/1", "a later step can refer to it"


def test_a_role_that_may_not_ask_for_the_group_registers_nothing() -> None:
    sagemaker = SageMaker()
    execution = execute(register("forbidden"), sagemaker=sagemaker)
    assert execution.status == "Failed"
    assert execution.steps()[0]["FailureReason"] == "AccessDeniedException: no"
    assert execution.steps()[0]["Metadata"] == {}
    assert sagemaker.requests == []


def test_steps_wait_for_what_they_refer_to_or_depend_on() -> None:
    execution = execute(
        gate(AUC, [], []),
        train("Last", DependsOn=["Gate"]),
        train("Train"),
        sagemaker=SageMaker(completed(), completed()),
    )
    assert [name for name, _ in outline(execution)] == ["Train", "Gate", "Last"]


def test_parameters_reach_the_request_resolved() -> None:
    sagemaker = SageMaker(completed())
    execute(train(), sagemaker=sagemaker, depth="7")
    request = sagemaker.requests[0]
    assert request["HyperParameters"] == {"max_depth": "7"}
    assert request["TrainingJobName"].startswith("pipelines-abcdefghijkl-Train-")
    assert len(request["TrainingJobName"]) <= 63


def test_a_metric_that_the_job_did_not_report_fails_the_step_by_name() -> None:
    silent = completed() | {"FinalMetricDataList": []}
    execution = execute(train(), gate(AUC, [], []), sagemaker=SageMaker(silent))
    assert execution.status == "Failed"
    assert "validation:auc is not there" in execution.steps()[-1]["FailureReason"]


def test_nothing_runs_after_a_failed_step() -> None:
    sagemaker = SageMaker(failed("AlgorithmError: no, exit code: 1"))
    execution = execute(train(), train("Next", DependsOn=["Train"]), sagemaker=sagemaker)
    assert outline(execution) == [("Train", "Failed")]
    assert execution.steps()[0]["FailureReason"] == "AlgorithmError: no, exit code: 1"


POLICY: dict[str, Any] = {
    "ExceptionType": ["SageMaker.CAPACITY_ERROR", "SageMaker.RESOURCE_LIMIT"],
    "IntervalSeconds": 60,
    "BackoffRate": 2.0,
    "MaxAttempts": 2,
}


def test_capacity_errors_are_retried_after_growing_waits() -> None:
    slept: list[float] = []
    sagemaker = SageMaker(
        refused("ResourceLimitExceeded"), failed("CapacityError: none left"), completed()
    )
    execution = execute(train(RetryPolicies=[POLICY]), sagemaker=sagemaker, sleep=slept.append)
    assert execution.status == "Succeeded"
    assert execution.steps()[0]["AttemptCount"] == 3
    assert sum(slept) == pytest.approx(60 + 120, abs=1)
    assert len({request["TrainingJobName"] for request in sagemaker.requests}) == 3


def test_retries_end() -> None:
    sagemaker = SageMaker(*[refused("ResourceLimitExceeded")] * 3)
    execution = execute(train(RetryPolicies=[POLICY]), sagemaker=sagemaker)
    assert execution.status == "Failed"
    assert execution.steps()[0]["FailureReason"] == "ResourceLimitExceeded: no"


def test_retries_end_when_their_time_is_over() -> None:
    policy = {**POLICY, "ExpireAfterMin": 2}
    del policy["MaxAttempts"]
    sagemaker = SageMaker(*[refused("ResourceLimitExceeded")] * 3)
    execution = execute(train(RetryPolicies=[policy]), sagemaker=sagemaker)
    assert execution.status == "Failed"
    assert len(sagemaker.requests) == 2, "after one minute, but not after two more"


def test_other_failures_are_not_retried() -> None:
    sagemaker = SageMaker(failed("AlgorithmError: no, exit code: 1"), completed())
    execution = execute(train(RetryPolicies=[POLICY]), sagemaker=sagemaker)
    assert execution.status == "Failed"
    assert len(sagemaker.requests) == 1


CACHED: dict[str, Any] = {"CacheConfig": {"Enabled": True, "ExpireAfter": "P30D"}}


def test_an_equal_step_is_reused_and_says_from_where() -> None:
    cache, sagemaker = StepCache(), SageMaker(completed(0.9))
    execute(train(**CACHED), sagemaker=sagemaker, cache=cache)
    again = execute(
        train(**CACHED),
        gate(AUC, [], [fail("too low")]),
        sagemaker=sagemaker,
        cache=cache,
        arn=ARN.replace("abcdefghijkl", "mnopqrstuvwx"),
    )
    assert again.status == "Succeeded"
    assert again.steps()[0]["CacheHitResult"] == {"SourcePipelineExecutionArn": ARN}
    assert len(sagemaker.requests) == 1


@pytest.mark.parametrize(
    ("step", "depth"),
    [
        (train(**CACHED), "5"),
        (train("Other", **CACHED), "4"),
        (train(CacheConfig={"Enabled": True, "ExpireAfter": "t0s"}), "4"),
        (train(), "4"),
    ],
)
def test_another_input_another_step_an_expired_or_disabled_cache_is_no_hit(
    step: dict[str, Any], depth: str
) -> None:
    cache, sagemaker = StepCache(), SageMaker(completed(), completed())
    execute(train(**CACHED), sagemaker=sagemaker, cache=cache)
    execution = execute(step, sagemaker=sagemaker, cache=cache, depth=depth)
    assert execution.status == "Succeeded"
    assert len(sagemaker.requests) == 2


def test_a_cache_without_an_end_does_not_expire() -> None:
    cache, sagemaker = StepCache(), SageMaker(completed())
    step = train(CacheConfig={"Enabled": True})
    execute(step, sagemaker=sagemaker, cache=cache)
    assert "CacheHitResult" in execute(step, sagemaker=sagemaker, cache=cache).steps()[0]


@pytest.mark.parametrize("name", ["Train_it", "TrainTheSurvivalModelOfTitanicNowAndForEver_"])
def test_any_legal_step_name_gives_a_legal_job_name(name: str) -> None:
    sagemaker = SageMaker(completed())
    execute(train(name), sagemaker=sagemaker)
    job = sagemaker.requests[0]["TrainingJobName"]
    assert re.fullmatch(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}", job), job


def test_what_failed_is_not_reused() -> None:
    cache, sagemaker = StepCache(), SageMaker(failed("AlgorithmError: "), completed())
    execute(train(**CACHED), sagemaker=sagemaker, cache=cache)
    assert execute(train(**CACHED), sagemaker=sagemaker, cache=cache).status == "Succeeded"


def test_stopping_stops_the_job_and_starts_no_further_step() -> None:
    sagemaker = SageMaker({})

    def stop_when_running(_: float) -> None:
        execution.stop()

    execution = make_execution(
        train(),
        train("Next", DependsOn=["Train"]),
        client=lambda _: sagemaker,
        sleep=stop_when_running,
    )
    execution.start()
    execution.join()
    assert execution.status == "Stopped"
    assert outline(execution) == [("Train", "Stopped")]
    assert sagemaker.stopped == [sagemaker.requests[0]["TrainingJobName"]]


def test_a_job_that_someone_else_stopped_fails_the_step() -> None:
    stopped = {"Status": "Stopped", "SecondaryStatus": "MaxRuntimeExceeded"}
    execution = execute(train(), sagemaker=SageMaker(stopped))
    assert execution.status == "Failed"
    assert "MaxRuntimeExceeded" in execution.steps()[0]["FailureReason"]


def test_variables_of_the_execution_are_known() -> None:
    message = {
        "Std:Join": {
            "On": " ",
            "Values": [{"Get": "Execution.PipelineName"}, {"Get": "Execution.PipelineExecutionId"}],
        }
    }
    assert execute(fail(message)).steps()[0]["FailureReason"] == "p abcdefghijkl"


def test_a_role_that_cannot_be_assumed_ends_the_execution_with_the_reason() -> None:
    def clients_of_role() -> Any:
        raise refused("AccessDenied", "not this role")

    execution = Execution(ARN, '{"Steps": []}', {}, clients_of_role, StepCache())
    execution.start()
    execution.join()
    assert execution.describe()["FailureReason"] == "AccessDenied: not this role"
