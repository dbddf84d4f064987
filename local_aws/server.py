"""Starts and stops local AWS in this process."""

import difflib
import logging
import secrets
import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any
from unittest import mock

from local_aws import moto_patches
from local_aws.account import api as account_api
from local_aws.account.account import Account
from local_aws.awslambda.functions import Functions
from local_aws.certificates import CertificateAuthority
from local_aws.clients import Clients
from local_aws.cloudtrail.api import LocalCloudTrail
from local_aws.codebuild.api import Builds, LocalCodeBuild
from local_aws.config import LOOPBACK, Config, Image, Stack
from local_aws.ecr.api import LocalEcr, serve_layer
from local_aws.environment import NO_CREDENTIALS, aws_environment, proxy_environment
from local_aws.errors import UserError
from local_aws.faults import interrupt
from local_aws.faults.injection import Faults
from local_aws.guard import Guard
from local_aws.iam import users
from local_aws.iam.api import LocalIam
from local_aws.iam.authorization import Authorization
from local_aws.iam.keys import make_key, secrets_of
from local_aws.iam.signature import SecretOf
from local_aws.listener import check_free, listening
from local_aws.partitions import partition_of, sagemaker_regions
from local_aws.runners.gateway import Gateway, open_gateway
from local_aws.runners.process import ProcessRunner
from local_aws.runners.runner import Runner
from local_aws.runners.table import RunnerTable
from local_aws.sagemaker.api import LocalSageMaker
from local_aws.sagemaker.runtime_api import RESPONSE_STREAM, LocalSageMakerRuntime
from local_aws.sagemaker.state import BackendState
from local_aws.workspace import Workspace, open_workspace

import moto.cloudtrail.urls
import moto.codebuild.urls
import moto.ecr.urls
import moto.iam.urls
import moto.sagemaker.urls
import moto.sagemakerruntime.urls
from botocore.exceptions import ClientError
from moto.ecr.models import Repository
from moto.moto_api._internal.models import moto_api_backend
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    create_backend_app,
)

SDK_CONFIG = Path(__file__).parent / "sagemaker" / "sdk_config.yaml"  # no usage reports

# Resources of a template that moto does not know. A bucket that takes TLS only would refuse every
# call here, where the endpoint is plain HTTP on loopback; no schedule is carried out here, and no
# message is sent.
LEFT_OUT = ("AWS::S3::BucketPolicy", "AWS::SNS::TopicPolicy", "AWS::Scheduler::Schedule")

OpenGateway = Callable[[Any], AbstractContextManager[Gateway | None]]  # takes the engine


@dataclass(frozen=True)
class LocalAws:
    """A running local AWS, with the stack of its configuration deployed."""

    environment: dict[str, str]  # what points any AWS client of a process at it, and nowhere else
    clients: Clients
    outputs: dict[str, str]  # of the stack
    runner: RunnerTable
    faults: Faults


@contextmanager
def start(config: Config) -> Iterator[LocalAws]:
    """Run a local AWS, and point this process at it with nobody's credentials.

    moto's state belongs to the process: one at a time, and each one begins empty. With
    `enforce_iam` the environment is that of a user who has the stack's user policy and nothing
    else.

    Raises:
        UserError: The port is taken, what containers need is missing, or the stack is refused.
    """
    _check_region(config.region)
    check_free(LOOPBACK, config.port)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # else a line for each request
    _expect_left_out()
    moto_patches.apply()
    moto_api_backend.reset()
    authorization = _route(config.enforce_iam)
    own = make_key()
    secret_of = secrets_of(own, partition_of(config.region))
    with ExitStack() as ending:
        workspace = ending.enter_context(open_workspace(_remove_containers))
        authority = CertificateAuthority(ending.enter_context(workspace.folder()))
        guard = _guard(secret_of)
        port = ending.enter_context(listening(LOOPBACK, config.port, guard, authority))
        guard.endpoint = f"{LOOPBACK}:{port}"
        guard.hosts = {guard.endpoint, f"localhost:{port}"}
        endpoint = f"http://{guard.endpoint}"
        settings = {
            **NO_CREDENTIALS,
            "SAGEMAKER_USER_CONFIG_OVERRIDE": str(SDK_CONFIG),
            **proxy_environment(endpoint, authority.bundle),
        }
        clients = Clients(endpoint, config.region, own.id, own.secret, settings=settings)
        environment = clients.program_environment()
        ending.enter_context(aws_environment(environment))
        runner = _runner(
            config, clients, workspace, partial(open_gateway, guard, authority), ending
        )
        quotas = account_api.LocalServiceQuotas.account = Account(config.account, config.quotas)
        faults = Faults(config.faults)
        LocalSageMaker.state = BackendState(clients, runner, quotas, faults, workspace)
        LocalSageMakerRuntime.state = LocalSageMaker.state
        LocalCodeBuild.builds = Builds(clients, workspace, config.builds, faults)
        ending.callback(LocalSageMaker.state.end)
        ending.callback(LocalCodeBuild.builds.end)
        functions = Functions(clients, workspace)
        ending.enter_context(functions.routed())
        ending.callback(functions.end)  # first: executions wait for their functions
        _fill_buckets(clients.client("s3"), config)
        outputs = _deploy(clients, config.stack) if config.stack else {}
        if config.enforce_iam:
            policy_arn = _user_policy(config.stack, outputs)
            users.make_administrator(clients, own)
            environment |= users.make_operator(clients, policy_arn).environment()
            ending.enter_context(aws_environment(environment))
            ending.enter_context(authorization.enforced())
        else:
            users.assume_execution_role(config.region, own)
        yield LocalAws(environment, clients, outputs, runner, faults)


def _route(enforce_iam: bool) -> Authorization:
    """Let moto's server answer from here, with nothing left of an earlier local AWS."""
    moto.sagemaker.urls.url_paths["{0}/$"] = LocalSageMaker.dispatch
    runtime = moto.sagemakerruntime.urls.url_paths
    runtime.update(dict.fromkeys(runtime, LocalSageMakerRuntime.dispatch))
    # moto takes the host name of this path for that of SageMaker's own API.
    moto.sagemaker.urls.url_paths[RESPONSE_STREAM] = LocalSageMakerRuntime.dispatch
    moto.codebuild.urls.url_paths["{0}/$"] = LocalCodeBuild.dispatch
    moto.ecr.urls.url_paths["{0}/$"] = LocalEcr.dispatch
    moto.iam.urls.url_paths["{0}/$"] = LocalIam.dispatch
    moto.cloudtrail.urls.url_paths["{0}/$"] = LocalCloudTrail.dispatch
    authorization = LocalCloudTrail.authorization = Authorization()
    LocalEcr.authorization = authorization if enforce_iam else None
    LocalEcr.logins = {}
    LocalEcr.layers = {}
    LocalEcr.layer_path = f"/local-aws/layers/{secrets.token_urlsafe()}/"
    LocalEcr.registry = None
    account_api.route()
    return authorization


def _guard(secret_of: SecretOf) -> Guard:
    """Return what answers the requests: moto, behind the checks of who asks."""
    guard = Guard(_dispatcher(), secret_of)
    guard.open_routes[LocalEcr.layer_path] = serve_layer
    guard.signed_routes[interrupt.PATH] = interrupt.answer
    return guard


def _dispatcher() -> Any:
    """Return moto's application, which finds the backend of a host only once.

    For each request moto lists its own folders and tries hundreds of patterns, one request at a
    time: half of what the server does.
    """
    dispatcher: Any = DomainDispatcherApplication(create_backend_app)
    dispatcher.get_backend_for_host = lru_cache(dispatcher.get_backend_for_host)
    return dispatcher


def _runner(
    config: Config,
    clients: Clients,
    workspace: Workspace,
    gateway_of: OpenGateway,
    ending: ExitStack,
) -> RunnerTable:
    images = (Image("*", docker=True),) if config.containers else config.images
    runners: dict[bool, Runner] = {}
    if any(image.docker for image in images):
        runners[True] = _container_runner(config.containers, clients, workspace, gateway_of, ending)
    if any(not image.docker for image in images):
        runners[False] = ProcessRunner(clients, workspace)
    folder = ending.enter_context(workspace.folder())
    copied = [_copied(image, folder / str(number)) for number, image in enumerate(images)]
    return RunnerTable([(image, runners[image.docker]) for image in copied])


def _container_runner(
    with_registry: bool,
    clients: Clients,
    workspace: Workspace,
    gateway_of: OpenGateway,
    ending: ExitStack,
) -> Runner:
    try:
        from local_aws.runners import docker
    except ImportError:
        raise UserError(
            "the Docker SDK is not installed", "pip install 'sagemaker-local-aws[docker]'"
        ) from None
    from local_aws.ecr import registry

    engine, host = docker.connect(), ""
    if with_registry:
        host = ending.enter_context(registry.start(clients, workspace))
        ending.enter_context(_repositories_at(host))
    gateway = ending.enter_context(gateway_of(engine))
    return docker.ContainerRunner(engine, clients, workspace, host, gateway)


def _remove_containers(workspace: str) -> None:
    from local_aws.runners import docker  # what is to be removed was made with it

    docker.remove_containers(workspace)


def _copied(image: Image, folder: Path) -> Image:
    """Return the entry with a copy of its source: what runs does not change while it runs."""
    if image.source is None:
        return image
    try:
        shutil.copytree(image.source, folder / image.source.name)
    except OSError as error:
        raise UserError(
            f"image {image.match}: source {image.source}: {error.strerror or error}",
            "name a folder that can be read",
        ) from None
    return replace(image, environment={"PYTHONPATH": str(folder), **image.environment})


def _fill_buckets(s3: Any, config: Config) -> None:
    """Make the buckets of the configuration, and upload the files of their folders."""
    elsewhere = {"CreateBucketConfiguration": {"LocationConstraint": config.region}}
    for name, folder in config.buckets.items():
        if not folder.is_dir():
            raise UserError(f"buckets: {name}: {folder} is no folder", "name a folder to fill it")
        s3.create_bucket(Bucket=name, **({} if config.region == "us-east-1" else elsewhere))
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                s3.upload_file(str(path), name, path.relative_to(folder).as_posix())


def _deploy(clients: Clients, stack: Stack) -> dict[str, str]:
    """Create the stack, and return its outputs."""
    cloudformation = clients.client("cloudformation")
    try:
        template = stack.template.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"template {stack.template}: {error.strerror}", "name the template of the stack"
        ) from None
    try:
        declared = cloudformation.get_template_summary(TemplateBody=template).get("Parameters", [])
        # As AWS keeps them with the stack: an update to the same values changes nothing.
        defaults = {p["ParameterKey"]: p["DefaultValue"] for p in declared if "DefaultValue" in p}
        cloudformation.create_stack(
            StackName=stack.name,
            TemplateBody=template,
            Parameters=[
                {"ParameterKey": name, "ParameterValue": value}
                for name, value in {**defaults, **stack.parameters}.items()
            ],
            Tags=[{"Key": name, "Value": value} for name, value in stack.tags.items()],
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
    except ClientError as error:
        raise UserError(f"stack {stack.name}: {error}", f"correct {stack.template}") from None
    described = cloudformation.describe_stacks(StackName=stack.name)["Stacks"][0]
    return {each["OutputKey"]: each["OutputValue"] for each in described.get("Outputs", [])}


def _user_policy(stack: Stack | None, outputs: dict[str, str]) -> str:
    name = stack.user_policy_output if stack else ""
    if name not in outputs:
        raise UserError(
            f"--enforce-iam: the stack has no output {name!r} with the ARN of the user's policy",
            "name one in stack.user_policy_output of the configuration",
        )
    return outputs[name]


def _repositories_at(host: str) -> AbstractContextManager[object]:
    """Say of a repository where it really is."""
    where = property(lambda self: f"{host}/{self.name}", lambda _self, _uri: None)
    return mock.patch.object(Repository, "uri", where, create=True)


def _check_region(region: str) -> None:
    known = sagemaker_regions()
    if region not in known:
        near = ", ".join(difflib.get_close_matches(region, known)) or "us-east-1, for example"
        raise UserError(f"region {region!r} is not a region of SageMaker", f"give {near}")


def _expect_left_out() -> None:
    """Silence moto's warning of what it leaves out of a template, for LEFT_OUT alone."""
    logging.getLogger("moto").addFilter(_is_news)
    for kind in LEFT_OUT:
        warnings.filterwarnings("ignore", message=f"Tried to parse {kind}")


def _is_news(record: logging.LogRecord) -> bool:
    return not any(kind in record.getMessage() for kind in LEFT_OUT)
