"""One tuning job, which starts training jobs, one after another or in parallel.

Sources: "CreateHyperParameterTuningJob", "DescribeHyperParameterTuningJob" and
"ListTrainingJobsForHyperParameterTuningJob" in the SageMaker API reference.
"""

import itertools
import secrets
import time
from collections.abc import Callable
from typing import Any

from local_aws.errors import JobFailed
from local_aws.sagemaker import search
from local_aws.sagemaker.job import Job
from local_aws.sagemaker.training import TrainingJob
from local_aws.sagemaker.tuning_request import training_request

from moto.sagemaker.exceptions import SagemakerClientError

POLL_SECONDS = 0.1

Document = dict[str, Any]
StartJob = Callable[[Document], TrainingJob]  # takes a CreateTrainingJob request

SHOWN = (  # of a training job, in the List call
    "TrainingJobName",
    "TrainingJobArn",
    "CreationTime",
    "TrainingStartTime",
    "TrainingEndTime",
    "TrainingJobStatus",
    "FailureReason",
)

COUNTED = {"Completed": "Completed", "Failed": "NonRetryableError", "Stopped": "Stopped"}


class TuningJob(Job):
    """A tuning job. Its methods are thread-safe."""

    kind = "HyperParameterTuning"

    def __init__(self, request: Document, arn: str, start_job: StartJob) -> None:
        super().__init__(request, arn)
        self._config: Document = request["HyperParameterTuningJobConfig"]
        self._objective: Document = self._config["HyperParameterTuningJobObjective"]
        self._start_job = start_job
        self._trials: list[tuple[search.Values, TrainingJob]] = []

    def describe(self) -> Document:
        """Return the answer of DescribeHyperParameterTuningJob."""
        trials = self.training_jobs()
        of_status = [trial["TrainingJobStatus"] for trial in trials]
        counted = {kind: of_status.count(status) for status, kind in COUNTED.items()}
        running = len(trials) - sum(counted.values())
        of_objective = [trial["ObjectiveStatus"] for trial in trials]
        best = best_of(trials, self._objective["Type"])
        return {
            **super().describe(),
            **{name: self._config[name] for name in ("Strategy", "ResourceLimits")},  # for List
            "TrainingJobStatusCounters": {"InProgress": running, "RetryableError": 0, **counted},
            "ObjectiveStatusCounters": {
                status: of_objective.count(status) for status in ("Succeeded", "Pending", "Failed")
            },
            **({"BestTrainingJob": best} if best else {}),
        }

    def training_jobs(self) -> list[Document]:
        """Return the started training jobs, oldest first, in the form of the List call."""
        with self._lock:
            trials = list(self._trials)
        return [self._summary(tuned, job.describe()) for tuned, job in trials]

    def _objectives(self) -> list[float | None]:
        return [
            objective(trial) if trial["ObjectiveStatus"] == "Succeeded" else None
            for trial in self.training_jobs()
        ]

    def _summary(self, tuned: search.Values, job: Document) -> Document:
        metric = self._objective["MetricName"]
        values = [m["Value"] for m in job["FinalMetricDataList"] if m["MetricName"] == metric]
        ended = job["TrainingJobStatus"] in COUNTED
        summary: Document = {name: job[name] for name in SHOWN if name in job}
        summary["TunedHyperParameters"] = tuned
        if ended and values:
            summary["FinalHyperParameterTuningJobObjectiveMetric"] = {
                **self._objective,
                "Value": values[0],
            }
            summary["ObjectiveStatus"] = "Succeeded"
        else:
            summary["ObjectiveStatus"] = "Failed" if ended else "Pending"
        return summary

    def _carry_out(self) -> None:
        try:
            self._run_trials()
        except SagemakerClientError as error:  # a training job was refused
            self._stop_requested.set()
            self._wait(0)
            raise JobFailed(str(error.message)) from None

    def _run_trials(self) -> None:
        most = self._config["ResourceLimits"]["MaxParallelTrainingJobs"]
        candidates = search.candidates(self._config, self._objectives)
        for number in itertools.count(1):
            self._wait(most - 1)  # before the next one is chosen: it may depend on what ended
            tuned = None if self._stop_requested.is_set() else next(candidates, None)
            if tuned is None:
                break
            # "<tuning job>-<number>-<random>", as SageMaker names them.
            name = f"{self.name}-{number:03d}-{secrets.token_hex(4)}"
            job = self._start_job(training_request(self._request, name, tuned))
            with self._lock:
                self._trials.append((tuned, job))
        self._wait(0)
        if self._stop_requested.is_set():
            self._finish("Stopped")
        elif not best_of(self.training_jobs(), self._objective["Type"]):
            self._finish("Failed", "All training jobs failed, see the reasons of the training jobs")
        else:
            self._finish("Completed")

    def _wait(self, running: int) -> None:
        """Wait until at most this many training jobs run, or none if the job is being stopped."""
        while True:
            going = [job for _, job in self._trials if not job.ended]
            if self._stop_requested.is_set():
                for job in going:
                    job.stop()
            if len(going) <= (0 if self._stop_requested.is_set() else running):
                return
            time.sleep(POLL_SECONDS)


def best_of(trials: list[Document], kind: str) -> Document | None:
    """Return the completed trial with the best objective."""
    judged = [
        trial
        for trial in trials
        if trial["ObjectiveStatus"] == "Succeeded" and trial["TrainingJobStatus"] == "Completed"
    ]
    choose = max if kind == "Maximize" else min
    return choose(judged, key=objective, default=None)


def objective(trial: Document) -> float:
    """Return the final value of a trial's objective metric. Raises KeyError if there is none."""
    value: float = trial["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
    return value
