"""What a tuning step of an execution does: one tuning job, created through the API."""

import secrets
from collections.abc import Callable
from typing import Any

POLL_SECONDS = 0.1
LONGEST_STEP_NAME = 7  # of the 32 characters of a tuning job's name


def begin_tuning(
    sagemaker: Any, execution_id: str, step_name: str, arguments: dict[str, Any]
) -> tuple[str, str]:
    """Name and ARN of the tuning job: "<execution>-<step>-<random>", cut to what a name may have.
    That SageMaker names it in this form is not documented."""
    arguments = dict(arguments)
    prefix = arguments.pop("HyperParameterTuningJobName", step_name)  # stands for the step's name
    short = prefix[:LONGEST_STEP_NAME].replace("_", "-").strip("-")
    name = f"{execution_id}-{short}-{secrets.token_hex(5)}"
    answer = sagemaker.create_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name, **arguments
    )
    return name, answer["HyperParameterTuningJobArn"]


def end_of_tuning(
    sagemaker: Any,
    name: str,
    stop_asked: Callable[[], bool],
    sleep: Callable[[float], None],
) -> dict[str, Any]:
    """The properties of the step: both Describe answer and, best first, the training jobs."""
    stopping = False
    while True:
        job: dict[str, Any] = sagemaker.describe_hyper_parameter_tuning_job(
            HyperParameterTuningJobName=name
        )
        if job["HyperParameterTuningJobStatus"] in ("Completed", "Failed", "Stopped"):
            break
        if stop_asked() and not stopping:
            sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
            stopping = True
        sleep(POLL_SECONDS)
    listed = sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name,
        SortBy="FinalObjectiveMetricValue",
        SortOrder="Descending" if _maximized(job) else "Ascending",
        MaxResults=50,  # what a TuningStep of AWS keeps
    )
    return job | {"TrainingJobSummaries": listed["TrainingJobSummaries"]}


def _maximized(job: dict[str, Any]) -> bool:
    config = job["HyperParameterTuningJobConfig"]
    return bool(config["HyperParameterTuningJobObjective"]["Type"] == "Maximize")
