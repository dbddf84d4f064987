"""The points of the assignment, and whether the evidence shows each of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from container.contract import HYPERPARAMETERS, METRICS, metric_name
from pipeline.endpoint import is_aws
from pipeline.evidence.evidence import Evidence
from pipeline.evidence.policies import allowed_actions
from pipeline.evidence.scoring import TOLERANCE, largest_difference
from pipeline.instances.choice import smallest, usable
from pipeline.workflow.parameters import MIN_VALIDATION_AUC


@dataclass(frozen=True)
class Check:
    """The result for one point; a template says `reason` in words, with `values`."""

    passed: bool
    reason: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)


def _aws(evidence: Evidence) -> Check:
    return Check(evidence.on_aws and evidence.record["training_job_status"] == "Completed")


def _image(evidence: Evidence) -> Check:
    image = evidence.image
    if image is None:
        return Check(False, "missing")
    if not image.built:
        return Check(False, "not_built")
    return Check(evidence.image_tag in image.tags, "other", {"present": evidence.image_tag})


def _hyperparameters(evidence: Evidence) -> Check:
    sent, asked = evidence.job.get("HyperParameters", {}), evidence.record["parameters"]
    wrong = [
        name
        for name, declared in HYPERPARAMETERS.items()
        if name not in sent
        or name not in asked
        or declared.type(sent[name]) != declared.type(asked[name])
    ]
    return Check(not wrong, values={"names": wrong, "number": len(sent)})


def _artifact(evidence: Evidence) -> Check:
    return Check(evidence.record["model_artifact"] is not None)


def _smallest(evidence: Evidence) -> Check:
    survey, record = evidence.survey, evidence.record
    if survey is None:
        return Check(False, "missing")
    if survey.region != record["region"] or is_aws(survey.answers[0].endpoint) != evidence.on_aws:
        return Check(False, "elsewhere")
    best = smallest(usable(survey.instance_types))
    values = {"best": best.instance_type if best else "-"}
    if best is None or best.instance_type != record["instance_type"]:
        return Check(False, "other", values)
    return Check(record["training_job_status"] == "Completed", "unfinished", values)


def _repeatable(evidence: Evidence) -> Check:
    """Pass when commit, image, data and definition are known; list what is missing."""
    lacking = []
    if evidence.commit is None:
        lacking.append("commit")
    elif evidence.commit.changed:
        lacking.append("changes")
    if "@sha256:" not in (evidence.record["image_uri"] or ""):
        lacking.append("image")
    if not _has_hashes(evidence):
        lacking.append("data")
    if evidence.definition is None:
        lacking.append("definition")
    return Check(not lacking, values={"lacking": lacking})


def _has_hashes(evidence: Evidence) -> bool:
    data: Sequence[Mapping[str, Any]] = list(evidence.record["data"].values())
    return bool(data) and all(each["sha256"] and all(each["sha256"].values()) for each in data)


def _metrics(evidence: Evidence) -> Check:
    """Pass when metrics.json, SageMaker's metrics and those measured now are the same."""
    scoring = evidence.scoring
    if scoring.metrics is None or scoring.again is None:
        problem = scoring.problem or "the artifact has no metrics.json"
        return Check(False, "missing", {"problem": problem})
    name, difference = largest_difference(scoring.metrics, scoring.again)
    shown = {metric_name(metric): scoring.again[metric] for metric in METRICS}
    shown_name, shown_difference = largest_difference(evidence.record["metrics"] or {}, shown)
    if shown_difference > difference:
        name, difference = shown_name, shown_difference
    values = {
        "name": name,
        "difference": f"{difference:.2g}",
        "tolerance": f"{TOLERANCE:g}",
        "rows": scoring.again["validation_rows"],
    }
    return Check(difference <= TOLERANCE, "different", values)


def _log(evidence: Evidence) -> Check:
    lines = [line for line in evidence.log if line.startswith("metric ")]
    names = [line.removeprefix("metric ").partition("=")[0] for line in lines]
    values = {"lines": len(evidence.log), "metrics": len(lines), "wanted": len(METRICS)}
    return Check(names == [metric_name(metric) for metric in METRICS], values=values)


def _economy(evidence: Evidence) -> Check:
    """Pass when time and price are known: the reasons for spot and sampling need them."""
    record = evidence.record
    known = record["billable_seconds"] is not None and record["cost_estimate"] is not None
    return Check(known or bool(record["reused_from"]))


def _privilege(evidence: Evidence) -> Check:
    role = evidence.job.get("RoleArn")
    if evidence.stack is None or role is None:
        return Check(False, "missing")
    if role != evidence.stack.training_role_arn:
        return Check(False, "other", {"role": role})
    actions = set().union(*allowed_actions().values())
    wide = sorted(action for action in actions if "*" in action)
    return Check(not wide, "wide", {"wide": wide, "number": len(actions), "role": role})


def _gate(evidence: Evidence) -> Check:
    record = evidence.record
    auc = (record["metrics"] or {}).get(metric_name("auc"))
    values = {"auc": auc, "threshold": record["parameters"].get(MIN_VALIDATION_AUC)}
    return Check(record["status"] == "Succeeded" and auc is not None, values=values)


def _content_hash(evidence: Evidence) -> Check:
    return Check(_has_hashes(evidence))


# The points in the assignment's order; the templates of the page have their words.
REQUIRED = {
    "aws": _aws,
    "image": _image,
    "hyperparameters": _hyperparameters,
    "artifact": _artifact,
    "smallest": _smallest,
    "repeatable": _repeatable,
}
PLUS = {"metrics": _metrics, "log": _log, "economy": _economy, "privilege": _privilege}
FURTHER = {"gate": _gate, "content_hash": _content_hash}


def run_checks(evidence: Evidence) -> dict[str, Check]:
    """Return the result for each point by its name, in the order of the page."""
    return {name: check(evidence) for name, check in (REQUIRED | PLUS | FURTHER).items()}
