"""One training job: from the CreateTrainingJob request to model.tar.gz in S3.

What SageMaker does around the container, in its order and with its statuses. Sources:
"CreateTrainingJob" and "DescribeTrainingJob" in the SageMaker API reference, "How Amazon
SageMaker AI Provides Training Information" in the developer guide.
"""

import contextlib
import json
import re
import tarfile
import tempfile
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.data import split_uri
from pipeline.local_aws.clients import Clients
from pipeline.local_aws.runner import Process, Runner
from pipeline.progress import LOG_GROUP

HOST = "algo-1"
STOP_GRACE_SECONDS = 120.0  # between SIGTERM and SIGKILL
FAILURE_CHARACTERS = 1024

# The members of the request that are carried out here; any other one is refused by its name.
SUPPORTED: dict[str, Any] = {
    "TrainingJobName": None,
    "HyperParameters": None,
    "AlgorithmSpecification": {
        "TrainingImage": None,
        "TrainingInputMode": None,
        "MetricDefinitions": None,
    },
    "RoleArn": None,
    "InputDataConfig": {
        "ChannelName": None,
        "ContentType": None,
        "DataSource": {
            "S3DataSource": {"S3DataType": None, "S3Uri": None, "S3DataDistributionType": None}
        },
    },
    "OutputDataConfig": {"S3OutputPath": None},
    "ResourceConfig": {"InstanceType": None, "InstanceCount": None, "VolumeSizeInGB": None},
    "StoppingCondition": {"MaxRuntimeInSeconds": None, "MaxWaitTimeInSeconds": None},
    "Tags": None,
    "EnableNetworkIsolation": None,
    "EnableInterContainerTrafficEncryption": None,
    "EnableManagedSpotTraining": None,
    "Environment": None,
    "ProfilerConfig": {"DisableProfiler": None},
}
SUPPORTED_VALUES = {
    "TrainingInputMode": "File",
    "S3DataType": "S3Prefix",
    "InstanceCount": 1,
    "DisableProfiler": True,
}


def unsupported(request: dict[str, Any]) -> list[str]:
    """What AWS could do and local AWS cannot, one line each."""
    return list(_unsupported(request, SUPPORTED, "CreateTrainingJob"))


def _unsupported(value: Any, supported: dict[str, Any], path: str) -> Iterator[str]:
    for item in value if isinstance(value, list) else [value]:
        for name, member in item.items():
            if name not in supported:
                yield f"local AWS does not support {path}.{name}"
            elif member != SUPPORTED_VALUES.get(name, member):
                only = SUPPORTED_VALUES[name]
                yield f"local AWS does not support {path}.{name} {member!r}, only {only!r}"
            elif supported[name]:
                yield from _unsupported(member, supported[name], f"{path}.{name}")


class JobFailed(Exception):
    """The reason as DescribeTrainingJob gives it."""


class TrainingJob:
    """Runs in a thread of its own from `start()` on; every method may be called from any thread."""

    def __init__(self, request: dict[str, Any], arn: str, clients: Clients, runner: Runner) -> None:
        self.arn = arn
        self.name: str = request["TrainingJobName"]
        self._request = request
        self._clients = clients
        self._runner = runner
        self._metrics: dict[str, dict[str, Any]] = {}
        self._stop_requested = threading.Event()
        self._process: Process | None = None
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
            if self.ended or self._stop_requested.is_set():
                return
            self._stop_requested.set()
            self._state["TrainingJobStatus"] = "Stopping"
            self._enter("Stopping", "Stopping the job")
            process = self._process
        if process:
            _end(process, grace_seconds)

    def _run(self) -> None:
        try:
            with tempfile.TemporaryDirectory(prefix="local-aws-") as folder:
                self._train(Path(folder))
        except JobFailed as error:
            self._finish("Failed", "Failed", str(error))
        except Exception as error:  # noqa: BLE001 - a fault of ours must end the job, visibly
            self._finish(
                "Failed", "Failed", f"InternalServerError: {type(error).__name__}: {error}"
            )

    def _train(self, root: Path) -> None:
        clients = self._clients.as_role(self._request["RoleArn"])
        s3 = clients.client("s3")
        self._enter("Downloading", "Downloading the input data")
        with self._lock:
            self._state["TrainingStartTime"] = _now()
        _write_config(self._request, root)
        for channel in self._request.get("InputDataConfig", []):
            _download(s3, channel, root / "input" / "data" / channel["ChannelName"])
        for folder in ("model", "output/data"):
            (root / folder).mkdir(parents=True)

        out_of_time = self._execute(root, clients.client("logs"))

        self._enter("Uploading", "Uploading the model and the output")
        output = (
            f"{self._request['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{self.name}/output"
        )
        _upload(s3, root / "model", f"{output}/model.tar.gz")
        _upload(s3, root / "output" / "data", f"{output}/output.tar.gz")
        with self._lock:
            self._state["ModelArtifacts"] = {"S3ModelArtifacts": f"{output}/model.tar.gz"}
        if self._stop_requested.is_set():
            self._finish("Stopped", "Stopped", "Stopped on request")
        elif out_of_time:
            self._finish("Stopped", "MaxRuntimeExceeded", "The job ran longer than allowed")
        else:
            self._finish("Completed", "Completed", "The job completed")

    def _execute(self, root: Path, logs: Any) -> bool:
        """Runs the program to its end; whether its time ran out first.

        Raises JobFailed when it ended by itself with another exit code than 0.
        """
        self._enter("Training", "The training program runs")
        environment = {
            **self._request.get("Environment", {}),
            "TRAINING_JOB_NAME": self.name,
            "TRAINING_JOB_ARN": self.arn,
        }
        with self._lock:
            if self._stop_requested.is_set():
                return False
            image = self._request["AlgorithmSpecification"]["TrainingImage"]
            process = self._process = self._runner.start(image, root, environment)
        out_of_time = threading.Event()

        def time_out() -> None:
            out_of_time.set()
            _end(process, STOP_GRACE_SECONDS)

        timer = threading.Timer(self._request["StoppingCondition"]["MaxRuntimeInSeconds"], time_out)
        timer.daemon = True
        timer.start()
        try:
            log = _Log(logs, self.name)
            for line in process.lines():
                log.write(line)
                self._match_metrics(line)
            code = process.exit_code()
        finally:
            timer.cancel()
            process.kill()
        if code and not (self._stop_requested.is_set() or out_of_time.is_set()):
            raise JobFailed(f"AlgorithmError: {_failure(root)}, exit code: {code}")
        return out_of_time.is_set()

    def _match_metrics(self, line: str) -> None:
        for definition in self._request["AlgorithmSpecification"].get("MetricDefinitions", []):
            match = re.search(definition["Regex"], line)
            if match and match.groups():
                name = definition["Name"]
                metric = {"MetricName": name, "Value": float(match[1]), "Timestamp": _now()}
                with self._lock:
                    self._metrics[name] = metric

    def _enter(self, status: str, message: str) -> None:
        """The next secondary status; what was asked to stop stays Stopping until its end."""
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
                seconds = max(1, round((now - self._state["TrainingStartTime"]).total_seconds()))
                self._state |= {
                    "TrainingEndTime": now,
                    "TrainingTimeInSeconds": seconds,
                    "BillableTimeInSeconds": seconds,
                }
            if status == "Failed":
                self._state["FailureReason"] = message
            self._state["TrainingJobStatus"] = status


class _Log:
    """The job's log stream in CloudWatch Logs."""

    def __init__(self, logs: Any, job_name: str) -> None:
        self._logs = logs
        self._stream = f"{job_name}/{HOST}-{int(_now().timestamp())}"
        with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
            logs.create_log_group(logGroupName=LOG_GROUP)
        logs.create_log_stream(logGroupName=LOG_GROUP, logStreamName=self._stream)

    def write(self, line: str) -> None:
        if line.strip():  # CloudWatch Logs takes no empty message
            event = {"timestamp": int(_now().timestamp() * 1000), "message": line}
            self._logs.put_log_events(
                logGroupName=LOG_GROUP, logStreamName=self._stream, logEvents=[event]
            )


def _write_config(request: dict[str, Any], root: Path) -> None:
    resources = request["ResourceConfig"]
    files = {
        "hyperparameters.json": request.get("HyperParameters", {}),
        "inputdataconfig.json": {
            channel["ChannelName"]: {
                "TrainingInputMode": "File",
                "S3DistributionType": channel["DataSource"]["S3DataSource"].get(
                    "S3DataDistributionType", "FullyReplicated"
                ),
                "RecordWrapperType": "None",
                **({"ContentType": channel["ContentType"]} if "ContentType" in channel else {}),
            }
            for channel in request.get("InputDataConfig", [])
        },
        "resourceconfig.json": {
            "current_host": HOST,
            "current_instance_type": resources["InstanceType"],
            "current_group_name": "homogeneousCluster",
            "hosts": [HOST],
            "instance_groups": [
                {
                    "instance_group_name": "homogeneousCluster",
                    "instance_type": resources["InstanceType"],
                    "hosts": [HOST],
                }
            ],
            "network_interface_name": "eth0",
        },
    }
    folder = root / "input" / "config"
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content), encoding="utf-8")


def _download(s3: Any, channel: dict[str, Any], folder: Path) -> None:
    """File mode: the objects under the channel's S3 prefix, as files in `folder`."""
    uri = channel["DataSource"]["S3DataSource"]["S3Uri"]
    bucket, prefix = split_uri(uri)
    folder.mkdir(parents=True)
    found = False
    try:
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for item in page.get("Contents", []):
                if item["Key"].endswith("/"):
                    continue
                below = prefix.rstrip("/") + "/"
                if not item["Key"].startswith(below):  # the prefix ends within a name
                    below = prefix.rpartition("/")[0]
                path = folder / item["Key"].removeprefix(below).lstrip("/")
                path.resolve().relative_to(folder.resolve())  # no key leads out of the folder
                path.parent.mkdir(parents=True, exist_ok=True)
                s3.download_file(bucket, item["Key"], str(path))
                found = True
    except s3.exceptions.ClientError as error:
        raise JobFailed(f"ClientError: Data download failed for {uri}: {error}") from None
    if not found:
        raise JobFailed(
            f"ClientError: Data download failed: no S3 objects under {uri} "
            f"(channel {channel['ChannelName']})"
        )


def _upload(s3: Any, folder: Path, uri: str) -> None:
    if not any(folder.iterdir()):
        return
    with tempfile.TemporaryFile() as file:
        with tarfile.open(fileobj=file, mode="w:gz") as archive:
            for path in sorted(folder.iterdir()):
                archive.add(path, arcname=path.name)
        file.seek(0)
        bucket, key = split_uri(uri)
        s3.put_object(Bucket=bucket, Key=key, Body=file)


def _failure(root: Path) -> str:
    path = root / "output" / "failure"
    if not path.is_file():
        return ""
    return path.read_text(encoding="utf-8", errors="replace")[:FAILURE_CHARACTERS].strip()


def _end(process: Process, grace_seconds: float) -> None:
    process.terminate()
    timer = threading.Timer(grace_seconds, process.kill)
    timer.daemon = True
    timer.start()


def _now() -> datetime:
    return datetime.now(UTC)
