"""The training jobs of a search for hyperparameters: followed, read back, formatted."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from container.contract import CROSS_VALIDATION, HYPERPARAMETERS, SPREAD, metric_name
from container.errors import InputError
from pipeline.execution.progress import Follower, list_steps, training_job_name
from pipeline.runs import run_folder

RECORD_FILE = "tuning.json"
OBJECTIVE = metric_name("auc", CROSS_VALIDATION)
RUNNING = ("InProgress", "Stopping")
ENDED_AT = "HyperParameterTuningEndTime"  # of DescribeHyperParameterTuningJob

Trial = Mapping[str, Any]  # as ListTrainingJobsForHyperParameterTuningJob shows a training job


class TrialFollower(Follower):
    """Logs each training job of the search as it ends."""

    def __init__(
        self, sagemaker: Any, logs: Any, execution_arn: str, console: Any, total: int
    ) -> None:
        super().__init__(sagemaker, logs, execution_arn, console)
        self._total = total
        self._trials: set[int] = set()  # that have ended, by number

    def _activity(self) -> str:
        if len(self._statuses) > 1:  # the second step is the search
            return f"{len(self._trials)}/{self._total} training jobs"
        return "measuring the present hyperparameters"

    def _poll(self) -> list[str]:
        ended = []
        for step in list_steps(self._sagemaker, self._arn):
            name = tuning_job_name(step)
            for number, trial in enumerate(list_trials(self._sagemaker, name) if name else [], 1):
                if trial["TrainingJobStatus"] in RUNNING or number in self._trials:
                    continue
                self._trials.add(number)
                done = f"{len(self._trials)}/{self._total}"
                ended.append(f"  {done} job {number}: {format_trial(trial)}")
        # Without the log of the training job that measures the present hyperparameters.
        return [*ended, *(line for line in super()._poll() if line.startswith("step "))]


def tuning_job_name(step: Mapping[str, Any]) -> str | None:
    """Return the name of a step's tuning job, once it has one."""
    arn: str = step.get("Metadata", {}).get("TuningJob", {}).get("Arn", "")
    return arn.rpartition("/")[2] or None


def list_trials(sagemaker: Any, tuning_job: str) -> list[dict[str, Any]]:
    """Return all training jobs so far, from all pages, the oldest first.

    The number of a job in the output is its position in this list, from 1.
    """
    pages = sagemaker.get_paginator("list_training_jobs_for_hyper_parameter_tuning_job").paginate(
        HyperParameterTuningJobName=tuning_job, SortBy="CreationTime", SortOrder="Ascending"
    )
    return [trial for page in pages for trial in page["TrainingJobSummaries"]]


def objective(trial: Trial) -> float | None:
    """Return the cross-validated AUC of a trial, or None when it has none."""
    final = trial.get("FinalHyperParameterTuningJobObjectiveMetric")
    return None if final is None else float(final["Value"])


def values(trial: Trial) -> dict[str, int | float]:
    """Return the hyperparameters that were searched, typed as in pipeline.yaml (the API has texts).

    Raises InputError when one of them is none of this project's.
    """
    tuned = trial["TunedHyperParameters"]
    try:
        return {name: HYPERPARAMETERS[name].parse(tuned[name]) for name in sorted(tuned)}
    except (KeyError, ValueError) as error:
        raise InputError(
            f"training job {trial['TrainingJobName']}: {error}", "search again"
        ) from None


def format_trial(trial: Trial) -> str:
    """Format one trial as a line of progress."""
    auc = objective(trial)
    result = trial["TrainingJobStatus"] if auc is None else f"AUC {auc:.4f}"
    shown = " ".join(f"{name}={value:.4g}" for name, value in values(trial).items())
    reason = trial.get("FailureReason", "").splitlines()[:1]
    return "; ".join([f"{result}  {shown}", *reason])


def collect(sagemaker: Any, execution_arn: str) -> dict[str, Any]:
    """Return the facts of a search from the services; None for missing ones."""
    execution = sagemaker.describe_pipeline_execution(PipelineExecutionArn=execution_arn)
    steps = list_steps(sagemaker, execution_arn)
    name = next((name for step in steps if (name := tuning_job_name(step))), None)
    failed = next((step for step in steps if "FailureReason" in step), {})
    job: dict[str, Any] = (
        sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
        if name
        else {}
    )
    definition = job.get("TrainingJobDefinition", {})
    config, ended = job.get("HyperParameterTuningJobConfig", {}), job.get(ENDED_AT)
    return {
        "endpoint": sagemaker.meta.endpoint_url,
        "execution_arn": execution_arn,
        "status": execution["PipelineExecutionStatus"],
        "ended_at": ended.isoformat() if ended else None,
        "failure_reason": failed.get("FailureReason") or execution.get("FailureReason"),
        "tuning_job_name": name,
        "strategy": config.get("Strategy"),
        "seed": config.get("RandomSeed"),
        "objective": config.get("HyperParameterTuningJobObjective"),
        "ranges": config.get("ParameterRanges"),
        "static_hyperparameters": definition.get("StaticHyperParameters"),
        "image_uri": definition.get("AlgorithmSpecification", {}).get("TrainingImage"),
        "data_uris": [
            channel["DataSource"]["S3DataSource"]["S3Uri"]
            for channel in definition.get("InputDataConfig", [])
        ],
        "best_training_job": job.get("BestTrainingJob", {}).get("TrainingJobName"),
        "present": _present(sagemaker, steps),
        "trials": [
            _facts(number, trial)
            for number, trial in enumerate(list_trials(sagemaker, name) if name else [], 1)
        ],
    }


def _present(sagemaker: Any, steps: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return the result of the present hyperparameters; None when it was not measured."""
    name = next((found for step in steps if (found := training_job_name(dict(step)))), None)
    job: dict[str, Any] = sagemaker.describe_training_job(TrainingJobName=name) if name else {}
    metrics = {each["MetricName"]: each["Value"] for each in job.get("FinalMetricDataList", [])}
    if OBJECTIVE not in metrics:
        return None
    given: Mapping[str, str] = job["HyperParameters"]
    return {
        "training_job_name": name,
        "objective": metrics[OBJECTIVE],
        "spread": metrics[metric_name(SPREAD, CROSS_VALIDATION)],
        "hyperparameters": {n: HYPERPARAMETERS[n].parse(given[n]) for n in HYPERPARAMETERS},
    }


def _facts(number: int, trial: Trial) -> dict[str, Any]:
    return {
        "number": number,
        "training_job_name": trial["TrainingJobName"],
        "status": trial["TrainingJobStatus"],
        "objective": objective(trial),
        "hyperparameters": values(trial),
        "failure_reason": trial.get("FailureReason"),
    }


def save(record: Mapping[str, Any], runs: Path) -> Path:
    """Write `runs/<execution id>/tuning.json` as a whole or not at all."""
    folder = run_folder(record["execution_arn"], runs)
    folder.mkdir(exist_ok=True)
    unfinished = folder / f".{RECORD_FILE}"
    text = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
    unfinished.write_text(text, encoding="utf-8")
    return unfinished.replace(folder / RECORD_FILE)


def best(record: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the facts of the best training job, when there is one."""
    name = record["best_training_job"]
    found = (each for each in record["trials"] if each["training_job_name"] == name)
    return next(found, None)


def table(trials: Sequence[Mapping[str, Any]], present: Mapping[str, Any] | None = None) -> str:
    """Return a row for the present hyperparameters and for each trial, the best first."""
    names = sorted({name for each in trials for name in each["hyperparameters"]})
    order = sorted(trials, key=lambda each: (each["objective"] is None, -(each["objective"] or 0)))
    split = [name.rpartition("_") for name in names]  # over two lines: 80 columns suffice
    rows = [["", "", *(before + underscore for before, underscore, _ in split)]]
    rows.append(["job", "AUC", *(last for _, _, last in split)])
    for each in [*([present] if present else []), *order]:
        auc = each["status"] if each["objective"] is None else f"{each['objective']:.4f}"
        cells = [f"{each['hyperparameters'][name]:.4g}" for name in names]
        rows.append([str(each.get("number", "present")), auc, *cells])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )


def compare(best: Mapping[str, Any], present: Mapping[str, Any]) -> str:
    """Return whether the best trial is better by more than the folds differ."""
    gain, spread = best["objective"] - present["objective"], present["spread"]
    comparison = (
        f"best: job {best['number']}, AUC {best['objective']:.4f}, {gain:+.4f} against present"
    )
    if gain > spread:
        return f"{comparison}: more than the spread between the folds, {spread:.4f}"
    return f"{comparison}: within the spread between the folds, {spread:.4f}; no reason to change"


def as_yaml(hyperparameters: Mapping[str, int | float]) -> str:
    """Return all hyperparameters as a block of pipeline.yaml."""
    lines = [f"  {name}: {value}" for name, value in hyperparameters.items()]
    return "\n".join(["hyperparameters:", *lines])
