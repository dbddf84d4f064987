"""One training job: from the CreateTrainingJob request to model.tar.gz in S3.

It does what SageMaker does around the container, in the same order and with the same statuses.
Sources: "CreateTrainingJob" and "DescribeTrainingJob" in the SageMaker API reference, "How Amazon
SageMaker AI Provides Training Information" in the developer guide.
"""

import contextlib
import itertools
import math
import shutil
import threading
from datetime import datetime
from pathlib import Path
from typing import Any

from local_aws.account.account import Usage
from local_aws.clock import now
from local_aws.errors import JobFailed
from local_aws.faults.injection import NO_CAPACITY, SPOT_INTERRUPTION
from local_aws.log_writer import LogWriter
from local_aws.sagemaker import vpc
from local_aws.sagemaker.built_in_metrics import metric_definitions
from local_aws.sagemaker.checkpoint_sync import synced_checkpoints
from local_aws.sagemaker.cluster import STOP_GRACE_SECONDS, HostFailed
from local_aws.sagemaker.instances import with_selection
from local_aws.sagemaker.metrics import MetricPatterns
from local_aws.sagemaker.opt_ml_tree import failure, fill_trees, store_results
from local_aws.sagemaker.program_job import JobServices, ProgramJob
from local_aws.sagemaker.secondary_status import SecondaryStatus
from local_aws.sagemaker.training_request import SWITCHES, container, instances, stopping_condition


class JobStopped(Exception):
    """The secondary status of a job that ended before its program began."""


class TrainingJob(ProgramJob):
    """A training job."""

    kind = "Training"

    def __init__(self, request: dict[str, Any], arn: str, services: JobServices) -> None:
        super().__init__(request, arn, services)
        account = arn.split(":")[4]
        definitions = metric_definitions(request["AlgorithmSpecification"], account)
        self._patterns = MetricPatterns(definitions)
        self._metrics: dict[str, dict[str, Any]] = {}
        self._spot: bool = request.get("EnableManagedSpotTraining", False)
        self._interrupted = threading.Event()
        self._capacity_after = 0.0  # seconds from an interruption to another instance
        self._seconds_on_instances = 0.0  # until the last interruption
        self._began: datetime | None = None  # on the present instances
        self._secondary = SecondaryStatus()
        self._enter("Starting", "Preparing the job")

    @property
    def usage(self) -> Usage:
        """The instances of the running job."""
        return instances(self._request)

    def describe(self) -> dict[str, Any]:
        """Return the answer of DescribeTrainingJob."""
        with self._lock:
            return {
                **dict.fromkeys(SWITCHES, False),
                **super().describe(),
                "ResourceConfig": with_selection(self._request["ResourceConfig"]),
                "StoppingCondition": stopping_condition(self._request),
                "OutputDataConfig": {"KmsKeyId": "", **self._request["OutputDataConfig"]},
                **self._secondary.describe(),
                "FinalMetricDataList": list(self._metrics.values()),
            }

    def _begin_stopping(self) -> None:
        super()._begin_stopping()
        self._enter("Stopping", f"Stopping the job, within {STOP_GRACE_SECONDS:g} seconds")

    def interrupt(self, grace_seconds: float, capacity_after: float) -> None:
        """Interrupt the spot instances: SIGTERM, then SIGKILL after the grace period.

        Other instances are free after `capacity_after` seconds. Raises ValueError if this is not a
        spot job with a running program.
        """
        with self._lock:
            if not self._spot:
                raise ValueError(f"{self.name} has no spot instance")
            if not self._cluster or self._secondary.present != "Training":
                raise ValueError(f"{self.name} is {self._secondary.present}, not Training")
            self._capacity_after = capacity_after
            self._interrupted.set()
            cluster = self._cluster
        self._say(f"the spot instances are taken back: SIGTERM now, SIGKILL in {grace_seconds:g} s")
        cluster.end(grace_seconds)

    def _run_in(self, folder: Path) -> None:
        try:
            self._train_until_done(folder)
        except JobStopped as stopped:
            self._finish_as("Stopped", str(stopped), "The job was stopped")

    def _train_until_done(self, folder: Path) -> None:
        """Train, and train again on other instances after each interruption."""
        self._check_capacity()
        s3 = self._services.clients.as_role(self._request["RoleArn"]).client("s3")
        for attempt in itertools.count():
            begun = now()
            roots = self._prepare(s3, folder / str(attempt))
            with synced_checkpoints(s3, self._request.get("CheckpointConfig"), roots):
                out_of_time = self._train(roots)
            if not self._interrupted.is_set() or self._stop_requested.is_set() or out_of_time:
                break
            with self._lock:
                self._seconds_on_instances += (now() - begun).total_seconds()
                self._began = None
            shutil.rmtree(folder / str(attempt))
            self._wait_for_capacity("Interrupted")
            self._interrupted.clear()
            self._enter("Starting", "Preparing the job on other instances")

        self._upload(s3, list(roots.values()))
        if self._stop_requested.is_set():
            self._finish_as("Stopped", "Stopped", "Stopped on request")
        elif out_of_time:
            self._finish_as("Stopped", out_of_time, "The job took longer than allowed")
        else:
            self._finish_as("Completed", "Completed", "The job completed")

    def _check_capacity(self) -> None:
        """Fail if there is no capacity; a spot job waits for it until its limit."""
        if self._spot and NO_CAPACITY in self._services.faults:
            self._capacity_after = math.inf
            self._wait_for_capacity("Starting")
        super()._check_capacity()

    def _prepare(self, s3: Any, folder: Path) -> dict[str, Path]:
        """Create and fill the /opt/ml tree of each host."""
        self._enter("Downloading", "Downloading the input data")
        with self._lock:
            self._began = now()
            self._state.setdefault("TrainingStartTime", self._began)
        vpc.check_route(self._services.clients, self._request.get("VpcConfig"))
        return fill_trees(s3, self._request, folder)

    def _upload(self, s3: Any, roots: list[Path]) -> None:
        self._enter("Uploading", "Uploading the model and the output")
        if uri := store_results(s3, self._request, roots):
            self._update(ModelArtifacts={"S3ModelArtifacts": uri})

    def _wait_for_capacity(self, status: str) -> None:
        """Wait in a secondary status until spot instances are free.

        Raises JobStopped if the job is stopped or reaches its maximum wait before.
        """
        left = self._left("MaxWaitTimeInSeconds")
        seconds = min(self._capacity_after, left)
        limit = ", the longest wait of the job" if seconds == left else ""
        message = f"Waiting for spot instances, for at most {seconds:.0f} seconds{limit}"
        self._enter(status, message)
        self._say(f"{status}: {message}")
        if self._stop_requested.wait(seconds):
            raise JobStopped("Stopped")
        if self._capacity_after >= left:
            raise JobStopped("MaxWaitTimeExceeded")

    def _left(self, limit: str) -> float:
        """Return the seconds until the limit of the stopping condition.

        MaxWaitTimeInSeconds limits waiting and running; MaxRuntimeInSeconds limits only running.
        """
        if limit == "MaxWaitTimeInSeconds":
            spent: float = (now() - self._state["CreationTime"]).total_seconds()
        else:
            spent = self._seconds_on_instances
        return max(0.0, float(stopping_condition(self._request)[limit]) - spent)

    def _train(self, roots: dict[str, Path]) -> str | None:
        """Run the program on every host until its end.

        Returns the secondary status if a time limit ended it, else None. Raises JobFailed if the
        program of a host ended with an exit code other than 0.
        """
        self._enter("Training", "The training program runs")
        limits = {"MaxRuntimeExceeded": "MaxRuntimeInSeconds"}
        if self._spot:
            limits["MaxWaitTimeExceeded"] = "MaxWaitTimeInSeconds"
        try:
            return self._execute(
                container(self._request, self.arn, roots),
                {status: self._left(limit) for status, limit in limits.items()},
            )
        except HostFailed as error:
            reason = failure(roots[error.host])
            raise JobFailed(f"AlgorithmError: {reason}, exit code: {error.exit_code}") from None

    def _take(self, line: str, log: LogWriter) -> None:
        super()._take(line, log)
        for name, value in self._patterns.match(line, log.write):
            metric = {"MetricName": name, "Value": value, "Timestamp": now()}
            with self._lock:
                self._metrics[name] = metric
        if (
            self._spot
            and SPOT_INTERRUPTION in self._services.faults
            and not self._interrupted.is_set()
        ):
            with contextlib.suppress(ValueError):  # it is being stopped
                self.interrupt(STOP_GRACE_SECONDS, math.inf)

    def _enter(self, status: str, message: str) -> None:
        """Enter the next secondary status."""
        with self._lock:
            self._secondary.enter(status, message)
            self._update()

    def _finish(self, status: str, reason: str = "") -> None:
        self._finish_as(status, status, reason)

    def _finish_as(self, status: str, secondary: str, message: str) -> None:
        """Enter a final status and its secondary status."""
        with self._lock:
            self._enter(secondary, message)
            self._secondary.end()
            if "TrainingStartTime" in self._state:
                last = (now() - self._began).total_seconds() if self._began else 0.0
                seconds = max(1, math.ceil(self._seconds_on_instances + last))
                billable = self._services.account.billable(seconds, self._spot)
                self._update(TrainingTimeInSeconds=seconds, BillableTimeInSeconds=billable)
            super()._finish(status, message if status == "Failed" else "")
