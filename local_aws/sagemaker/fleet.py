"""The model servers of an endpoint: one for each production variant."""

import contextlib
import random
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from local_aws.clock import now
from local_aws.errors import JobFailed
from local_aws.faults.injection import CAPACITY_ERROR, NO_CAPACITY
from local_aws.sagemaker.endpoint_config import EndpointConfig
from local_aws.sagemaker.model import Model
from local_aws.sagemaker.model_server import (
    STARTUP_SECONDS,
    STOP_SECONDS,
    ModelServer,
    NotHealthy,
)
from local_aws.sagemaker.program_job import JobServices

RESTART_SECONDS = 1.0  # between the end of a server and the start of another one
SERVERLESS_INSTANCE = "ml.m5.large"  # whose CPUs a serverless variant gets

OpenLog = Callable[[str], Callable[[str], None]]  # takes the name of a variant


class Busy(Exception):
    """The error of a serverless variant that has reached its maximum concurrency."""


@dataclass
class Variant:
    """A production variant."""

    request: Mapping[str, Any]
    model: Model
    weight: float
    begun: datetime = field(default_factory=now)
    in_flight: int = 0

    @property
    def name(self) -> str:
        """The VariantName."""
        return str(self.request["VariantName"])

    def describe(self) -> dict[str, Any]:
        """Return the ProductionVariantSummary."""
        image = self.model.container.image
        count = self.request.get("InitialInstanceCount")
        serverless = self.request.get("ServerlessConfig")
        return {
            "VariantName": self.name,
            "DeployedImages": [
                {
                    "SpecifiedImage": image,
                    "ResolvedImage": image,
                    "ResolutionTime": self.begun,
                }
            ],
            "CurrentWeight": self.weight,
            "DesiredWeight": self.weight,
            **({"CurrentInstanceCount": count, "DesiredInstanceCount": count} if count else {}),
            **({"CurrentServerlessConfig": serverless} if serverless else {}),
        }


class Fleet:
    """The servers. The methods are thread-safe."""

    def __init__(self, config: EndpointConfig, models: Mapping[str, Model]) -> None:
        self.config = config
        self.variants = {
            variant["VariantName"]: Variant(
                variant, models[variant["ModelName"]], variant.get("InitialVariantWeight", 1.0)
            )
            for variant in config.variants
        }
        self._servers: dict[str, ModelServer] = {}
        self._healthy = False
        self._given_up = threading.Event()
        self._changed = threading.Condition()

    def start(self, endpoint: str, services: JobServices, open_log: OpenLog) -> None:
        """Start a server for each variant, and return when all are healthy.

        Raises:
            JobFailed: A server could not be started, or does not answer /ping.
        """

        def start_server(variant: Variant) -> None:
            """Start a server. Restart it if it ends after all servers were healthy."""
            serverless = variant.request.get("ServerlessConfig")
            server = ModelServer.start(
                variant.model,
                endpoint,
                variant.request.get("InstanceType", SERVERLESS_INSTANCE),
                {},
                services,
                open_log(variant.name),
                memory_mib=serverless["MemorySizeInMB"] if serverless else None,
                ended=lambda: replace(variant),
            )
            with self._changed:
                self._servers[variant.name] = server
            if self._given_up.is_set():
                server.close(grace_seconds=0)

        def replace(variant: Variant) -> None:
            if self._healthy and not self._given_up.wait(RESTART_SECONDS):
                self._servers[variant.name].close(grace_seconds=0)
                with contextlib.suppress(JobFailed):
                    start_server(variant)

        for variant in self.variants.values():
            if NO_CAPACITY in services.faults and "InstanceType" in variant.request:
                raise JobFailed(CAPACITY_ERROR.removeprefix("CapacityError: "))
            start_server(variant)
        for variant in self.variants.values():
            seconds = variant.request.get(
                "ContainerStartupHealthCheckTimeoutInSeconds", STARTUP_SECONDS
            )
            try:
                self._servers[variant.name].wait_until_healthy(seconds)
            except NotHealthy:
                raise JobFailed(
                    f"The primary container for production variant {variant.name} did not pass "
                    "the ping health check. Please check CloudWatch logs for this endpoint."
                ) from None
        self._healthy = True

    def set_weights(self, weights: Mapping[str, float]) -> None:
        """Change the shares of the traffic. Raises KeyError for an unknown variant."""
        for variant in [self.variants[name] for name in weights]:
            variant.weight = weights[variant.name]

    def choose(self, name: str | None) -> Variant:
        """Return the named variant, or a random one by the weights. Raises KeyError."""
        if name:
            return self.variants[name]
        variants = list(self.variants.values())
        weights = [variant.weight for variant in variants]
        if not any(weights):
            weights = [1.0] * len(variants)
        return random.choices(variants, weights)[0]  # noqa: S311 - traffic, no secret

    @contextmanager
    def answering(self, variant: Variant) -> Iterator[ModelServer]:
        """Yield the server of a variant, and keep it open during the context. Raises Busy."""
        serverless = variant.request.get("ServerlessConfig")
        with self._changed:
            if serverless and variant.in_flight >= serverless["MaxConcurrency"]:
                raise Busy
            variant.in_flight += 1
        try:
            yield self._servers[variant.name]
        finally:
            with self._changed:
                variant.in_flight -= 1
                self._changed.notify_all()

    def close(self, grace_seconds: float = STOP_SECONDS) -> None:
        """End the servers after their last answers, or after the grace period."""
        with self._changed:
            self._given_up.set()
            if grace_seconds:
                self._changed.wait_for(self._is_idle, grace_seconds)
            servers = list(self._servers.values())
        for server in servers:
            server.close(grace_seconds)

    def _is_idle(self) -> bool:
        return not any(variant.in_flight for variant in self.variants.values())
