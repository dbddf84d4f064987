"""Starts and stops local AWS in this process."""

import logging
import os
import shutil
import socket
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from container.errors import InputError
from pipeline.environment import NO_CREDENTIALS, aws_environment
from pipeline.image import CONTAINER, REQUIREMENTS
from pipeline.local_aws import account_apis, interrupt, moto_gaps, users
from pipeline.local_aws.account import DEFAULT_KIND, Account
from pipeline.local_aws.authorization import Authorization
from pipeline.local_aws.clients import ACCESS_KEY, SECRET_KEY, Clients
from pipeline.local_aws.cloudtrail_api import LocalCloudTrail
from pipeline.local_aws.codebuild_api import Builds, LocalCodeBuild
from pipeline.local_aws.ecr_api import LAYER_PATH, LocalEcr, serve_layer
from pipeline.local_aws.faults import Faults
from pipeline.local_aws.iam_api import LocalIam
from pipeline.local_aws.runner import ChildProcessRunner, Runner
from pipeline.local_aws.sagemaker_api import LocalSageMaker, Work
from pipeline.local_aws.source_image import put_source_image
from pipeline.local_aws.tuning_api import TuningSageMaker
from pipeline.stack import Stack, read_stack

import moto.cloudtrail.urls
import moto.codebuild.urls
import moto.ecr.urls
import moto.iam.urls
import moto.moto_api._internal.urls
import moto.sagemaker.urls
from moto.ecr.models import Repository
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
    faults: Faults


@contextmanager
def start(
    region: str,
    stack_name: str,
    port: int = 0,
    *,
    containers: bool = False,
    enforce_iam: bool = False,
    account: str = DEFAULT_KIND,
    faults: Iterable[str] = (),
) -> Iterator[LocalAws]:
    """Meanwhile, this process has the environment that points at local AWS, and nobody's
    credentials. moto's state belongs to the process: one at a time, and each one begins empty.

    With `containers` there is a registry, to be filled by build/push_image.py, and jobs run in
    their image; else images of the present container/ are there from the start, one for each
    accelerator, and jobs run as child processes. `account` is one of account.KINDS: what quotas
    there are. `faults` are names of faults.FAULTS: what goes wrong from the start.

    With `enforce_iam` the environment is that of a user who has the stack's operator policy and
    nothing else, and what no policy allows is refused: to the user and to the roles.

    Raises InputError when the port (0: any free one) is taken, or what containers need is missing.
    """
    _check_free(port)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # else a line for each request
    _expect_left_out()
    moto_gaps.fill()
    moto_api_backend.reset()
    moto.sagemaker.urls.url_paths["{0}/$"] = TuningSageMaker.dispatch
    moto.codebuild.urls.url_paths["{0}/$"] = LocalCodeBuild.dispatch
    moto.ecr.urls.url_paths["{0}/$"] = LocalEcr.dispatch
    moto.iam.urls.url_paths["{0}/$"] = LocalIam.dispatch
    moto.cloudtrail.urls.url_paths["{0}/$"] = LocalCloudTrail.dispatch
    authorization = LocalCloudTrail.authorization = Authorization()
    LocalEcr.authorization = authorization if enforce_iam else None
    LocalEcr.logins = {}
    LocalEcr.layers = {}
    LocalEcr.registry = None
    layers: dict[str, Any] = moto.moto_api._internal.urls.url_paths
    layers[f"{{0}}{LAYER_PATH}(?P<digest>[^/]+)$"] = serve_layer
    account_apis.route()
    interrupt.route()
    server = ThreadedMotoServer(LOOPBACK, port, verbose=False)
    server.start()
    environment = _environment("http://{}:{}".format(*server.get_host_and_port()), region)
    with ExitStack() as ending:
        ending.callback(server.stop)
        ending.enter_context(aws_environment(environment))
        clients = Clients(environment["AWS_ENDPOINT_URL"], region)
        source = Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="local-aws-")))
        shutil.copytree(CONTAINER, source / CONTAINER.name)
        runner: Runner = ChildProcessRunner(source)
        if containers:
            from pipeline.local_aws import container_runner, registry

            runner = container_runner.ContainerRunner(container_runner.connect(), clients)
            host = ending.enter_context(registry.start(clients))
            ending.enter_context(_repositories_at(host))
        quotas = account_apis.LocalServiceQuotas.account = Account(account)
        weather = Faults(faults)
        LocalSageMaker.work = Work(clients, runner, quotas, weather)
        LocalCodeBuild.builds = Builds(clients)
        ending.callback(LocalSageMaker.work.end)
        ending.callback(LocalCodeBuild.builds.end)
        stack = _deploy(clients, stack_name)
        if not containers:
            ecr, folder = clients.client("ecr"), source / CONTAINER.name
            for accelerator in REQUIREMENTS:
                put_source_image(ecr, stack.repository_uri, folder, accelerator)
        if enforce_iam:
            users.make_administrator(clients)
            environment |= users.make_operator(clients, stack_name).environment()
            ending.enter_context(aws_environment(environment))
            ending.enter_context(authorization.enforced())
        yield LocalAws(environment, clients, stack, runner, weather)


def _environment(endpoint: str, region: str) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_DEFAULT_REGION": region,
        "AWS_REGION": region,
        **NO_CREDENTIALS,
        "SAGEMAKER_USER_CONFIG_OVERRIDE": str(SDK_CONFIG),
        **{name: _with_loopback(os.environ.get(name, "")) for name in ("NO_PROXY", "no_proxy")},
    }


def _with_loopback(no_proxy: str) -> str:
    return f"{no_proxy},{LOOPBACK}" if no_proxy else LOOPBACK


def _deploy(clients: Clients, stack_name: str) -> Stack:
    cloudformation = clients.client("cloudformation")
    cloudformation.create_stack(
        StackName=stack_name,
        TemplateBody=TEMPLATE.read_text(encoding="utf-8"),
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    return read_stack(cloudformation, stack_name)


def _repositories_at(host: str) -> AbstractContextManager[object]:
    """What ECR says of a repository is where it really is."""
    where = property(lambda self: f"{host}/{self.name}", lambda _self, _uri: None)
    return mock.patch.object(Repository, "uri", where, create=True)


def _check_free(port: int) -> None:
    """moto's server would wait for ever for a port that another process has."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except (OSError, OverflowError) as error:
            raise InputError(
                f"port {port} of {LOOPBACK}: {error}", "give another one with --port"
            ) from None


def _expect_left_out() -> None:
    """moto warns of what it leaves out of a template: for LEFT_OUT that is known."""
    logging.getLogger("moto").addFilter(_is_news)
    warnings.filterwarnings("ignore", message=f"Tried to parse {LEFT_OUT}")


def _is_news(record: logging.LogRecord) -> bool:
    return LEFT_OUT not in record.getMessage()
