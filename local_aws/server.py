"""The server of local AWS in this process."""

import difflib
import logging
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from local_aws import moto_patches, stack
from local_aws.account import api as account_api
from local_aws.account.account import Account
from local_aws.awslambda.functions import Functions
from local_aws.buckets import fill_buckets
from local_aws.certificates import CertificateAuthority
from local_aws.clients import Clients
from local_aws.cloudtrail.api import LocalCloudTrail
from local_aws.codebuild.api import Builds, LocalCodeBuild
from local_aws.config import LOOPBACK, Config
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
from local_aws.runners.table import RunnerTable, open_runners
from local_aws.sagemaker.api import LocalSageMaker, answer_interrupt
from local_aws.sagemaker.runtime_api import RESPONSE_STREAM, LocalSageMakerRuntime
from local_aws.sagemaker.state import BackendState
from local_aws.workspace import open_workspace

import moto.cloudtrail.urls
import moto.codebuild.urls
import moto.ecr.urls
import moto.iam.urls
import moto.sagemaker.urls
import moto.sagemakerruntime.urls
from moto.moto_api._internal.models import moto_api_backend
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

SDK_CONFIG = Path(__file__).parent / "sagemaker" / "sdk_config.yaml"  # no usage reports


@dataclass(frozen=True)
class LocalAws:
    """A running local AWS, with the deployed stack of its configuration."""

    environment: dict[str, str]  # what points any AWS client of a process at it, and nowhere else
    clients: Clients
    outputs: dict[str, str]  # of the stack
    runner: RunnerTable
    faults: Faults


@contextmanager
def start(config: Config) -> Iterator[LocalAws]:
    """Run a local AWS, and set the AWS variables of this process to it.

    moto's state belongs to the process, so only one local AWS runs at a time, and each one begins
    empty. With `enforce_iam`, the environment is that of a user with only the stack's user policy.

    Raises:
        UserError: The port is in use, a requirement of containers is missing, or the stack failed.
    """
    _check_region(config.region)
    check_free(LOOPBACK, config.port)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # else a line for each request
    stack.expect_left_out()
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
        runner = ending.enter_context(open_runners(config, clients, workspace, guard, authority))
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
        fill_buckets(clients.client("s3"), config.buckets)
        outputs = stack.deploy(clients, config.stack) if config.stack else {}
        if config.enforce_iam:
            policy_arn = stack.user_policy(config.stack, outputs)
            users.make_administrator(clients, own)
            environment |= users.make_operator(clients, policy_arn).environment()
            ending.enter_context(aws_environment(environment))
            ending.enter_context(authorization.enforced())
        else:
            users.assume_execution_role(config.region, own)
        yield LocalAws(environment, clients, outputs, runner, faults)


def _route(enforce_iam: bool) -> Authorization:
    """Register the APIs with moto's server, and reset moto's state."""
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
    """Return the application: moto's, behind the checks of the guard."""
    guard = Guard(_dispatcher(), secret_of)
    guard.open_routes[LocalEcr.layer_path] = serve_layer
    guard.signed_routes[interrupt.PATH] = answer_interrupt
    return guard


def _dispatcher() -> Any:
    """Return moto's application with a cache for the backend of each host.

    For each request, moto lists its folders and tries hundreds of patterns, one request at a time;
    that is half of the server's work.
    """
    dispatcher: Any = DomainDispatcherApplication(create_backend_app)
    dispatcher.get_backend_for_host = lru_cache(dispatcher.get_backend_for_host)
    return dispatcher


def _remove_containers(workspace: str) -> None:
    from local_aws.runners import engine  # what is to be removed was made with it

    engine.remove_containers(workspace)


def _check_region(region: str) -> None:
    known = sagemaker_regions()
    if region not in known:
        near = ", ".join(difflib.get_close_matches(region, known)) or "us-east-1, for example"
        raise UserError(f"region {region!r} is not a region of SageMaker", f"give {near}")
