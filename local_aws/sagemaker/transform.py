"""One batch transform job: from the CreateTransformJob request to the scored objects in S3.

What SageMaker does around the container, in its order and with its statuses. Sources:
"CreateTransformJob" and "DescribeTransformJob" in the SageMaker API reference, "Use batch transform
to run inference with Amazon SageMaker AI" and "Custom Inference Code with Batch Transform" in the
developer guide.
"""

import contextlib
import gzip
import json
import secrets
import tempfile
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import IO, Any

from local_aws.errors import JobFailed
from local_aws.log_writer import LogWriter
from local_aws.sagemaker.data_processing import DataProcessing
from local_aws.sagemaker.model import Model
from local_aws.sagemaker.model_server import (
    Hosting,
    ModelServer,
    NoResponse,
    NotHealthy,
    Response,
)
from local_aws.sagemaker.s3 import split_uri
from local_aws.sagemaker.transform_records import (
    LINE,
    MULTI_RECORD,
    SINGLE_RECORD,
    TooMuchData,
    assembled,
    batches,
    split,
)

from botocore.exceptions import BotoCoreError, ClientError

LOG_GROUP = "/aws/sagemaker/TransformJobs"
SEE_LOGS = "See job logs for more information"
# Where neither the request nor the container's /execution-parameters say it.
DEFAULTS = {"MaxConcurrentTransforms": 1, "MaxPayloadInMB": 6, "BatchStrategy": MULTI_RECORD}
NAMES = {SINGLE_RECORD: "SINGLE_RECORD", MULTI_RECORD: "MULTI_RECORD"}  # for the container
INVOCATION_SECONDS, INVOCATION_RETRIES = 600, 3
LARGEST_ANSWER = 2000  # characters of a refusal, in the log


class ObjectFailed(Exception):
    """An object was not transformed; its log says why, this the kind of failure."""


class TransformJob:
    """Runs in a thread of its own from `start()` on; every method may be called from any thread."""

    def __init__(self, request: dict[str, Any], arn: str, model: Model, hosting: Hosting) -> None:
        self.arn = arn
        self.name: str = request["TransformJobName"]
        self._request = request
        self._model = model
        self._hosting = hosting
        self._clients = hosting.clients
        source, target = request["TransformInput"], request["TransformOutput"]
        self._split_type = source.get("SplitType", "None")
        self._assemble_with = target.get("AssembleWith", "None")
        self._gzip = source.get("CompressionType") == "Gzip"
        self._headers = {
            name: value
            for name, value in (
                ("Content-Type", source.get("ContentType")),
                ("Accept", target.get("Accept")),
            )
            if value
        }
        self._processing = data_processing(request)
        self._parameters: dict[str, Any] = {}
        self._server: ModelServer | None = None
        self._stop_requested = threading.Event()
        self._lock = threading.RLock()
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._state: dict[str, Any] = {
            "TransformJobStatus": "InProgress",
            "CreationTime": _now(),
        }

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        self._thread.join()

    @property
    def ended(self) -> bool:
        return self._state["TransformJobStatus"] in ("Completed", "Failed", "Stopped")

    def describe(self) -> dict[str, Any]:
        """Return the answer of DescribeTransformJob."""
        with self._lock:
            request = {name: value for name, value in self._request.items() if name != "Tags"}
            return {"TransformJobArn": self.arn, **request, **self._state}

    def stop(self) -> None:
        """Stop the job: what it has not written yet it never writes."""
        with self._lock:
            if self.ended:
                return
            self._stop_requested.set()
            self._state["TransformJobStatus"] = "Stopping"
            server = self._server
        if server:
            server.close(grace_seconds=0)

    def _run(self) -> None:
        try:
            self._transform()
        except JobFailed as error:
            self._finish("Failed", str(error))
        except Exception as error:  # noqa: BLE001 - a fault of ours must end the job, visibly
            self._finish("Failed", f"InternalServerError: {type(error).__name__}: {error}")
        else:
            self._finish("Completed")

    def _transform(self) -> None:
        role = self._clients.as_role(self._model.role_arn)
        s3, logs = role.client("s3"), role.client("logs")
        with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
            logs.create_log_group(logGroupName=LOG_GROUP)
        instance = f"{self.name}/i-{secrets.token_hex(8)}-{int(_now().timestamp())}"
        program_log = LogWriter(logs, LOG_GROUP, instance)
        data_log = LogWriter(logs, LOG_GROUP, f"{instance}/data-log")
        objects = self._objects(s3)
        with self._lock:
            self._state["TransformStartTime"] = _now()
        server = ModelServer.start(
            self._model,
            self.name,
            self._request["TransformResources"]["InstanceType"],
            self._environment(),
            self._hosting,
            program_log.write,
        )
        with self._lock:
            self._server = server
        try:
            if self._stop_requested.is_set():
                return
            try:
                server.wait_until_healthy()
            except NotHealthy:
                _log(data_log, "the model server did not answer /ping with 200")
                raise JobFailed(f"AlgorithmError: {SEE_LOGS}") from None
            self._parameters = self._resolve_parameters(server)
            said = {**self._parameters, "BatchStrategy": NAMES[self._parameters["BatchStrategy"]]}
            _log(data_log, ", ".join(f"{name}={value}" for name, value in said.items()))
            failures = [each for key in objects if (each := self._score(s3, key, data_log))]
        finally:
            server.close()
        if failures:
            raise JobFailed(failures[0])

    def _environment(self) -> dict[str, str]:
        return {
            "SAGEMAKER_BATCH": "true",
            "SAGEMAKER_MAX_PAYLOAD_IN_MB": str(self._setting("MaxPayloadInMB")),
            "SAGEMAKER_BATCH_STRATEGY": NAMES[self._setting("BatchStrategy")],
            "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": str(self._setting("MaxConcurrentTransforms")),
            **self._request.get("Environment", {}),
        }

    def _setting(self, name: str) -> Any:
        return self._request.get(name, DEFAULTS[name])

    def _resolve_parameters(self, server: ModelServer) -> dict[str, Any]:
        """Return the settings of the request, else of /execution-parameters, else the defaults."""
        offered: Any = {}
        with contextlib.suppress(NoResponse, ValueError):
            answer = server.request("GET", "/execution-parameters")
            if answer.status == 200:
                offered = json.loads(answer.body)
        known = offered if isinstance(offered, dict) else {}
        named = {name: known[name] for name in DEFAULTS if name in known}
        if named.get("BatchStrategy", MULTI_RECORD) not in NAMES:
            named["BatchStrategy"] = {"SINGLE_RECORD": SINGLE_RECORD}.get(
                named["BatchStrategy"], MULTI_RECORD
            )
        # MaxConcurrentTransforms 0 leaves it to the container; MaxPayloadInMB 0 is "no limit".
        given = {name: self._request[name] for name in DEFAULTS if name in self._request}
        if not given.get("MaxConcurrentTransforms"):
            given.pop("MaxConcurrentTransforms", None)
        return DEFAULTS | named | given

    def _objects(self, s3: Any) -> list[str]:
        """Return the keys of the input. Raises JobFailed when there are none."""
        uri = self._request["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"]
        bucket, prefix = split_uri(uri)
        try:
            pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
            keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
        except (ClientError, BotoCoreError) as error:
            raise JobFailed(f"ClientError: cannot list {uri}: {error}") from None
        keys = [key for key in keys if not key.endswith("/")]
        if not keys:
            raise JobFailed(f"ClientError: no S3 objects under {uri}")
        return keys

    def _score(self, s3: Any, key: str, log: LogWriter) -> str | None:
        """Transform one object; return the failure reason when that failed. The others go on."""
        bucket, prefix = split_uri(
            self._request["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"]
        )
        try:
            with tempfile.TemporaryFile() as result:
                for part in self._results(s3, bucket, key, log):
                    result.write(assembled(part, self._assemble_with))
                if self._stop_requested.is_set():
                    return None
                result.seek(0)
                self._put(s3, output_key(prefix, key), result)
        except ObjectFailed as failure:
            return str(failure)
        except (ValueError, OSError, EOFError, ClientError, BotoCoreError) as error:
            _log(log, f"{bucket}/{key}: {error}")
            return f"ClientError: {SEE_LOGS}"
        return None

    def _put(self, s3: Any, below: str, content: IO[bytes]) -> None:
        target = self._request["TransformOutput"]
        bucket, prefix = split_uri(target["S3OutputPath"])
        key = f"{prefix.rstrip('/')}/{below}.out".lstrip("/")
        encryption = {}
        if "KmsKeyId" in target:
            encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": target["KmsKeyId"]}
        s3.put_object(Bucket=bucket, Key=key, Body=content, **encryption)

    def _results(self, s3: Any, bucket: str, key: str, log: LogWriter) -> Iterator[bytes]:
        """Yield what is kept of each response, in the order of the records."""
        concurrent = max(1, int(self._parameters["MaxConcurrentTransforms"]))
        payload, strategy = self._parameters["MaxPayloadInMB"], self._parameters["BatchStrategy"]
        body: Any = s3.get_object(Bucket=bucket, Key=key)["Body"]
        with ThreadPoolExecutor(concurrent) as pool, tempfile.TemporaryFile() as content:
            for chunk in body.iter_chunks(2**20):
                content.write(chunk)
            content.seek(0)
            lines: Any = gzip.GzipFile(fileobj=content) if self._gzip else content
            waiting: deque[Future[bytes]] = deque()
            try:
                for batch in batches(split(lines, self._split_type), strategy, int(payload)):
                    if self._stop_requested.is_set():
                        return
                    waiting.append(pool.submit(self._invoke, batch, f"{bucket}/{key}", log))
                    if len(waiting) > concurrent:
                        yield waiting.popleft().result()
            except TooMuchData:
                _log(log, f"{bucket}/{key}: too much data for max payload size")
                raise ObjectFailed(f"ClientError: {SEE_LOGS}") from None
            finally:
                if self._stop_requested.is_set():
                    waiting.clear()
            while waiting:
                yield waiting.popleft().result()

    def _invoke(self, records: list[bytes], place: str, log: LogWriter) -> bytes:
        """Return what is kept of the response to these records. Raises ObjectFailed."""
        body = b"".join(self._processing.before(record) for record in records)
        response = self._answer(body)
        if self._stop_requested.is_set():
            return b""
        if response is None:
            _log(log, f"{place}: Unable to get response from algorithm")
            raise ObjectFailed(
                "InternalServerError: We encountered an internal error. Please try again."
            )
        if response.status == 200:
            return self._processing.after(records, response.body)
        kind = "ClientError" if response.status < 500 else "AlgorithmError"
        _log(log, f"{place}: {kind}: {response.status}")
        _log(log, f"{place}: Message:")
        for line in response.body.decode("utf-8", "replace")[:LARGEST_ANSWER].splitlines():
            _log(log, f"{place}: {line}")
        raise ObjectFailed(f"{kind}: {SEE_LOGS}")

    def _answer(self, body: bytes) -> Response | None:
        """Return the first answer that is no failure of the server, else the last one."""
        config = self._request.get("ModelClientConfig", {})
        seconds = config.get("InvocationsTimeoutInSeconds", INVOCATION_SECONDS)
        response = None
        for _ in range(1 + config.get("InvocationsMaxRetries", INVOCATION_RETRIES)):
            if self._stop_requested.is_set() or self._server is None:
                break
            try:
                response = self._server.invoke(body, self._headers, seconds)
            except NoResponse:
                response = None
            if response and response.status < 500:
                break
        return response

    def _finish(self, status: str, reason: str = "") -> None:
        with self._lock:
            if self._stop_requested.is_set():
                status, reason = "Stopped", ""
            if reason:
                self._state["FailureReason"] = reason
            self._state["TransformEndTime"] = _now()
            self._state["TransformJobStatus"] = status


def data_processing(request: dict[str, Any]) -> DataProcessing:
    """Return the filters and the join of a request. Raises PathError."""
    source = request["TransformInput"]
    return DataProcessing(
        request.get("DataProcessing", {}),
        source.get("ContentType", ""),
        request["TransformOutput"].get("Accept", ""),
        by_line=source.get("SplitType") == LINE,
    )


def output_key(prefix: str, key: str) -> str:
    """Return the part of a key that follows the prefix, or the name where that ends within one."""
    folder = f"{prefix.rstrip('/')}/" if prefix else ""
    if not key.startswith(folder):
        folder = prefix.rpartition("/")[0]
    return key.removeprefix(folder).lstrip("/")


def _log(log: LogWriter, text: str) -> None:
    time = _now().isoformat(timespec="milliseconds").partition("+")[0]
    log.write(f"{time}:[sagemaker logs]: {text}")


def _now() -> datetime:
    return datetime.now(UTC)
