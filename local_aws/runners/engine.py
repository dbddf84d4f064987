"""The container engine of this machine."""

from local_aws.errors import UserError
from local_aws.workspace import CONTAINER_LABEL

import docker
from docker.errors import DockerException


def connect() -> docker.DockerClient:
    """Connect to the engine. Raises UserError if no container engine answers."""
    try:
        engine = docker.from_env(timeout=600)
        engine.ping()
    except (DockerException, OSError) as error:
        raise UserError(
            f"no container engine answers: {_cause(error)}",
            "start Docker, or leave out --containers",
        ) from None
    return engine


def remove_containers(workspace: str) -> None:
    """Remove the containers and networks of a local AWS. Raises OSError if no engine answers."""
    marked = {"label": f"{CONTAINER_LABEL}={workspace}"}
    try:
        engine = connect()
        for container in engine.containers.list(all=True, filters=marked):
            container.remove(force=True)
        for network in engine.networks.list(filters=marked):
            network.remove()
    except (UserError, DockerException) as error:
        raise OSError(str(error)) from error


def _cause(error: BaseException) -> str:
    """Return the message of the system, which the Docker SDK wraps four times."""
    while error.__context__ and not isinstance(error.__context__, NameError):  # of ssh:// support
        error = error.__context__
    return getattr(error, "strerror", None) or str(error)
