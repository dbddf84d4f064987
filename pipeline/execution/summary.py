"""The summary of an execution for the terminal, from its record alone."""

from datetime import datetime
from typing import Any

from pipeline.endpoint import is_aws

MISSING = "not read"
WIDTH = 12  # of the names
INDENT = WIDTH + 2  # of the values
SHORT_DIGEST = len("@sha256:") + 12


def summary(record: dict[str, Any], verbose: bool = False) -> str:
    """Return the result in a few aligned lines; with `verbose`, all facts with their ARNs."""
    rows = _facts(record) if verbose else _outcome(record)
    return "\n".join(
        f"{name:<{WIDTH}}  {MISSING if value is None else value}" for name, value in rows
    )


def _outcome(record: dict[str, Any]) -> list[tuple[str, Any]]:
    where = f"at {record['endpoint']}"
    cost, peak = record["cost_estimate"], record["peak_memory_mib"]
    rows = [("status", f"{record['status']} in {_duration(record)} {where}")]
    if record["metrics"]:
        rows.append(("metrics", _metrics(record)))
    if record["reused_from"]:
        rows.append(("training", f"reused from execution {_last(record['reused_from'])}"))
    elif record["training_seconds"] is not None:
        memory = f", peak memory {peak} MiB" if peak is not None else ""
        saved = f", {saving(record)} saved" if record["spot"] and saving(record) else ""
        rows.append(
            ("training", f"{record['training_seconds']} s on {_instance(record)}{memory}{saved}")
        )
        if cost:
            billed = "" if is_aws(record["endpoint"]) else " on AWS; here it was free"
            rows.append(("cost", f"about {cost['usd']:.6f} USD{billed}"))
    if record["image_uri"]:
        image = record["image_uri"].rpartition("/")[2]
        rows.append(("image", image[: image.find("@") + SHORT_DIGEST] if "@" in image else image))
    if record["model_package_arn"]:
        package = record["model_package_arn"].partition(":model-package/")[2]
        rows.append(("registered", f"model package {package}, waits for approval"))
    return rows


def _facts(record: dict[str, Any]) -> list[tuple[str, Any]]:
    artifact = record["model_artifact"]
    registered = record["model_package_arn"]
    peak, cost = record["peak_memory_mib"], record["cost_estimate"]
    only_sometimes = [
        ("failed step", record["failed_step"]),
        ("failure reason", record["failure_reason"]),
        ("reused from", record["reused_from"]),
    ]
    return [
        ("endpoint", record["endpoint"]),
        ("pipeline", record["pipeline_arn"]),
        ("execution", record["execution_arn"]),
        ("status", record["status"]),
        *[(name, value) for name, value in only_sometimes if value is not None],
        ("image", record["image_uri"]),
        ("training job", record["training_job_name"]),
        ("instance", _instance(record) if record["instance_type"] else None),
        ("training", seconds(record["training_seconds"])),
        ("billable", seconds(record["billable_seconds"])),
        ("phases", phases(record["phase_seconds"])),
        *([("spot saving", saving(record))] if record["spot"] else []),
        ("peak memory", None if peak is None else f"{peak} MiB"),
        *([] if record["reused_from"] else [("cost", _cost(cost) if cost else None)]),
        ("artifact", f"{artifact['uri']} ({artifact['bytes']:,} bytes)" if artifact else None),
        *([("registered", registered)] if registered else []),
        ("metrics", _metrics(record) or None),
        ("duration", _duration(record)),
    ]


def _duration(record: dict[str, Any]) -> str:
    began, ended = (datetime.fromisoformat(record[key]) for key in ("started_at", "ended_at"))
    return f"{(ended - began).total_seconds():.0f} s"


def _metrics(record: dict[str, Any]) -> str:
    values = sorted((record["metrics"] or {}).items())
    return " ".join(f"{name.partition(':')[2]}={value:.4f}" for name, value in values)


def _instance(record: dict[str, Any]) -> str:
    spot = " (spot)" if record["spot"] else ""
    return f"{record['instance_count']} x {record['instance_type']}{spot}"


def _last(arn: str) -> str:
    return arn.rpartition("/")[2]


def seconds(value: int | None) -> str | None:
    """Return a duration for a reader, or None when it is not known."""
    return None if value is None else f"{value} s"


def phases(passed: list[tuple[str, float]] | None) -> str | None:
    """Return the phases of a training job with their seconds on one line, or None."""
    return ", ".join(f"{name} {took:.0f} s" for name, took in passed) if passed else None


def saving(record: dict[str, Any]) -> str | None:
    """Return the part of the training seconds that was not billed, as SageMaker shows it."""
    billable, training = record["billable_seconds"], record["training_seconds"]
    return f"{1 - billable / training:.0%}" if billable is not None and training else None


def _cost(estimate: dict[str, Any]) -> str:
    return (
        f"about {estimate['usd']:.6f} USD, at {estimate['usd_per_hour']} USD an hour "
        f"(price list of {estimate['as_of'][:10]})"
    )
