"""The results on the evidence page: metrics, pictures, the smallest instance, cost, log."""

from collections.abc import Collection

from container.contract import METRICS, metric_name
from pipeline.evidence.blocks import code, literal, picture, table
from pipeline.evidence.evidence import Evidence, Survey
from pipeline.evidence.pictures import CALIBRATION, CONFUSION, IMPORTANCE, ROC
from pipeline.evidence.scoring import largest_difference
from pipeline.evidence.words import Words
from pipeline.execution.summary import phases, saving, seconds
from pipeline.instances.choice import MEMORY_FACTOR, reasons, smallest, usable
from pipeline.instances.table import table as instance_table

LOG_LINES = 30  # shown of a longer log: half of them its first, half its last


def results(evidence: Evidence, pictures: Collection[str], words: Words) -> list[str]:
    return [
        f"## {words('results')}",
        *_metrics(evidence, words),
        *_baselines(evidence, words),
        *_pictures(pictures, words),
        *_smallest(evidence, words),
        *_cost(evidence, words),
        *_log(evidence, words),
    ]


def _metrics(evidence: Evidence, words: Words) -> list[str]:
    scoring = evidence.scoring
    service, artifact = evidence.record["metrics"] or {}, scoring.metrics or {}
    rows = []
    for metric in METRICS:
        values = [service.get(metric_name(metric)), artifact.get(metric)]
        values.append((scoring.again or {}).get(metric))
        rows.append([metric, *(_number(value, words) for value in values)])
    header = [words(key) for key in ("metric", "by_sagemaker", "in_artifact", "scored_again")]
    parts = [f"### {words('metrics')}", words("metrics_source"), table(header, rows)]
    if scoring.metrics is not None and scoring.again is not None:
        name, difference = largest_difference(scoring.metrics, scoring.again)
        parts.append(
            words("largest_difference", name=literal(name), difference=f"{difference:.2g}")
        )
    else:
        parts.append(words("not_scored", problem=literal(scoring.problem or "-")))
    return parts


def _baselines(evidence: Evidence, words: Words) -> list[str]:
    head, scoring = f"### {words('baselines')}", evidence.scoring
    if not scoring.again or not scoring.baselines:
        return [head, words("missing")]
    models = {"model": scoring.again, **scoring.baselines}
    rows = [
        [words(f"baseline_{name}"), *(_number(metrics[metric], words) for metric in METRICS)]
        for name, metrics in models.items()
    ]
    table_of_metrics = table([words("baseline"), *METRICS], rows)
    return [head, words("baselines_source"), table_of_metrics]


def _number(value: object, words: Words) -> str:
    return f"{value:.6f}" if isinstance(value, int | float) else words("missing")


def _pictures(pictures: Collection[str], words: Words) -> list[str]:
    parts = []
    files = {"roc": ROC, "calibration": CALIBRATION, "confusion": CONFUSION}
    for key, file in (files | {"importance": IMPORTANCE}).items():
        shown = picture(words(key), file) if file in pictures else words("missing")
        parts += [f"### {words(key)}", shown]
    return parts


def _smallest(evidence: Evidence, words: Words) -> list[str]:
    head = f"### {words('smallest')}"
    survey, record = evidence.survey, evidence.record
    if survey is None:
        return [head, words("smallest_missing")]
    source = words(
        "survey_source",
        answers=survey.answers,
        time=survey.asked_at,
        endpoint=literal(survey.endpoint),
        region=survey.region,
    )
    finished = record["training_job_status"] == "Completed"
    ran = words(
        "survey_ran" if finished else "survey_not_ran",
        job=literal(record["training_job_name"] or "-"),
        instance=record["instance_type"] or "-",
        seconds=record["training_seconds"],
    )
    return [head, source, *_ranking(survey, words), ran]


def _ranking(survey: Survey, words: Words) -> list[str]:
    best = smallest(usable(survey.candidates))
    if best is None:
        return [words("survey_none")]
    smaller = [each for each in survey.candidates if each.size and each.by_size < best.by_size]
    quota, need = best.quota(survey.need.purchase), survey.need
    sentences = [
        words(
            "survey_smallest",
            best=best.instance_type,
            all=len(survey.candidates),
            smaller=len(smaller),
            reasons=literal(reasons(smaller) or "-"),
        ),
        words(
            "survey_quota",
            instances=f"{quota.instances:g}" if quota else "-",
            purchase=need.purchase,
            code=quota.code if quota else "-",
            usd=best.price.usd_per_hour if best.price else "-",
        ),
        words("survey_memory", peak=need.peak_memory_mib, factor=MEMORY_FACTOR)
        if need.peak_memory_mib is not None
        else words("survey_no_memory"),
    ]
    ranked = sorted([*smaller, best], key=lambda each: each.by_size)
    return [
        "\n".join(f"- {sentence}" for sentence in sentences),
        code(instance_table(ranked), "text"),
    ]


def _cost(evidence: Evidence, words: Words) -> list[str]:
    record, job, estimate = evidence.record, evidence.job, evidence.record["cost_estimate"]
    rows: list[tuple[str, str | None]] = [
        ("training_seconds", seconds(record["training_seconds"])),
        ("billable_seconds", seconds(record["billable_seconds"])),
        ("phases", phases(record.get("phase_seconds"))),
        ("max_run", seconds(job.get("StoppingCondition", {}).get("MaxRuntimeInSeconds"))),
        ("volume", _gigabytes(job.get("ResourceConfig", {}).get("VolumeSizeInGB"))),
        ("peak_memory", _mebibytes(record["peak_memory_mib"])),
        ("price", f"{estimate['usd_per_hour']} USD" if estimate else None),
        ("price_source", f"{estimate['source']}, {estimate['as_of'][:10]}" if estimate else None),
        ("usd", f"{estimate['usd']:.6f} USD" if estimate else None),
        ("spot", _spot(evidence, words)),
    ]
    shown = [[words(f"cost_{key}"), value or words("missing")] for key, value in rows]
    parts = [f"### {words('cost')}", table([words("fact"), words("value")], shown)]
    return parts if evidence.on_aws else [*parts, words("cost_local")]


def _gigabytes(value: int | None) -> str | None:
    return None if value is None else f"{value} GB"


def _mebibytes(value: int | None) -> str | None:
    return None if value is None else f"{value} MiB"


def _spot(evidence: Evidence, words: Words) -> str | None:
    record = evidence.record
    if record["spot"] is None:
        return None
    if not record["spot"]:
        return words("spot_not_used")
    saved = saving(record)
    return words("spot_saving", saving=saved) if saved else None


def _log(evidence: Evidence, words: Words) -> list[str]:
    head, lines = f"### {words('log')}", list(evidence.log)
    if not lines:
        return [head, words("missing")]
    left_out = len(lines) - LOG_LINES
    if left_out > 0:
        half = LOG_LINES // 2
        lines = [*lines[:half], words("lines_left_out", number=left_out), *lines[-half:]]
    return [head, words("log_source", lines=len(evidence.log)), code("\n".join(lines), "text")]
