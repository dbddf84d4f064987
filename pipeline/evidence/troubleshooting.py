"""The troubleshooting log on the evidence page: what failed here, and what the catalogue says."""

from collections.abc import Sequence

from pipeline.diagnosis import Diagnosis, Entry, catalogue, diagnose
from pipeline.evidence.blocks import literal, table
from pipeline.evidence.evidence import Evidence
from pipeline.evidence.words import Words
from pipeline.execution.record import Record

FAILURES_SHOWN = 10  # the newest
# No permission to push, channels that cannot be read, no entrypoint, no model, no quota.
USUAL_FAILURES = ("push-denied", "no-channel", "no-entrypoint", "no-model", "quota")


def failures(evidence: Evidence, words: Words) -> list[str]:
    parts = [f"## {words('troubleshooting')}"]
    if evidence.runs is None:
        return [*parts, words("missing")]
    failed = [run for run in evidence.runs if run.get("status") != "Succeeded"]
    parts.append(words("runs", all=len(evidence.runs), failed=len(failed)))
    if not failed:
        return [*parts, words("no_failure"), *_known_failures([], words)]
    header = [words(key) for key in ("run", "ended", "status", "step", "reason", "diagnosis")]
    rows = [
        [
            literal(run.get("execution_arn", "").rpartition("/")[2] or "-"),
            run["ended_at"][:19],
            run.get("status") or words("missing"),
            run.get("failed_step") or "-",
            literal(run["failure_reason"]) if run.get("failure_reason") else words("missing"),
            literal(run["diagnosis"]) if run.get("diagnosis") else "-",
        ]
        for run in failed[:FAILURES_SHOWN]
    ]
    return [*parts, table(header, rows), *_known_failures(failed, words)]


def _known_failures(failed: Sequence[Record], words: Words) -> list[str]:
    """Of the catalogue: what the runs met, and the usual ways to fail."""
    header = [words(key) for key in ("failure", "cause", "how_to_check", "cure")]
    met = {run.get("diagnosis"): run for run in reversed(failed)}
    known = [
        _diagnosis(entry, met.get(entry.id))
        for entry in catalogue()
        if entry.id in {*met, *USUAL_FAILURES}
    ]
    rows = [[literal(each.id), each.cause, literal(each.check), each.fix] for each in known]
    return [words("known_failures"), table(header, rows)]


def _diagnosis(entry: Entry, run: Record | None) -> Diagnosis:
    """With the values of the run that met it, where its reason has them."""
    found = diagnose((run or {}).get("failure_reason") or "")
    return found if found and found.id == entry.id else entry.unfilled
