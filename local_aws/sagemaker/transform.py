"""One batch transform job: from the CreateTransformJob request to the scored objects in S3.

It does what SageMaker does around the container, in the same order and with the same statuses.
Sources: "CreateTransformJob" and "DescribeTransformJob" in the SageMaker API reference, "Use batch
transform to run inference with Amazon SageMaker AI" and "Custom Inference Code with Batch
Transform" in the developer guide.
"""

import contextlib
import json
import secrets
from pathlib import Path
from typing import Any

from local_aws.account.account import TRANSFORM, Usage
from local_aws.clock import now
from local_aws.errors import JobFailed
from local_aws.log_writer import open_log
from local_aws.sagemaker.model import Model
from local_aws.sagemaker.model_server import ModelServer, NoResponse, NotHealthy
from local_aws.sagemaker.program_job import JobServices, ProgramJob
from local_aws.sagemaker.s3 import list_keys, split_uri
from local_aws.sagemaker.supported import not_carried_out
from local_aws.sagemaker.transform_objects import SEE_LOGS, DataLog, ObjectTransformer
from local_aws.sagemaker.transform_records import MULTI_RECORD, SINGLE_RECORD

from botocore.exceptions import BotoCoreError, ClientError

# Where neither the request nor the container's /execution-parameters say it.
DEFAULTS = {"MaxConcurrentTransforms": 1, "MaxPayloadInMB": 6, "BatchStrategy": MULTI_RECORD}
NAMES = {SINGLE_RECORD: "SINGLE_RECORD", MULTI_RECORD: "MULTI_RECORD"}  # for the container


class TransformJob(ProgramJob):
    """Starts the model server, and sends it the objects of the input."""

    kind = "Transform"

    def __init__(
        self, request: dict[str, Any], arn: str, model: Model, services: JobServices
    ) -> None:
        super().__init__(request, arn, services)
        self._model = model
        self._server: ModelServer | None = None

    @property
    def usage(self) -> Usage:
        """The instances of the running job."""
        return instances(self._request)

    def stop(self, grace_seconds: float = 0.0) -> None:
        """Stop the job; it writes no further objects."""
        super().stop(grace_seconds)
        with self._lock:
            server = self._server
        if server:
            server.close(grace_seconds=0)

    def _run_in(self, folder: Path) -> None:  # noqa: ARG002 - of a job
        self._check_capacity()
        role = self._services.clients.as_role(self._model.role_arn)
        s3, logs = role.client("s3"), role.client("logs")
        stream = f"{self.name}/i-{secrets.token_hex(8)}-{int(now().timestamp())}"
        program_log = open_log(logs, self.log_group, stream)
        data_log = DataLog(open_log(logs, self.log_group, f"{stream}/data-log"))
        keys = self._keys(s3)
        self._update(TransformStartTime=now())
        if line := not_carried_out("CreateTransformJob", self._request):
            program_log.write(f"local AWS: {line}")
        server = ModelServer.start(
            self._model,
            self.name,
            self._request["TransformResources"]["InstanceType"],
            self._environment(),
            self._services,
            program_log.write,
        )
        try:
            with self._lock:
                self._server = server
                if self._stop_requested.is_set():
                    server.close(grace_seconds=0)
            failure = self._score(server, keys, s3, data_log)
        finally:
            server.close()
        if failure:
            raise JobFailed(failure)
        self._finish("Completed")

    def _score(self, server: ModelServer, keys: list[str], s3: Any, log: DataLog) -> str | None:
        """Score every object; return the reason of the first failure."""
        try:
            server.wait_until_healthy()
        except NotHealthy:
            log.say("the model server did not answer /ping with 200")
            raise JobFailed(f"AlgorithmError: {SEE_LOGS}") from None
        settings = self._settings(server)
        said = {**settings, "BatchStrategy": NAMES[settings["BatchStrategy"]]}
        log.say(", ".join(f"{name}={value}" for name, value in said.items()))
        transformer = ObjectTransformer(
            self._request, settings, server, s3, log, self._stop_requested
        )
        failures = [reason for key in keys if (reason := transformer.transform(key))]
        return failures[0] if failures else None

    def _environment(self) -> dict[str, str]:
        given = {name: self._request.get(name, DEFAULTS[name]) for name in DEFAULTS}
        return {
            "SAGEMAKER_BATCH": "true",
            "SAGEMAKER_MAX_PAYLOAD_IN_MB": str(given["MaxPayloadInMB"]),
            "SAGEMAKER_BATCH_STRATEGY": NAMES[given["BatchStrategy"]],
            "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": str(given["MaxConcurrentTransforms"]),
            **self._request.get("Environment", {}),
        }

    def _settings(self, server: ModelServer) -> dict[str, Any]:
        """Return the settings from the request, from /execution-parameters, or the defaults."""
        offered: Any = {}
        with contextlib.suppress(NoResponse, ValueError):
            answer = server.request("GET", "/execution-parameters")
            offered = json.loads(answer.body) if answer.status == 200 else {}
        offered = offered if isinstance(offered, dict) else {}
        known = {name: offered[name] for name in DEFAULTS if name in offered}
        strategies = {name: each for each, name in NAMES.items()}
        if "BatchStrategy" in known:
            known["BatchStrategy"] = strategies.get(known["BatchStrategy"], MULTI_RECORD)
        # MaxConcurrentTransforms 0 leaves it to the container; MaxPayloadInMB 0 means no limit.
        given = {name: self._request[name] for name in DEFAULTS if name in self._request}
        if given.get("MaxConcurrentTransforms") == 0:
            del given["MaxConcurrentTransforms"]
        return DEFAULTS | known | given

    def _keys(self, s3: Any) -> list[str]:
        """Return the keys of the input. Raises JobFailed if there are none."""
        uri = self._request["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"]
        bucket, prefix = split_uri(uri)
        try:
            keys = list(list_keys(s3, bucket, prefix))
        except (ClientError, BotoCoreError) as error:
            raise JobFailed(f"ClientError: cannot list {uri}: {error}") from None
        if not keys:
            raise JobFailed(f"ClientError: no S3 objects under {uri}")
        return keys

    def _finish(self, status: str, reason: str = "") -> None:
        with self._lock:
            if self._stop_requested.is_set():
                status, reason = "Stopped", ""
            super()._finish(status, reason)


def instances(request: dict[str, Any]) -> Usage:
    """Return the instances of a CreateTransformJob request."""
    resources = request["TransformResources"]
    return Usage(TRANSFORM, resources["InstanceType"], resources["InstanceCount"])
