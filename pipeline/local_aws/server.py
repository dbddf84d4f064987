"""Starts and stops local AWS in this process."""

import logging
import os
import socket
import warnings
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from container.errors import InputError
from pipeline.local_aws.clients import ACCESS_KEY, SECRET_KEY, Clients
from pipeline.local_aws.runner import ChildProcessRunner, Runner
from pipeline.local_aws.sagemaker_api import LocalSageMaker, Work
from pipeline.local_aws.source_image import put_source_image
from pipeline.stack import Stack, read_stack

import moto.sagemaker.urls
from moto.moto_api._internal.models import moto_api_backend
from moto.server import ThreadedMotoServer

TEMPLATE = Path(__file__).parent.parent.parent / "build" / "infrastructure.yml"
LOOPBACK = "127.0.0.1"

# Resources of the template that moto does not know. A bucket that takes TLS only would refuse
# every call here, where the endpoint is plain HTTP on loopback.
LEFT_OUT = "AWS::S3::BucketPolicy"


class LocalAws:
    """One server, and the stack deployed in it. moto's state belongs to the process, so there is
    one at a time; starting it forgets what an earlier one held."""

    def __init__(self, region: str, stack_name: str, port: int = 0, runner: Runner | None = None):
        _check_free(port)
        self._server = ThreadedMotoServer(LOOPBACK, port, verbose=False)
        self._stack_name = stack_name
        self.region = region
        self.runner = runner or ChildProcessRunner()

    def __enter__(self) -> Self:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)  # else a line for each request
        _expect_left_out()
        moto_api_backend.reset()
        moto.sagemaker.urls.url_paths["{0}/$"] = LocalSageMaker.dispatch
        self._server.start()
        self.clients = Clients(self.endpoint, self.region)
        LocalSageMaker.work = Work(self.clients, self.runner)
        self.stack = self._deploy()
        put_source_image(self.clients.client("ecr"), self.stack.repository_uri)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        LocalSageMaker.work.end()
        self._server.stop()

    @property
    def endpoint(self) -> str:
        host, port = self._server.get_host_and_port()
        return f"http://{host}:{port}"

    @property
    def environment(self) -> dict[str, str]:
        """What makes any AWS client of a process talk to this server, and to nothing else."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_REGION": self.region,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": LOOPBACK,
            "no_proxy": LOOPBACK,
        }

    def _deploy(self) -> Stack:
        cloudformation = self.clients.client("cloudformation")
        cloudformation.create_stack(
            StackName=self._stack_name,
            TemplateBody=TEMPLATE.read_text(encoding="utf-8"),
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
        return read_stack(cloudformation, self._stack_name)


@contextmanager
def aws_environment(
    local_aws: LocalAws, environment: MutableMapping[str, str] = os.environ
) -> Iterator[None]:
    """Points this process at local AWS; afterwards the environment is as it was."""
    before = dict(environment)
    for name in list(environment):
        if name.startswith("AWS_"):  # profiles, real credentials, other endpoints
            del environment[name]
    environment.update(local_aws.environment)
    try:
        yield
    finally:
        environment.clear()
        environment.update(before)


def _check_free(port: int) -> None:
    """moto's server would wait for ever for a port that another process has."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            raise InputError(
                f"port {port} of {LOOPBACK}: {error.strerror}", "give another one with --port"
            ) from None


def _expect_left_out() -> None:
    """moto warns of what it leaves out of a template: for LEFT_OUT that is known."""
    logging.getLogger("moto").addFilter(lambda record: LEFT_OUT not in record.getMessage())
    warnings.filterwarnings("ignore", message=f"Tried to parse {LEFT_OUT}")
