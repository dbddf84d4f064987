"""The survey of all training instance types: AWS's answers, and the types that can train."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from container.errors import InputError
from pipeline.instances.choice import Candidate, JobRequirements, choose_smallest, evaluate
from pipeline.instances.facts import Answer, ApiRecorder, Facts, read_facts
from pipeline.runs import RUNS, Record, completed_runs
from pipeline.settings import Settings

import boto3
from pydantic import Field, TypeAdapter

SURVEY_FILE = Path("smallest-instance.json")


@dataclass(frozen=True)
class Survey:
    """The content of `smallest-instance.json`."""

    region: str
    requirements: JobRequirements
    instance_types: list[Candidate]  # the cheapest first
    answers: Annotated[list[Answer], Field(min_length=1)]


def take_survey(
    session: boto3.Session, settings: Settings, runs: Sequence[Record]
) -> tuple[Facts, Survey]:
    """Ask the account about every instance type, with the memory peak of the newest of `runs`."""
    recorder, job = ApiRecorder(), job_requirements(settings, runs)
    facts = read_facts(recorder, session, settings.region)
    return facts, Survey(settings.region, job, evaluate(facts, job), recorder.answers)


def with_smallest(session: boto3.Session, settings: Settings) -> Settings:
    """Return the settings with the smallest type that the account can train on.

    Raises InputError when there is none.
    """
    facts, survey = take_survey(session, settings, measured_runs(settings))
    best = choose_smallest(facts, survey.requirements, settings.region)
    return settings.model_copy(update={"instance_type": best.instance_type})


def job_requirements(settings: Settings, runs: Sequence[Record]) -> JobRequirements:
    """Return the requirements for a type, from the settings and the newest memory peak."""
    peaks = (run.get("peak_memory_mib") for run in runs)
    peak = next((peak for peak in peaks if peak is not None), None)
    return JobRequirements(settings.instance_count, settings.spot, peak)


def measured_runs(settings: Settings) -> list[Record]:
    """Return the records of the completed runs of this pipeline, the newest first."""
    return completed_runs(RUNS, settings.region, settings.pipeline_name)


def save_survey(survey: Survey, path: Path) -> None:
    """Write a survey as JSON. Raises InputError where that is not possible."""
    try:
        path.write_text(json.dumps(survey, indent=2, default=vars) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"{path.absolute()}: cannot be written to: {error.strerror}",
            "start in a folder that can be written to",
        ) from None


def read_survey(path: Path) -> Survey | None:
    """Read a saved survey; None when the file is missing or incomplete."""
    try:
        return TypeAdapter(Survey).validate_json(path.read_bytes())
    except (OSError, ValueError):
        return None
