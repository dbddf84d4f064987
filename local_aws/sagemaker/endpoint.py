"""One endpoint: it starts, replaces and ends model servers as its configuration says.

Sources: "CreateEndpoint", "UpdateEndpoint" and "DescribeEndpoint" in the SageMaker API reference.
After a failed update, an endpoint is InService again with the old configuration and a
FailureReason; public reports show this (aws-controllers-k8s/sagemaker-controller#7).
"""

import contextlib
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from local_aws.account.account import Usage
from local_aws.clock import now
from local_aws.errors import JobFailed, internal_error
from local_aws.log_writer import open_log
from local_aws.sagemaker.endpoint_config import EndpointConfig
from local_aws.sagemaker.fleet import Fleet, Variant
from local_aws.sagemaker.model import Model
from local_aws.sagemaker.model_server import ModelServer
from local_aws.sagemaker.program_job import JobServices
from local_aws.sagemaker.supported import not_carried_out

CREATING, UPDATING, ROLLING_BACK, DELETING = "Creating", "Updating", "RollingBack", "Deleting"
IN_SERVICE, FAILED = "InService", "Failed"


class NotInService(Exception):
    """The error of an endpoint that answers no requests."""


class Endpoint:
    """An endpoint. Its methods are thread-safe."""

    def __init__(self, request: Mapping[str, Any], arn: str, services: JobServices) -> None:
        self.arn = arn
        self.name: str = request["EndpointName"]
        self._services = services
        self._fleet: Fleet | None = None  # that answers
        self._next: Fleet | None = None  # that is being started
        self._thread: threading.Thread | None = None
        self._lock = threading.RLock()
        began = now()
        self._state: dict[str, Any] = {"CreationTime": began, "LastModifiedTime": began}

    @property
    def log_group(self) -> str:
        """The log group, with a stream for each model server."""
        return f"/aws/sagemaker/Endpoints/{self.name}"

    @property
    def status(self) -> str:
        """The EndpointStatus."""
        return str(self._state["EndpointStatus"])

    @property
    def in_progress(self) -> bool:
        """Return whether the endpoint is being created, updated or deleted."""
        return self.status not in (IN_SERVICE, FAILED)

    @property
    def usage(self) -> list[Usage]:
        """The instances; during an update, those of both configurations."""
        with self._lock:
            fleets = [fleet for fleet in (self._next, self._fleet) if fleet]
        return [usage for fleet in fleets for usage in fleet.config.usage]

    def describe(self) -> dict[str, Any]:
        """Return the answer of DescribeEndpoint."""
        with self._lock:
            answer = {"EndpointName": self.name, "EndpointArn": self.arn, **self._state}
            if self._fleet:
                variants = self._fleet.variants.values()
                answer["ProductionVariants"] = [variant.describe() for variant in variants]
            return answer

    def deploy(self, config: EndpointConfig, models: Mapping[str, Model], **details: Any) -> None:
        """Start the servers of a configuration; the old ones answer until these are healthy."""
        fleet = Fleet(config, models)
        with self._lock:
            self._next = fleet
            self._set(UPDATING if self._fleet else CREATING, **details)
            self._state.setdefault("EndpointConfigName", config.name)
            self._state.pop("FailureReason", None)
            self._run(self._start, fleet)

    def set_weights(self, weights: Mapping[str, float]) -> None:
        """Change the shares of the traffic. Raises KeyError for an unknown variant."""
        with self._lock:
            if self._fleet:
                self._fleet.set_weights(weights)
                self._state["LastModifiedTime"] = now()

    def delete(self, deleted: Callable[[], None]) -> None:
        """End the servers, then call `deleted`."""
        with self._lock:
            self._set(DELETING)
            self._run(self._end, deleted)

    def end(self) -> None:
        """Stop immediately, also during a change."""
        with self._lock:
            fleets = [fleet for fleet in (self._next, self._fleet) if fleet]
            self._fleet, thread = None, self._thread
        for fleet in fleets:
            fleet.close(grace_seconds=0)
        if thread:
            thread.join()

    @contextmanager
    def answering(self, variant_name: str | None) -> Iterator[tuple[Variant, ModelServer]]:
        """Yield the variant and the server that answer a request.

        Raises:
            NotInService: The endpoint is not served yet, or no longer.
            KeyError: The variant does not exist.
            Busy: The variant has reached its maximum concurrency.
        """
        with contextlib.ExitStack() as done:
            with self._lock:
                if not self._fleet or self.status == DELETING:
                    raise NotInService
                variant = self._fleet.choose(variant_name)
                server = done.enter_context(self._fleet.answering(variant))
            yield variant, server

    def _start(self, fleet: Fleet) -> None:
        reason = ""
        try:
            fleet.start(self.name, self._services, lambda name: self._open_log(fleet, name))
        except JobFailed as error:
            reason = str(error)
        except Exception as error:  # noqa: BLE001 - a fault of ours must end it, visibly
            reason = internal_error(error)
        with self._lock:
            replaced = self._fleet
            if reason and replaced:
                self._set(ROLLING_BACK)
            elif not reason:
                self._fleet = fleet
                self._state["EndpointConfigName"] = fleet.config.name
        if reason:
            fleet.close(grace_seconds=0)
        elif replaced:
            replaced.close()
        with self._lock:
            self._next = None
            failed = {"FailureReason": reason} if reason else {}
            self._set(IN_SERVICE if self._fleet else FAILED, **failed)

    def _end(self, deleted: Callable[[], None]) -> None:
        if self._fleet:
            self._fleet.close()
        deleted()

    def _run(self, target: Callable[..., None], argument: Any) -> None:
        self._thread = threading.Thread(target=target, args=[argument], name=self.name, daemon=True)
        self._thread.start()

    def _open_log(self, fleet: Fleet, variant_name: str) -> Callable[[str], None]:
        role = fleet.variants[variant_name].model.role_arn
        logs = self._services.clients.as_role(role).client("logs")
        log = open_log(logs, self.log_group, f"{variant_name}/i-{secrets.token_hex(8)}")
        line = not_carried_out("CreateEndpointConfig", dict(fleet.config.request))
        if line:
            log.write(f"local AWS: {line}")
        return log.write

    def _set(self, status: str, **details: Any) -> None:
        with self._lock:
            self._state |= {"EndpointStatus": status, "LastModifiedTime": now(), **details}
