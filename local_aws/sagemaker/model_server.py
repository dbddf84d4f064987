"""A model server: the `serve` program of a model's image, with the artifact.

Sources: "Custom Inference Code with Hosting Services" and "Custom Inference Code with Batch
Transform" in the SageMaker developer guide.
"""

import http.client
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from time import monotonic

from local_aws.errors import JobFailed
from local_aws.runners.runner import ContainerSpec, Process
from local_aws.sagemaker import vpc
from local_aws.sagemaker.model import Model, download_artifact
from local_aws.sagemaker.program_job import JobServices
from local_aws.sagemaker.supported import not_carried_out
from local_aws.sagemaker.transfer import unpack_source

PORT = 8080
PING_SECONDS = 2.0  # for one answer to /ping
STARTUP_SECONDS = 240.0  # until /ping is answered with 200, unless a request says otherwise
STOP_SECONDS = 30.0  # between SIGTERM and SIGKILL
INVOCATION_SECONDS = 60.0  # of an endpoint
POLL_SECONDS = 0.1
HOST = "algo-1"
TIMED_OUT = (
    "Your invocation timed out while waiting for a response from container primary. Review the "
    "latency metrics for each container in Amazon CloudWatch, resolve the issue, and try again."
)


class NotHealthy(Exception):
    """The server ended, was closed, or took too long to answer /ping."""


class NoResponse(Exception):
    """The server closed the connection, or took too long."""


@dataclass(frozen=True)
class Response:
    """The answer of a model server."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes


@dataclass
class ModelServer:
    """A model server. Its methods are thread-safe."""

    address: str
    _process: Process
    _ending: ExitStack
    _given_up: threading.Event = field(default_factory=threading.Event)
    _ended: threading.Event = field(default_factory=threading.Event)

    @classmethod
    def start(
        cls,
        model: Model,
        job: str,
        instance_type: str,
        environment: Mapping[str, str],
        services: JobServices,
        log: Callable[[str], None],
        memory_mib: int | None = None,
        ended: Callable[[], None] = lambda: None,
    ) -> "ModelServer":
        """Download the artifact and start the program. `log` gets its lines.

        If the program ends before it is closed, a new thread calls `ended`.

        Raises:
            JobFailed: The artifact cannot be downloaded, or the program cannot be started.
        """
        with ExitStack() as ending:
            root = ending.enter_context(services.workspace.folder()) / HOST
            line = not_carried_out("CreateModel", dict(model.request))
            if line:
                log(f"local AWS: {line}")
            vpc.check_route(services.clients, model.request.get("VpcConfig"))
            s3 = services.clients.as_role(model.role_arn).client("s3")
            download_artifact(s3, model.container.source, root / "model")
            given = {**model.container.environment, **environment}
            unpack_source(s3, given.get("SAGEMAKER_SUBMIT_DIRECTORY", ""), root)
            started = services.runner.start(
                ContainerSpec(
                    job=job,
                    image=model.container.image,
                    role_arn=model.role_arn,
                    instance_type=instance_type,
                    roots={HOST: root},
                    environment=given,
                    arguments=("serve",),
                    read_only=("model",),
                    isolated=model.isolated,
                    port=PORT,
                    memory_mib=memory_mib,
                )
            )
            ending.callback(started.close)
            process = started.processes[HOST]
            server = cls(started.addresses[HOST], process, ending.pop_all())
        threading.Thread(target=server._follow, args=[log, ended], name=job, daemon=True).start()
        return server

    def wait_until_healthy(self, seconds: float = STARTUP_SECONDS) -> None:
        """Wait until /ping is answered with 200.

        Raises:
            NotHealthy: The answer came too late, the program ended, or it was closed.
        """
        deadline = monotonic() + seconds
        while not (self._ended.is_set() or self._given_up.is_set()) and monotonic() < deadline:
            try:
                if self.request("GET", "/ping", seconds=PING_SECONDS).status == 200:
                    return
            except NoResponse:
                pass
            self._ended.wait(POLL_SECONDS)
        raise NotHealthy

    def invoke(
        self, body: bytes, headers: Mapping[str, str], seconds: float = INVOCATION_SECONDS
    ) -> Response:
        """Return the answer of /invocations. Raises NoResponse."""
        return self.request("POST", "/invocations", body, headers, seconds)

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        seconds: float = INVOCATION_SECONDS,
    ) -> Response:
        """Return the answer to one request. Raises NoResponse."""
        connection = http.client.HTTPConnection(self.address, timeout=seconds)
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            named = {name.lower(): value for name, value in answer.getheaders()}
            return Response(answer.status, named, answer.read())
        except TimeoutError:
            raise NoResponse(TIMED_OUT) from None
        except (OSError, http.client.HTTPException) as error:
            raise NoResponse(str(error)) from None
        finally:
            connection.close()

    def close(self, grace_seconds: float = STOP_SECONDS) -> None:
        """End the program and delete its files."""
        self._given_up.set()
        if grace_seconds and not self._ended.is_set():
            self._process.terminate()
            self._ended.wait(grace_seconds)
        self._ending.close()

    def _follow(self, log: Callable[[str], None], ended: Callable[[], None]) -> None:
        try:
            for line in self._process.lines():
                log(line)
            code = self._process.exit_code()
        except JobFailed as error:
            log(str(error))
        else:
            if not self._given_up.is_set():
                log(f"the model server ended with exit code {code}")
        finally:
            self._ended.set()
        if not self._given_up.is_set():
            ended()
