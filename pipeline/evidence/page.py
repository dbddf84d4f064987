"""The evidence page: a Jinja template for each language, filled with the evidence alone.

The templates `report.md.j2` and `report.ko.md.j2` contain all text of the page, in its order.
"""

import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from container.contract import METRICS
from container.schema import LABEL
from local_aws.definition.graph import mermaid
from pipeline.evidence.checklist import FURTHER, PLUS, REQUIRED, run_checks
from pipeline.evidence.evidence import Evidence
from pipeline.evidence.snippets import ROOT, Commit, read_snippets
from pipeline.instances.choice import MEMORY_FACTOR, smaller_than, smallest, usable
from pipeline.instances.survey import Survey
from pipeline.runs import RUNS, run_folder
from pipeline.workflow.parameters import CACHE_KEY, MIN_VALIDATION_AUC

from jinja2 import Environment, FileSystemLoader, StrictUndefined

MISSING = {"en": "not read", "ko": "확인 불가"}  # in place of None
LOG_LINES = 6  # of the job's log, the last
FAILURES = 5  # of the recorded runs, the newest
FENCES = re.compile("`{3,}")


def page(
    evidence: Evidence, pictures: Collection[str], config: str, language: str, template: str
) -> str:
    """Return the page in Markdown.

    Args:
        evidence: The facts on the page.
        pictures: The names of the pictures that lie beside it.
        config: The `--config` argument that repeats the run; empty for the project's pipeline.yaml.
        language: A key of MISSING.
        template: The name of the template in this folder.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=False,  # noqa: S701 - Markdown, not HTML
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=lambda value: MISSING[language] if value is None else value,
    )
    environment.filters |= {"code": _code, "cell": _cell, "fence": _fence, "decimals": _decimals}
    context = _context(evidence) | {"pictures": pictures, "config": config}
    environment.filters["file"] = lambda path: f"[`{path}`]({context['project']}/{path})"
    text = environment.get_template(template).render(context)
    return re.sub(r"\n{3,}", "\n\n", text)


def _context(evidence: Evidence) -> dict[str, Any]:
    """Return the names that the templates use."""
    record, job, checks = evidence.record, evidence.job, run_checks(evidence)
    output = job.get("OutputDataConfig", {}).get("S3OutputPath", "").removeprefix("s3://")
    bucket, _, prefix = output.partition("/")
    artifact, scoring, image = record["model_artifact"], evidence.scoring, evidence.image
    repository, _, digest = (record["image_uri"] or "").partition("@")
    runs = evidence.runs
    failed = [run for run in runs or () if run.get("status") != "Succeeded"]
    return {
        **{name: getattr(evidence, name) for name in ("job", "image", "commit", "on_aws", "stack")},
        "record": record,
        "read_at": evidence.read_at,
        "endpoint": record["endpoint"],
        "served": record.get("served"),
        "stand_in": image is not None and not image.built,
        "pipeline": record["pipeline_arn"].rpartition("/")[2],
        "execution": record["execution_arn"].rpartition("/")[2],
        "job_name": record["training_job_name"],
        "bucket": bucket or None,
        "prefix": prefix.partition("/")[2] or None,
        "repository": repository or None,
        "digest": f"@{digest}" if digest else None,
        "artifact": artifact["uri"] if artifact else None,
        "data_file": evidence.data_file,
        "label": LABEL,
        "threshold": record["parameters"].get(MIN_VALIDATION_AUC),
        "overrides": _overrides(evidence),
        "graph": _graph(evidence.definition),
        "steps": [
            (each["StepName"], each["StepStatus"], _seconds(each)) for each in evidence.steps
        ],
        "snippets": read_snippets(),
        "project": project_address(evidence.commit, run_folder(record["execution_arn"], RUNS)),
        "runs": runs,
        "failed": failed[:FAILURES],
        "failures": len(failed),
        "scoring": scoring,
        "metrics": METRICS,
        "closest": _closest(scoring.baselines),
        "survey": _survey(evidence.survey),
        "log": list(evidence.log)[-LOG_LINES:],
        "checks": checks,
        "required": REQUIRED,
        "plus": PLUS,
        "further": FURTHER,
        "passed": sum(each.passed for each in checks.values()),
        "max_run": job.get("StoppingCondition", {}).get("MaxRuntimeInSeconds"),
        "volume": job.get("ResourceConfig", {}).get("VolumeSizeInGB"),
    }


def project_address(commit: Commit | None, folder: Path) -> str:
    """Return the beginning of links to files of the project.

    This is the commit at `origin` if that is a web address, else the path of this checkout relative
    to `folder`.
    """
    if commit and commit.origin and commit.origin.startswith("https://"):
        return f"{commit.origin.removesuffix('.git')}/blob/{commit.sha}"
    return Path(os.path.relpath(ROOT, folder)).as_posix()


def _graph(definition: Mapping[str, Any] | None) -> str | None:
    """Return the graph of the steps; `pipeline/definition.py --graph` adds the parameters."""
    return mermaid({**definition, "Parameters": []}).rstrip() if definition else None


def _overrides(evidence: Evidence) -> list[str]:
    """Return the parameters of this execution for which the definition has other defaults."""
    defaults = {
        each["Name"]: str(each.get("DefaultValue"))
        for each in (evidence.definition or {}).get("Parameters", [])
    }
    return [
        f"{name}={value}"
        for name, value in evidence.record["parameters"].items()
        if name != CACHE_KEY and defaults.get(name, value) != value
    ]


def _seconds(step: Mapping[str, Any]) -> str | None:
    if "StartTime" not in step or "EndTime" not in step:
        return None
    return f"{(step['EndTime'] - step['StartTime']).total_seconds():.0f}"


def _closest(baselines: Mapping[str, Mapping[str, float]] | None) -> str | None:
    """Return the name of the baseline of one column; the others have fixed names."""
    return next((name for name in baselines or () if name not in ("prior", "logistic")), None)


def _survey(survey: Survey | None) -> dict[str, Any] | None:
    """Return what the survey of the instance types says about the smallest usable one."""
    best = smallest(usable(survey.instance_types)) if survey else None
    if survey is None or best is None:
        return None
    smaller = smaller_than(best, survey.instance_types)
    quota = best.quota(survey.requirements.purchase)
    return {
        "best": best.instance_type,
        "all": len(survey.instance_types),
        "answers": len(survey.answers),
        "smaller": [(each.instance_type, "; ".join(each.problems)) for each in smaller],
        "quota": f"{quota.instances:g}" if quota else None,
        "quota_code": quota.code if quota else None,
        "memory": best.size.memory_mib if best.size else None,
        "usd": best.price.usd_per_hour if best.price else None,
        "peak": survey.requirements.peak_memory_mib,
        "factor": MEMORY_FACTOR,
    }


def _code(value: object) -> str | None:
    """Return a value as inline code, in one line; None stays None."""
    if value is None:
        return None
    return f"`{' '.join(str(value).replace('`', chr(39)).split())}`"


def _cell(text: str | None) -> str | None:
    """Return a text for a cell of a table."""
    return None if text is None else " ".join(text.replace("|", "\\|").split())


def _fence(text: str, language: str) -> str:
    """Return a block of code, with a fence that is longer than those in it."""
    fence = "`" * (max((len(run) for run in FENCES.findall(text)), default=2) + 1)
    return f"{fence}{language}\n{text.strip(chr(10))}\n{fence}"


def _decimals(value: object, digits: int = 4) -> str | None:
    return f"{value:.{digits}f}" if isinstance(value, int | float) else None
