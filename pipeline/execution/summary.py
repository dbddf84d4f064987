"""Says what an execution did, from its record alone, for the terminal."""

from datetime import datetime
from typing import Any

MISSING = "not read"


def summary(record: dict[str, Any]) -> str:
    """The result in a few aligned lines, for the terminal."""
    rows = [(name, MISSING if value is None else value) for name, value in _facts(record)]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


def _facts(record: dict[str, Any]) -> list[tuple[str, Any]]:
    artifact = record["model_artifact"]
    duration = datetime.fromisoformat(record["ended_at"]) - datetime.fromisoformat(
        record["started_at"]
    )
    metrics = " ".join(
        f"{name.partition(':')[2]}={value:.4f}"
        for name, value in sorted((record["metrics"] or {}).items())
    )
    instance = f"{record['instance_count']} x {record['instance_type']}"
    if record["spot"]:
        instance += " (spot)"
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
        ("instance", instance if record["instance_type"] else None),
        ("training", seconds(record["training_seconds"])),
        ("billable", seconds(record["billable_seconds"])),
        ("phases", phases(record["phase_seconds"])),
        *([("spot saving", saving(record))] if record["spot"] else []),
        ("peak memory", None if peak is None else f"{peak} MiB"),
        *([] if record["reused_from"] else [("cost", _cost(cost) if cost else None)]),
        ("artifact", f"{artifact['uri']} ({artifact['bytes']:,} bytes)" if artifact else None),
        *([("registered", registered)] if registered else []),
        ("metrics", metrics or None),
        ("duration", seconds(round(duration.total_seconds()))),
    ]


def seconds(value: int | None) -> str | None:
    return None if value is None else f"{value} s"


def phases(passed: list[tuple[str, float]] | None) -> str | None:
    return ", ".join(f"{name} {took:.0f} s" for name, took in passed) if passed else None


def saving(record: dict[str, Any]) -> str | None:
    """As SageMaker counts it: what was not billed of the seconds of training."""
    billable, training = record["billable_seconds"], record["training_seconds"]
    return f"{1 - billable / training:.0%}" if billable is not None and training else None


def _cost(estimate: dict[str, Any]) -> str:
    return (
        f"about {estimate['usd']:.6f} USD, at {estimate['usd_per_hour']} USD an hour "
        f"(price list of {estimate['as_of'][:10]})"
    )
