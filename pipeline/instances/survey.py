"""Ask the account about every training instance type, and keep the answers."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from container.errors import InputError
from pipeline.instances.choice import Candidate, JobRequirements, choose_smallest, evaluate
from pipeline.instances.facts import ApiRecorder, read_facts
from pipeline.runs import RUNS, Record, completed_runs
from pipeline.settings import Settings

import boto3

EVIDENCE = Path("smallest-instance.json")


def with_smallest(session: boto3.Session, settings: Settings) -> Settings:
    """Return the settings with the smallest type that the account can train on.

    Raises InputError when there is none.
    """
    job = job_requirements(settings, measured_runs(settings))
    facts = read_facts(ApiRecorder(), session, settings.region)
    best = choose_smallest(facts, job, settings.region)
    return settings.model_copy(update={"instance_type": best.instance_type})


def job_requirements(settings: Settings, runs: Sequence[Record]) -> JobRequirements:
    """Return what a type must offer, from the settings and the newest run that measured memory."""
    peaks = (run.get("peak_memory_mib") for run in runs)
    peak = next((peak for peak in peaks if peak is not None), None)
    return JobRequirements(settings.instance_count, settings.spot, peak)


def measured_runs(settings: Settings) -> list[Record]:
    """Return the records of the completed runs of this pipeline, the newest first."""
    return completed_runs(RUNS, settings.region, settings.pipeline_name)


def keep_survey(
    session: boto3.Session, settings: Settings, runs: Sequence[Record], path: Path
) -> None:
    """Ask about every instance type, and keep the answers in `path`.

    Args:
        session: Of the account and region that are asked.
        settings: With the number of instances, and spot or not.
        runs: Records of runs, the newest first; one that measured the program's memory counts.
        path: The JSON file.
    """
    recorder, job = ApiRecorder(), job_requirements(settings, runs)
    facts = read_facts(recorder, session, settings.region)
    keep(path, recorder, settings.region, job, evaluate(facts, job))


def keep(
    path: Path,
    recorder: ApiRecorder,
    region: str,
    job: JobRequirements,
    candidates: Sequence[Candidate],
) -> None:
    """Write every answer, and what follows from them, as JSON."""
    evidence = {
        "region": region,
        "requirements": asdict(job),
        "instance_types": [asdict(each) for each in candidates],
        "answers": recorder.answers,
    }
    try:
        path.write_text(json.dumps(evidence, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"{path.absolute()}: cannot be written to: {error.strerror}",
            "start in a folder that can be written to",
        ) from None
