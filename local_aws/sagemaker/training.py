"""One training job: from the CreateTrainingJob request to model.tar.gz in S3.

What SageMaker does around the container, in its order and with its statuses. Sources:
"CreateTrainingJob" and "DescribeTrainingJob" in the SageMaker API reference, "How Amazon
SageMaker AI Provides Training Information" in the developer guide.
"""

import contextlib
import itertools
import math
import shutil
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from local_aws.account.account import Account
from local_aws.clients import Clients
from local_aws.errors import JobFailed
from local_aws.faults.injection import CAPACITY_ERROR, NO_CAPACITY, SPOT_INTERRUPTION, Faults
from local_aws.log_writer import LogWriter
from local_aws.runners.runner import ContainerSpec
from local_aws.runners.table import RunnerTable
from local_aws.sagemaker import vpc
from local_aws.sagemaker.checkpoint_sync import CheckpointSync
from local_aws.sagemaker.cluster import STOP_GRACE_SECONDS, Cluster, HostFailed
from local_aws.sagemaker.metrics import MetricPatterns
from local_aws.sagemaker.opt_ml_tree import download, failure, hosts, upload, write_config
from local_aws.workspace import Workspace

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
SWITCHES = (  # of the request, off unless given
    "EnableNetworkIsolation",
    "EnableInterContainerTrafficEncryption",
    "EnableManagedSpotTraining",
)


class JobStopped(Exception):
    """It ended before its program did, by no fault of its own: the secondary status."""


class TrainingJob:
    """Runs in a thread of its own from `start()` on; every method may be called from any thread."""

    def __init__(
        self,
        request: dict[str, Any],
        arn: str,
        clients: Clients,
        runner: RunnerTable,
        account: Account,
        faults: Faults,
        workspace: Workspace,
    ) -> None:
        self.arn = arn
        self.name: str = request["TrainingJobName"]
        self._request = request
        self._clients = clients
        self._runner = runner
        self._account = account
        self._faults = faults
        self._workspace = workspace
        definitions = request["AlgorithmSpecification"].get("MetricDefinitions", [])
        self._patterns = MetricPatterns(definitions)
        self._metrics: dict[str, dict[str, Any]] = {}
        self._stop_requested = threading.Event()
        self._spot: bool = request.get("EnableManagedSpotTraining", False)
        self._interrupted = threading.Event()
        self._capacity_after = 0.0  # seconds from an interruption to another instance
        self._seconds_on_instances = 0.0  # until the last interruption
        self._began: datetime | None = None  # on the present instances
        self._cluster: Cluster | None = None
        self._lock = threading.RLock()
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        now = _now()
        self._state: dict[str, Any] = {
            "TrainingJobStatus": "InProgress",
            "CreationTime": now,
            "SecondaryStatusTransitions": [],
        }
        self._enter("Starting", "Preparing the job")

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        self._thread.join()

    @property
    def ended(self) -> bool:
        return self._state["TrainingJobStatus"] in ("Completed", "Failed", "Stopped")

    def describe(self) -> dict[str, Any]:
        """The answer of DescribeTrainingJob."""
        with self._lock:
            request = {key: value for key, value in self._request.items() if key != "Tags"}
            return {
                "TrainingJobArn": self.arn,
                **dict.fromkeys(SWITCHES, False),
                **request,
                **self._state,
                "SecondaryStatusTransitions": [
                    dict(each) for each in self._state["SecondaryStatusTransitions"]
                ],
                "FinalMetricDataList": list(self._metrics.values()),
            }

    def stop(self, grace_seconds: float = STOP_GRACE_SECONDS) -> None:
        """StopTrainingJob: SIGTERM, and SIGKILL when the grace is over."""
        with self._lock:
            if self.ended:
                return
            if not self._stop_requested.is_set():
                self._stop_requested.set()
                self._state["TrainingJobStatus"] = "Stopping"
                self._enter("Stopping", "Stopping the job")
            cluster = self._cluster
        if cluster:
            cluster.end(grace_seconds)

    def interrupt(self, grace_seconds: float, capacity_after: float) -> None:
        """Takes the spot instances back: SIGTERM, SIGKILL when the grace is over, and after
        `capacity_after` seconds there are others.

        Raises ValueError when it is not a spot job whose program runs.
        """
        with self._lock:
            if not self._spot:
                raise ValueError(f"{self.name} has no spot instance")
            if not self._cluster or self._state["SecondaryStatus"] != "Training":
                raise ValueError(f"{self.name} is {self._state['SecondaryStatus']}, not Training")
            self._capacity_after = capacity_after
            self._interrupted.set()
            cluster = self._cluster
        cluster.end(grace_seconds)

    def _run(self) -> None:
        try:
            with self._workspace.folder() as folder:
                self._train(folder)
        except JobFailed as error:
            self._finish("Failed", "Failed", str(error))
        except JobStopped as stopped:
            self._finish("Stopped", str(stopped), "The job was stopped")
        except Exception as error:  # noqa: BLE001 - a fault of ours must end the job, visibly
            self._finish(
                "Failed", "Failed", f"InternalServerError: {type(error).__name__}: {error}"
            )

    def _train(self, folder: Path) -> None:
        if NO_CAPACITY in self._faults:
            if not self._spot:
                raise JobFailed(CAPACITY_ERROR)
            self._capacity_after = math.inf
            self._wait_for_capacity()
        clients = self._clients.as_role(self._request["RoleArn"])
        s3 = clients.client("s3")
        for attempt in itertools.count():
            begun = _now()
            roots = self._prepare(s3, folder / str(attempt))
            with self._synced_checkpoints(s3, roots):
                out_of_time = self._execute(roots, clients.client("logs"))
            if not self._interrupted.is_set() or self._stop_requested.is_set() or out_of_time:
                break
            with self._lock:
                self._seconds_on_instances += (_now() - begun).total_seconds()
                self._began = None
            shutil.rmtree(folder / str(attempt))
            self._enter("Interrupted", "The spot instances were taken back")
            self._wait_for_capacity()
            self._interrupted.clear()
            self._enter("Starting", "Preparing the job on other instances")

        self._enter("Uploading", "Uploading the model and the output")
        output = (
            f"{self._request['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{self.name}/output"
        )
        of_hosts = roots.values()
        upload(s3, [root / "output" / "data" for root in of_hosts], f"{output}/output.tar.gz")
        if upload(s3, [root / "model" for root in of_hosts], f"{output}/model.tar.gz"):
            with self._lock:
                self._state["ModelArtifacts"] = {"S3ModelArtifacts": f"{output}/model.tar.gz"}
        if self._stop_requested.is_set():
            self._finish("Stopped", "Stopped", "Stopped on request")
        elif out_of_time:
            self._finish("Stopped", out_of_time, "The job took longer than allowed")
        else:
            self._finish("Completed", "Completed", "The job completed")

    def _prepare(self, s3: Any, folder: Path) -> dict[str, Path]:
        """The /opt/ml tree of each host, filled."""
        self._enter("Downloading", "Downloading the input data")
        with self._lock:
            self._began = _now()
            self._state.setdefault("TrainingStartTime", self._began)
        if "VpcConfig" in self._request:
            vpc.check_route(self._clients.client("ec2"), self._request["VpcConfig"]["Subnets"])
        roots = {host: folder / host for host in hosts(self._request)}
        for number, (host, root) in enumerate(roots.items()):
            write_config(self._request, host, root)
            for channel in self._request.get("InputDataConfig", []):
                place = root / "input" / "data" / channel["ChannelName"]
                download(s3, channel, place, number, len(roots))
            for name in ("model", "output/data"):
                (root / name).mkdir(parents=True)
        return roots

    @contextlib.contextmanager
    def _synced_checkpoints(self, s3: Any, roots: dict[str, Path]) -> Iterator[None]:
        config = self._request.get("CheckpointConfig")
        if not config:
            yield
            return
        sync = CheckpointSync(s3, config["S3Uri"], roots)
        sync.fill()
        with sync.running():
            yield

    def _wait_for_capacity(self) -> None:
        """Raises JobStopped when the job was stopped, or the longest wait was over, before."""
        left = self._left("MaxWaitTimeInSeconds")
        if self._stop_requested.wait(min(self._capacity_after, left)):
            raise JobStopped("Stopped")
        if self._capacity_after >= left:
            raise JobStopped("MaxWaitTimeExceeded")

    def _left(self, limit: str) -> float:
        """Seconds until a limit of the stopping condition: on waiting and running, or on running
        alone."""
        if limit == "MaxWaitTimeInSeconds":
            spent: float = (_now() - self._state["CreationTime"]).total_seconds()
        else:
            spent = self._seconds_on_instances
        return max(0.0, float(self._request["StoppingCondition"][limit]) - spent)

    def _execute(self, roots: dict[str, Path], logs: Any) -> str | None:
        """Runs the program on every host to its end; the secondary status of a job whose time ran
        out first.

        Raises JobFailed when it ended by itself with another exit code than 0 on one of them.
        """
        self._enter("Training", "The training program runs")
        environment = {
            **self._request.get("Environment", {}),
            "TRAINING_JOB_NAME": self.name,
            "TRAINING_JOB_ARN": self.arn,
        }
        with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
            logs.create_log_group(logGroupName=LOG_GROUP)
        if self._stop_requested.is_set():
            return None
        cluster = Cluster(self._runner.start(self._container(roots, environment)))
        with self._lock:
            self._cluster = cluster
            if self._stop_requested.is_set():  # while it was being started
                cluster.end(grace_seconds=0)
        limits = {"MaxRuntimeExceeded": "MaxRuntimeInSeconds"}
        if self._spot:
            limits["MaxWaitTimeExceeded"] = "MaxWaitTimeInSeconds"
        exceeded: list[str] = []

        def time_out(status: str) -> None:
            exceeded.append(status)
            cluster.end()

        timers = [
            threading.Timer(self._left(limit), time_out, [status])
            for status, limit in limits.items()
        ]
        for timer in timers:
            timer.daemon = True
            timer.start()
        try:
            cluster.run(lambda host: self._open_log(logs, host))
        except HostFailed as error:
            reason = failure(roots[error.host])
            raise JobFailed(f"AlgorithmError: {reason}, exit code: {error.exit_code}") from None
        finally:
            for timer in timers:
                timer.cancel()
            with self._lock:
                self._cluster = None
        return exceeded[0] if exceeded else None

    def _container(self, roots: dict[str, Path], environment: dict[str, str]) -> ContainerSpec:
        algorithm = self._request["AlgorithmSpecification"]
        return ContainerSpec(
            job=self.name,
            image=algorithm["TrainingImage"],
            role_arn=self._request["RoleArn"],
            instance_type=self._request["ResourceConfig"]["InstanceType"],
            roots=roots,
            environment=environment,
            entrypoint=tuple(algorithm.get("ContainerEntrypoint", ())),
            arguments=tuple(algorithm.get("ContainerArguments", ("train",))),
            isolated=self._request.get("EnableNetworkIsolation", False),
        )

    def _open_log(self, logs: Any, host: str) -> Callable[[str], None]:
        """What takes the lines of a host, into a stream of its own."""
        stream = f"{self.name}/{host}-{int(_now().timestamp())}"
        log = LogWriter(logs, LOG_GROUP, stream)

        def write(line: str) -> None:
            log.write(line)
            for name, value in self._patterns.match(line, log.write):
                metric = {"MetricName": name, "Value": value, "Timestamp": _now()}
                with self._lock:
                    self._metrics[name] = metric
            if self._spot and SPOT_INTERRUPTION in self._faults and not self._interrupted.is_set():
                with contextlib.suppress(ValueError):  # it is being stopped
                    self.interrupt(STOP_GRACE_SECONDS, math.inf)

        return write

    def _enter(self, status: str, message: str) -> None:
        """The next secondary status."""
        with self._lock:
            now = _now()
            transitions = self._state["SecondaryStatusTransitions"]
            if transitions:
                transitions[-1]["EndTime"] = now
            transitions.append({"Status": status, "StartTime": now, "StatusMessage": message})
            self._state["SecondaryStatus"] = status
            self._state["LastModifiedTime"] = now

    def _finish(self, status: str, secondary: str, message: str) -> None:
        with self._lock:
            self._enter(secondary, message)
            now = _now()
            self._state["SecondaryStatusTransitions"][-1]["EndTime"] = now
            if "TrainingStartTime" in self._state:
                last = (now - self._began).total_seconds() if self._began else 0.0
                seconds = max(1, math.ceil(self._seconds_on_instances + last))
                self._state |= {
                    "TrainingEndTime": now,
                    "TrainingTimeInSeconds": seconds,
                    "BillableTimeInSeconds": self._account.billable(seconds, self._spot),
                }
            if status == "Failed":
                self._state["FailureReason"] = message
            self._state["TrainingJobStatus"] = status


def _now() -> datetime:
    return datetime.now(UTC)
