"""The facts on the evidence page, read back from the services, the artifact and this checkout."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from container.errors import InputError
from pipeline.data import split_uri
from pipeline.endpoint import is_aws
from pipeline.evidence.scoring import Scoring, score_again
from pipeline.evidence.snippets import ROOT, Commit, present_commit
from pipeline.execution.progress import list_steps
from pipeline.execution.record import read_definition
from pipeline.execution.training_job import JobLog
from pipeline.image import image_tag
from pipeline.instances.survey import SURVEY_FILE, Survey, read_survey
from pipeline.runs import RUNS, Record, recorded_runs
from pipeline.settings import Settings
from pipeline.source_image import is_built
from pipeline.stack import Stack, read_stack

import boto3
from botocore.exceptions import BotoCoreError, ClientError

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Image:
    """As ECR has it."""

    built: bool  # from container/Dockerfile; the stand-in of local AWS without containers is not
    tags: Sequence[str]
    pushed_at: str
    size: int  # in bytes, compressed


@dataclass(frozen=True)
class Evidence:
    """Everything that the page says; None, or nothing, for what could not be read."""

    read_at: str
    record: Record
    stack: Stack | None
    definition: Mapping[str, Any] | None  # that the execution carries out
    steps: Sequence[Mapping[str, Any]]
    job: Mapping[str, Any]  # DescribeTrainingJob
    image: Image | None
    image_tag: str  # of the present container/ and accelerator
    log: Sequence[str]
    scoring: Scoring
    survey: Survey | None
    runs: Sequence[Record] | None  # of this pipeline recorded here, newest first
    commit: Commit | None
    data_file: Path  # relative to this checkout, when it is in it

    @property
    def on_aws(self) -> bool:
        """Whether the run was one on AWS, as its endpoint says; False for local AWS."""
        return is_aws(self.record["endpoint"])


def gather(session: boto3.Session, settings: Settings, record: Record, folder: Path) -> Evidence:
    """Read everything about a run whose record is kept in `folder`.

    A value that a service refuses, and an incomplete local file, count as missing.
    """
    sagemaker, s3 = session.client("sagemaker"), session.client("s3")
    job_name = record["training_job_name"]
    definition = read_definition(sagemaker, record["execution_arn"])
    pipeline_name = record["pipeline_arn"].rpartition("/")[2]
    return Evidence(
        read_at=_utc(datetime.now(UTC)),
        record=record,
        stack=_read(lambda: read_stack(session.client("cloudformation"), settings.stack_name)),
        definition=json.loads(definition) if definition else None,
        steps=_read(lambda: list_steps(sagemaker, record["execution_arn"])) or [],
        job=_read(lambda: sagemaker.describe_training_job(TrainingJobName=job_name)) or {}
        if job_name
        else {},
        image=_image(session.client("ecr"), record["image_uri"]),
        image_tag=image_tag(settings.accelerator, settings.base_image),
        log=_read(JobLog(session.client("logs"), job_name).new_lines) or [] if job_name else [],
        scoring=score_again(s3, record),
        survey=read_survey(folder / SURVEY_FILE) or read_survey(SURVEY_FILE),
        runs=_read(lambda: recorded_runs(RUNS, record["region"], pipeline_name)),
        commit=present_commit(),
        data_file=_relative(settings.data_file),
    )


def _utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _relative(path: Path) -> Path:
    path = path.resolve()
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


def _read(call: Callable[[], Answer]) -> Answer | None:
    try:
        return call()
    except (BotoCoreError, ClientError, InputError):
        return None


def _image(ecr: Any, uri: str | None) -> Image | None:
    repository, _, digest = (uri or "").partition("@")
    if not digest:
        return None
    name = split_uri(repository)[1]
    found = _read(
        lambda: ecr.describe_images(repositoryName=name, imageIds=[{"imageDigest": digest}])
    )
    built = _read(lambda: is_built(ecr, name, digest))
    if not found or built is None:
        return None
    details = found["imageDetails"][0]
    return Image(
        built=built,
        tags=details.get("imageTags", []),
        pushed_at=_utc(details["imagePushedAt"]),
        size=details["imageSizeInBytes"],
    )
