"""The report on an account's instance types: table, choices, and proof of the smallest."""

from collections.abc import Sequence
from typing import Any

from pipeline.instances.choice import (
    FREE_TIER,
    MEMORY_FACTOR,
    Candidate,
    JobRequirements,
    cheapest,
    reasons,
    smaller_than,
    smallest,
    usable,
)
from pipeline.instances.facts import Quota

UNKNOWN = "-"
INDENT = 17  # where a line of `choices` goes on in a narrow terminal
HEADER = ("instance type", "USD/hour", "GiB", "vCPU", "on demand", "spot", "usable")


def table(candidates: Sequence[Candidate]) -> str:
    """Return one line for each type, in the order given; quotas are instances at a time."""
    rows = [HEADER, *(_row(each) for each in candidates)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER) - 1)]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0])]
            + [cell.rjust(width) for cell, width in zip(row[1:-1], widths[1:], strict=True)]
            + [row[-1]]
        )
        for row in rows
    )


def _row(each: Candidate) -> tuple[str, ...]:
    return (
        each.instance_type,
        f"{each.price.usd_per_hour:g}" if each.price else UNKNOWN,
        f"{each.size.memory_mib / 1024:g}" if each.size else UNKNOWN,
        str(each.size.vcpus) if each.size else UNKNOWN,
        _instances(each.on_demand),
        _instances(each.spot),
        _usable(each),
    )


def _instances(quota: Quota | None) -> str:
    return f"{quota.instances:g}" if quota else UNKNOWN


def _usable(each: Candidate) -> str:
    return "yes" if each.usable else "no: " + "; ".join(each.problems)


def choices(candidates: Sequence[Candidate]) -> str:
    """Return the smallest, the cheapest and the free type: they can be three."""
    rows = [
        ("smallest", smallest(candidates)),
        ("smallest usable", smallest(usable(candidates))),
        ("cheapest", cheapest(candidates)),
        ("cheapest usable", cheapest(usable(candidates))),
        *(("free tier", each) for each in candidates if each.instance_type in FREE_TIER),
    ]
    return "\n".join(f"{name:<15}  {_choice(each)}" for name, each in rows)


def _choice(each: Candidate | None) -> str:
    if each is None:
        return "none"
    _, price, memory, vcpus, *_ = _row(each)
    size = f"{memory} GiB, {vcpus} vCPU, {price} USD/hour"
    verdict = "usable" if each.usable else f"not usable: {'; '.join(each.problems)}"
    return f"{each.instance_type}, {size}; {verdict}"


def proof(
    candidates: Sequence[Candidate],
    best: Candidate,
    job: JobRequirements,
    runs: Sequence[dict[str, Any]],
) -> str:
    """Explain why `best` is the smallest usable type, and what is not proved yet."""
    quota = best.quota(job.purchase)
    smaller = smaller_than(best, candidates)
    sentences = [
        f"{best.instance_type} is the smallest: of {len(candidates)} training instance types "
        f"{len(smaller)} are smaller, and none of them is usable"
        + (f" ({reasons(smaller)})." if smaller else "."),
        f"The account may have {_instances(quota)} of it {job.purchase} "
        f"(quota {quota.code if quota else UNKNOWN}).",
        _memory_sentence(job),
        _run_sentence(best.instance_type, runs),
    ]
    return "\n".join(sentences)


def _memory_sentence(job: JobRequirements) -> str:
    if job.peak_memory_mib is None:
        return (
            "The memory that the job needs is unknown before its first run; no type counts as too "
            "small."
        )
    return (
        f"The training program used at most {job.peak_memory_mib} MiB; {MEMORY_FACTOR} times that "
        "must fit."
    )


def _run_sentence(instance_type: str, runs: Sequence[dict[str, Any]]) -> str:
    run = next((run for run in runs if run["instance_type"] == instance_type), None)
    if run is None:
        return f"Not proved yet: no run on {instance_type} has completed; start one, and ask again."
    return (
        f"Training job {run['training_job_name']} completed on it in {run['training_seconds']} s, "
        f"at {run['endpoint']}."
    )
