"""Starts and stops local AWS in this process."""

import logging
import os
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from container.errors import InputError
from pipeline.local_aws.clients import ACCESS_KEY, SECRET_KEY, Clients
from pipeline.local_aws.runner import ChildProcessRunner, Runner
from pipeline.local_aws.sagemaker_api import LocalSageMaker, Work
from pipeline.local_aws.source_image import put_source_image
from pipeline.stack import Stack, read_stack

import moto.sagemaker.urls
from moto.moto_api._internal.models import moto_api_backend
from moto.server import ThreadedMotoServer

PIPELINE = Path(__file__).parent.parent
TEMPLATE = PIPELINE.parent / "build" / "infrastructure.yml"
SDK_CONFIG = PIPELINE / "sagemaker_config.yaml"  # no usage reports
LOOPBACK = "127.0.0.1"

# Resources of the template that moto does not know. A bucket that takes TLS only would refuse
# every call here, where the endpoint is plain HTTP on loopback.
LEFT_OUT = "AWS::S3::BucketPolicy"


@dataclass(frozen=True)
class LocalAws:
    """A running local AWS with the project's stack deployed in it."""

    environment: dict[str, str]  # what points any AWS client of a process at it, and nowhere else
    clients: Clients
    stack: Stack
    runner: Runner


@contextmanager
def start(
    region: str, stack_name: str, port: int = 0, runner: Runner | None = None
) -> Iterator[LocalAws]:
    """Meanwhile, this process has the environment that points at local AWS, and nobody's
    credentials. moto's state belongs to the process: one at a time, and each one begins empty.

    Raises InputError when the port (0: any free one) is taken.
    """
    _check_free(port)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # else a line for each request
    _expect_left_out()
    moto_api_backend.reset()
    moto.sagemaker.urls.url_paths["{0}/$"] = LocalSageMaker.dispatch
    server = ThreadedMotoServer(LOOPBACK, port, verbose=False)
    server.start()
    environment = _environment("http://{}:{}".format(*server.get_host_and_port()), region)
    with _environment_of_this_process(environment):
        clients = Clients(environment["AWS_ENDPOINT_URL"], region)
        runner = runner or ChildProcessRunner()
        LocalSageMaker.work = Work(clients, runner)
        try:
            stack = _deploy(clients, stack_name)
            put_source_image(clients.client("ecr"), stack.repository_uri)
            yield LocalAws(environment, clients, stack, runner)
        finally:
            LocalSageMaker.work.end()
            server.stop()


def _environment(endpoint: str, region: str) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_DEFAULT_REGION": region,
        "AWS_REGION": region,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "SAGEMAKER_USER_CONFIG_OVERRIDE": str(SDK_CONFIG),
        "NO_PROXY": LOOPBACK,
        "no_proxy": LOOPBACK,
    }


@contextmanager
def _environment_of_this_process(environment: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    for name in before:
        if name.startswith("AWS_"):  # profiles, real credentials, other endpoints
            del os.environ[name]
    os.environ.update(environment)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _deploy(clients: Clients, stack_name: str) -> Stack:
    cloudformation = clients.client("cloudformation")
    cloudformation.create_stack(
        StackName=stack_name,
        TemplateBody=TEMPLATE.read_text(encoding="utf-8"),
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    return read_stack(cloudformation, stack_name)


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
    logging.getLogger("moto").addFilter(_is_news)
    warnings.filterwarnings("ignore", message=f"Tried to parse {LEFT_OUT}")


def _is_news(record: logging.LogRecord) -> bool:
    return LEFT_OUT not in record.getMessage()
