"""What the assignment asks for, each with what shows that it is so, or with what is lacking."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from container.contract import HYPERPARAMETERS, METRICS, metric_name
from pipeline.endpoint import is_aws
from pipeline.evidence.blocks import literal
from pipeline.evidence.evidence import Evidence
from pipeline.evidence.policies import allowed_actions
from pipeline.evidence.scoring import TOLERANCE, largest_difference
from pipeline.instances.choice import smallest, usable
from pipeline.workflow.parameters import MIN_VALIDATION_AUC


@dataclass(frozen=True)
class Check:
    """The words are the messages `check_<name>` (what is asked) and `<reason>` with `values`."""

    name: str
    passed: bool
    reason: str
    values: Mapping[str, Any] = field(default_factory=dict)


def checks(evidence: Evidence) -> list[Check]:
    return [
        _on_aws(evidence),
        _succeeded(evidence),
        _repeatable(evidence),
        _image(evidence),
        _hyperparameters(evidence),
        _artifact(evidence),
        _metrics(evidence),
        _log(evidence),
        _smallest(evidence),
        _privilege(evidence),
        _cost(evidence),
    ]


def _on_aws(evidence: Evidence) -> Check:
    values = {"endpoint": literal(evidence.record["endpoint"])}
    return Check("aws", evidence.on_aws, "aws_yes" if evidence.on_aws else "aws_no", values)


def _succeeded(evidence: Evidence) -> Check:
    record = evidence.record
    auc = (record["metrics"] or {}).get(metric_name("auc"))
    threshold = record["parameters"].get(MIN_VALIDATION_AUC)
    values = {
        "auc": "-" if auc is None else auc,
        "threshold": threshold or "-",
        "status": record["status"],
    }
    if record["status"] == "Succeeded" and auc is not None:
        return Check("succeeded", True, "succeeded_yes", values)
    return Check("succeeded", False, "succeeded_no", values)


def _repeatable(evidence: Evidence) -> Check:
    lacking = []
    if evidence.commit is None:
        lacking.append("git commit")
    elif evidence.commit.changed:
        lacking.append("git commit of the changes")
    if "@sha256:" not in (evidence.record["image_uri"] or ""):
        lacking.append("image digest")
    data = evidence.record["data"].values()
    if not data or not all(each["sha256"] and all(each["sha256"].values()) for each in data):
        lacking.append("SHA-256 of the data")
    if evidence.definition is None:
        lacking.append("pipeline definition")
    sha = evidence.commit.sha if evidence.commit else ""
    if lacking:
        return Check("repeat", False, "repeat_no", {"lacking": ", ".join(lacking)})
    return Check("repeat", True, "repeat_yes", {"commit": literal(sha)})


def _image(evidence: Evidence) -> Check:
    image = evidence.image
    if image is None:
        return Check("image", False, "image_no")
    values = {"tags": literal(", ".join(image.tags)), "pushed": image.pushed_at}
    if evidence.image_tag not in image.tags:
        values["present"] = literal(evidence.image_tag)
        return Check("image", False, "image_other", values)
    return Check("image", True, "image_yes", values)


def _hyperparameters(evidence: Evidence) -> Check:
    sent = evidence.job.get("HyperParameters", {})
    asked = evidence.record["parameters"]
    wrong = [
        name
        for name, declared in HYPERPARAMETERS.items()
        if name not in sent
        or name not in asked
        or declared.type(sent[name]) != declared.type(asked[name])
    ]
    if wrong:
        return Check("hyperparameters", False, "hyperparameters_no", {"names": ", ".join(wrong)})
    return Check("hyperparameters", True, "hyperparameters_yes", {"number": len(sent)})


def _artifact(evidence: Evidence) -> Check:
    artifact = evidence.record["model_artifact"]
    if artifact is None:
        return Check("artifact", False, "artifact_no")
    values = {"uri": literal(artifact["uri"]), "bytes": f"{artifact['bytes']:,}"}
    return Check("artifact", True, "artifact_yes", values)


def _metrics(evidence: Evidence) -> Check:
    """metrics.json, what was measured now and what SageMaker shows are the same."""
    scoring = evidence.scoring
    if scoring.metrics is None or scoring.again is None:
        problem = literal(scoring.problem or "the artifact has no metrics.json")
        return Check("metrics", False, "metrics_missing", {"problem": problem})
    name, difference = largest_difference(scoring.metrics, scoring.again)
    shown = {metric_name(metric): scoring.again[metric] for metric in METRICS}
    shown_name, shown_difference = largest_difference(evidence.record["metrics"] or {}, shown)
    if shown_difference > difference:
        name, difference = shown_name, shown_difference
    values = {
        "name": literal(name),
        "difference": f"{difference:.2g}",
        "tolerance": f"{TOLERANCE:g}",
        "rows": scoring.again["validation_rows"],
    }
    if difference > TOLERANCE:
        return Check("metrics", False, "metrics_no", values)
    return Check("metrics", True, "metrics_yes", values)


def _log(evidence: Evidence) -> Check:
    lines = [line for line in evidence.log if line.startswith("metric ")]
    values = {"lines": len(evidence.log), "metrics": len(lines), "wanted": len(METRICS)}
    names = [line.removeprefix("metric ").partition("=")[0] for line in lines]
    if names == [metric_name(metric) for metric in METRICS]:
        return Check("log", True, "log_yes", values)
    return Check("log", False, "log_no", values)


def _smallest(evidence: Evidence) -> Check:
    survey, record = evidence.survey, evidence.record
    if survey is None:
        return Check("smallest", False, "smallest_missing")
    if survey.region != record["region"] or is_aws(survey.endpoint) != evidence.on_aws:
        values = {"region": survey.region, "endpoint": literal(survey.endpoint)}
        return Check("smallest", False, "smallest_elsewhere", values)
    best = smallest(usable(survey.candidates))
    values = {"best": best.instance_type if best else "-", "used": record["instance_type"] or "-"}
    if best is None or best.instance_type != record["instance_type"]:
        return Check("smallest", False, "smallest_other", values)
    if record["training_job_status"] != "Completed":
        return Check("smallest", False, "smallest_unfinished", values)
    return Check("smallest", True, "smallest_yes", values)


def _privilege(evidence: Evidence) -> Check:
    role = evidence.job.get("RoleArn")
    if evidence.stack is None or role is None:
        return Check("privilege", False, "privilege_missing")
    if role != evidence.stack.training_role_arn:
        return Check("privilege", False, "privilege_other", {"role": literal(role)})
    actions = allowed_actions()
    wide = [action for action in actions if "*" in action]
    if wide:
        return Check("privilege", False, "privilege_wide", {"actions": literal(", ".join(wide))})
    values = {"role": literal(role.rpartition("/")[2]), "number": len(actions)}
    return Check("privilege", True, "privilege_yes", values)


def _cost(evidence: Evidence) -> Check:
    record, estimate = evidence.record, evidence.record["cost_estimate"]
    cap = evidence.job.get("StoppingCondition", {}).get("MaxRuntimeInSeconds")
    if record["reused_from"]:
        return Check("cost", True, "cost_reused", {"execution": literal(record["reused_from"])})
    if estimate is None or record["billable_seconds"] is None or cap is None:
        return Check("cost", False, "cost_no")
    values = {"seconds": record["billable_seconds"], "cap": cap, "usd": f"{estimate['usd']:.6f}"}
    return Check("cost", True, "cost_yes", values)
