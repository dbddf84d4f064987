"""The facts of an execution, as read back from the services, and the folder that keeps them."""

import base64
import contextlib
import hashlib
import json
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from container.contract import METRICS_FILE, PEAK_MEMORY, RESOURCES_FILE
from container.errors import InputError
from pipeline.data import split_uri
from pipeline.execution import archive, cost
from pipeline.execution.image_build import image_build
from pipeline.execution.progress import list_steps, model_package_arn, training_job_name
from pipeline.execution.training_job import phase_seconds
from pipeline.runs import Record, run_folder

from botocore.exceptions import BotoCoreError, ClientError

ARTIFACT_FILE = "model.tar.gz"
OUTPUT_FILE = "output.tar.gz"  # the output data; SageMaker puts it beside the artifact


def collect(
    sagemaker: Any,
    s3: Any,
    ecr: Any,
    pricing: Any,
    execution_arn: str,
    served: Mapping[str, Any] | None,
) -> Record:
    """Return the facts of an execution from the services; None for missing ones.

    `served` is what the endpoint serves now (`serving.endpoint.read_served`).
    """
    execution = sagemaker.describe_pipeline_execution(PipelineExecutionArn=execution_arn)
    steps = list_steps(sagemaker, execution_arn)
    failed = next((step for step in steps if "FailureReason" in step), {})
    trained = next((step for step in steps if training_job_name(step)), {})
    job = (
        sagemaker.describe_training_job(TrainingJobName=training_job_name(trained))
        if trained
        else {}
    )
    resources = job.get("ResourceConfig", {})
    model_uri = job.get("ModelArtifacts", {}).get("S3ModelArtifacts")
    definition = read_definition(sagemaker, execution_arn)
    region = execution_arn.split(":")[3]
    reused = trained.get("CacheHitResult", {}).get("SourcePipelineExecutionArn")
    return {
        "endpoint": sagemaker.meta.endpoint_url,
        "region": region,
        "account": execution_arn.split(":")[4],
        "pipeline_arn": execution["PipelineArn"],
        "execution_arn": execution_arn,
        "definition_sha256": definition and hashlib.sha256(definition.encode()).hexdigest(),
        "status": execution["PipelineExecutionStatus"],
        "started_at": execution["CreationTime"].isoformat(),
        "ended_at": execution["LastModifiedTime"].isoformat(),
        "parameters": _parameters(sagemaker, execution_arn),
        "image_uri": job.get("AlgorithmSpecification", {}).get("TrainingImage"),
        "image_build": image_build(ecr, s3, job),
        "data": {
            channel["ChannelName"]: _data(s3, channel["DataSource"]["S3DataSource"]["S3Uri"])
            for channel in job.get("InputDataConfig", [])
        },
        "training_job_name": job.get("TrainingJobName"),
        "training_job_status": job.get("TrainingJobStatus"),
        "secondary_status": job.get("SecondaryStatus"),
        "reused_from": reused,
        "instance_type": cost.selected_instance(resources),
        "instance_count": resources.get("InstanceCount"),
        "spot": job.get("EnableManagedSpotTraining"),
        "training_seconds": job.get("TrainingTimeInSeconds"),
        "billable_seconds": job.get("BillableTimeInSeconds"),
        "phase_seconds": [list(each) for each in phase_seconds(job)] or None,
        "peak_memory_mib": _peak_memory(s3, model_uri),
        # What was reused cost something then, not in this execution.
        "cost_estimate": None if reused else cost.estimate(pricing, region, job),
        "model_artifact": _artifact(s3, model_uri),
        "model_package_arn": next(filter(None, map(model_package_arn, steps)), None),
        "served": served,
        "metrics": {
            metric["MetricName"]: metric["Value"] for metric in job.get("FinalMetricDataList", [])
        }
        or None,
        "failed_step": failed.get("StepName"),
        "failure_reason": failed.get("FailureReason") or execution.get("FailureReason"),
    }


def read_definition(sagemaker: Any, execution_arn: str) -> str | None:
    """Return the JSON definition of the execution; None when it cannot be read."""
    try:
        answer = sagemaker.describe_pipeline_definition_for_execution(
            PipelineExecutionArn=execution_arn
        )
    except (BotoCoreError, ClientError):
        return None
    return str(answer["PipelineDefinition"])


def save(s3: Any, record: Record, runs: Path) -> Path:
    """Write run.json, and, if there is an artifact, model.tar.gz and its metrics.json.

    The folder `runs/<execution id>/` is created as a whole or not at all. When the artifact cannot
    be written, the record is written, and then the error is raised.
    """
    folder = run_folder(record["execution_arn"], runs)
    with tempfile.TemporaryDirectory(dir=runs, prefix=".unfinished-") as temporary:
        unfinished = Path(temporary) / "run"
        unfinished.mkdir()
        text = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
        (unfinished / "run.json").write_text(text, encoding="utf-8")
        problem: Exception | None = None
        try:
            _save_artifact(s3, record["model_artifact"], unfinished)
        except (InputError, BotoCoreError, ClientError) as error:
            problem = error
        shutil.rmtree(folder, ignore_errors=True)
        unfinished.rename(folder)
    if problem:
        print(f"record: {folder / 'run.json'}", file=sys.stderr)
        raise problem
    return folder


def _save_artifact(s3: Any, artifact: Mapping[str, Any] | None, folder: Path) -> None:
    if artifact is None:
        return
    path = folder / ARTIFACT_FILE
    try:
        content = archive.download(s3, artifact["uri"])
        path.write_bytes(content)
        with contextlib.suppress(InputError):  # the page of the run says what is wrong with it
            files = archive.unpack(content, artifact["uri"])
            if METRICS_FILE in files:
                (folder / METRICS_FILE).write_bytes(files[METRICS_FILE])
    except OSError as error:  # the disk is full: a file is not whole
        for each in (path, folder / METRICS_FILE):
            each.unlink(missing_ok=True)
        raise InputError(
            f"{path.name}: {error.strerror or error}",
            f"free disk space there; the artifact is {artifact['uri']}",
        ) from None


def _parameters(sagemaker: Any, execution_arn: str) -> dict[str, str]:
    pages = sagemaker.get_paginator("list_pipeline_parameters_for_execution").paginate(
        PipelineExecutionArn=execution_arn
    )
    return {item["Name"]: item["Value"] for page in pages for item in page["PipelineParameters"]}


def _data(s3: Any, uri: str) -> dict[str, Any]:
    """Return a channel's files with their SHA-256 (hexadecimal), as S3 checked them."""
    bucket, prefix = split_uri(uri)
    files: dict[str, str | None] = {}
    try:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        for item in (item for page in pages for item in page.get("Contents", [])):
            head = s3.head_object(Bucket=bucket, Key=item["Key"], ChecksumMode="ENABLED")
            checksum = head.get("ChecksumSHA256")
            sha256 = base64.b64decode(checksum).hex() if checksum else None
            files[item["Key"].removeprefix(prefix)] = sha256
    except (BotoCoreError, ClientError):
        return {"uri": uri, "sha256": None}
    return {"uri": uri, "sha256": files}


def _peak_memory(s3: Any, model_uri: str | None) -> int | None:
    """Return the peak memory in MiB, as the training program measured it."""
    if not model_uri:
        return None
    try:
        files = archive.download_artifact(s3, f"{model_uri.rpartition('/')[0]}/{OUTPUT_FILE}")
        peak: int | None = archive.load_json(files[RESOURCES_FILE], RESOURCES_FILE)[PEAK_MEMORY]
    except (BotoCoreError, ClientError, InputError, LookupError, TypeError, ValueError):
        return None
    return peak


def _artifact(s3: Any, uri: str | None) -> dict[str, Any] | None:
    """Return where the model is and its size in bytes, if it is there."""
    if not uri:
        return None
    bucket, key = split_uri(uri)
    try:
        head = s3.head_object(Bucket=bucket, Key=key)
    except ClientError:
        return None
    return {"uri": uri, "bytes": head["ContentLength"]}
