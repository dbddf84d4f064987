"""Training, Processing, Transform and Tuning steps.

Each step creates one job through the API and waits for its end.
"""

from typing import Any

from local_aws.sagemaker.steps.step_run import POLL_SECONDS, StepFailed, StepRun, Stopped

from botocore import xform_name

TUNING_NAME_LENGTH = 32
SUMMARIES = 50  # the training jobs that a TuningStep of AWS keeps


def run_job(step: StepRun) -> dict[str, Any]:
    """Run the job, and return the answer of its Describe call as the properties of the step."""
    kind = step.definition["Type"]
    noun = step.type.operation.removeprefix("Create")  # as in <noun>Name, <noun>Arn, <noun>Status
    operation = xform_name(noun)
    request = step.create_request(*([TUNING_NAME_LENGTH] if kind == "Tuning" else []))
    answer = step.call("sagemaker", f"create_{operation}", **request)
    metadata = "TuningJob" if kind == "Tuning" else noun
    step.update(Metadata={metadata: {"Arn": answer[f"{noun}Arn"]}})
    job = _end_of_job(step, noun, request[f"{noun}Name"])
    return job | _training_jobs(step, job) if kind == "Tuning" else job


def _end_of_job(step: StepRun, noun: str, name: str) -> dict[str, Any]:
    operation, names = xform_name(noun), {f"{noun}Name": name}
    stopping = False
    while True:
        job = step.call("sagemaker", f"describe_{operation}", **names)
        match job[f"{noun}Status"]:
            case "Completed":
                return job
            case "Failed":
                raise StepFailed(job.get("FailureReason", ""))
            case "Stopped" if stopping:
                raise Stopped
            case "Stopped":
                why = job.get("SecondaryStatus") or job.get("FailureReason")
                raise StepFailed(f"ClientError: the job was stopped{f': {why}' if why else ''}")
        if step.is_stopping() and not stopping:
            step.call("sagemaker", f"stop_{operation}", **names)
            stopping = True
        step.sleep(POLL_SECONDS)


def _training_jobs(step: StepRun, job: dict[str, Any]) -> dict[str, Any]:
    """Return the further properties of a TuningStep: its training jobs, best first."""
    config = job["HyperParameterTuningJobConfig"]
    maximized = config["HyperParameterTuningJobObjective"]["Type"] == "Maximize"
    listed = step.call(
        "sagemaker",
        "list_training_jobs_for_hyper_parameter_tuning_job",
        HyperParameterTuningJobName=job["HyperParameterTuningJobName"],
        SortBy="FinalObjectiveMetricValue",
        SortOrder="Descending" if maximized else "Ascending",
        MaxResults=SUMMARIES,
    )
    return {"TrainingJobSummaries": listed["TrainingJobSummaries"]}


def property_files(step: StepRun, job: dict[str, Any]) -> dict[str, str]:
    """Return the S3 URI of each property file of a processing job."""
    outputs = job.get("ProcessingOutputConfig", {}).get("Outputs", [])
    folders = {each["OutputName"]: each.get("S3Output", {}).get("S3Uri") for each in outputs}
    return {
        file["PropertyFileName"]: f"{folders[file['OutputName']].rstrip('/')}/{file['FilePath']}"
        for file in step.definition.get("PropertyFiles", [])
        if folders.get(file["OutputName"])
    }
