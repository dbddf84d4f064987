"""The diagnosis of a run: why it failed and how to fix it, or a note about a success."""

from typing import Any

from pipeline.diagnosis import Diagnosis, diagnose
from pipeline.execution.log_stream import TRAINING_LOG_GROUP, last_lines


def diagnose_run(
    logs: Any, record: dict[str, Any], because: str | None = None
) -> tuple[Diagnosis | None, list[str]]:
    """Return the diagnosis of a failed run, if known, and the last lines of the job's log.

    Args:
        logs: The client of CloudWatch Logs.
        record: The record of the run (`run.json`).
        because: The reason why the command stopped the run itself, if it did.
    """
    job = record["training_job_name"]
    lines = last_lines(logs, job) if job and record["status"] != "Succeeded" else []
    diagnosis = diagnose(symptoms(record, lines, because))
    return diagnosis and diagnosis.filled(names(record)), lines


def names(record: dict[str, Any]) -> dict[str, str]:
    """Return this run's values for the words in capitals of the catalogue."""
    data = record["data"] or {}
    uri = next((channel["uri"] for channel in data.values() if channel["uri"]), None)
    bucket = uri and uri.removeprefix("s3://").partition("/")[0]
    image: str | None = record["image_uri"]
    own = f"-{record['account']}-{record['region']}"  # the end of the name of the stack's bucket
    found = {
        "EXECUTION_ARN": record["execution_arn"],
        "EXECUTION": record["execution_arn"].rpartition("/")[2],
        "JOB": record["training_job_name"],
        "PIPELINE": record["pipeline_arn"].rpartition("/")[2],
        "REGION": record["region"],
        "ACCOUNT": record["account"],
        "IMAGE": image,
        "REPOSITORY": image and image.partition("/")[2].partition("@")[0],
        "URI": uri,
        "BUCKET": bucket,
        "STACK": bucket.removesuffix(own) if bucket and bucket.endswith(own) else None,
        "START": record["started_at"],
        "END": record["ended_at"],
    }
    return {name: value for name, value in found.items() if value}


def symptoms(record: dict[str, Any], last_lines: list[str], because: str | None = None) -> str:
    """Return the symptoms to diagnose, one per line; for a success, what needs a note."""
    if record["status"] == "Succeeded":
        reused = record["reused_from"]
        return f"the result was reused from {reused}" if reused else ""
    lost = record["training_job_status"] == "Completed" and not record["model_artifact"]
    return "\n".join(
        [
            _headline(record, because),
            f"SecondaryStatus {record['secondary_status']}",
            *(["the training job completed without a model artifact"] if lost else []),
            *last_lines,
        ]
    )


def failure(
    record: dict[str, Any],
    diagnosis: Diagnosis | None,
    last_lines: list[str],
    because: str | None = None,
) -> str:
    """Return why the execution failed and how to fix it, else where to look further."""
    if diagnosis:
        return f"{_headline(record, because)}\n{diagnosis}"
    job = record["training_job_name"]
    if not job:
        hint = (
            "no training job was started: correct the error that the reason names, and start again"
        )
        return f"{_headline(record)}\nhint: {hint}"
    log = "".join(f"\n  {line}" for line in last_lines) or " empty"
    return (
        f"{_headline(record)}\ntraining job {job}: {record['secondary_status']}; the end of its "
        f"log:{log}\nhint: the whole log is in CloudWatch Logs, {TRAINING_LOG_GROUP}: {job}/...; "
        f"`aws sagemaker describe-training-job --training-job-name {job}` has the rest"
    )


def _headline(record: dict[str, Any], because: str | None = None) -> str:
    where = f"step {record['failed_step']}: " if record["failed_step"] else ""
    reason = record["failure_reason"] or because or "no reason was given"
    return f"execution {record['status']}: {where}{reason}"
