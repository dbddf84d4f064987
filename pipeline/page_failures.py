"""The troubleshooting log on the evidence page: what failed here, and what the catalogue says."""

from pipeline.diagnosis import Diagnosis, Entry, catalogue, diagnose
from pipeline.evidence import Evidence
from pipeline.page_blocks import literal, table
from pipeline.page_text import Words
from pipeline.record import Record

FAILURES_SHOWN = 10  # the newest


def failures(evidence: Evidence, words: Words) -> list[str]:
    parts = [f"## {words('troubleshooting')}"]
    if evidence.runs is None:
        return [*parts, words("missing")]
    failed = [run for run in evidence.runs if run.get("status") != "Succeeded"]
    parts.append(words("runs", all=len(evidence.runs), failed=len(failed)))
    if not failed:
        return [*parts, words("no_failure")]
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
    parts.append(table(header, rows))
    met = {run.get("diagnosis"): run for run in reversed(failed)}
    known = [_diagnosis(entry, met[entry.id]) for entry in catalogue() if entry.id in met]
    if known:
        header = [words(key) for key in ("diagnosis", "cause", "check", "cure")]
        parts.append(
            table(header, [[literal(a.id), a.cause, literal(a.check), a.cure] for a in known])
        )
    return parts


def _diagnosis(entry: Entry, run: Record) -> Diagnosis:
    """With the values of the run, where its reason has them."""
    found = diagnose(run.get("failure_reason") or "")
    return found if found and found.id == entry.id else entry.unfilled
