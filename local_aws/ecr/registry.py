"""An OCI registry on loopback, behind the application that adds the features of ECR.

The registry is Debian's `docker-registry`; the application is `local_aws.ecr.front`.
"""

import base64
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from local_aws.clients import Clients
from local_aws.config import LOOPBACK
from local_aws.ecr.api import LocalEcr
from local_aws.ecr.front import Front
from local_aws.errors import UserError
from local_aws.listener import free_port, serving
from local_aws.workspace import Workspace

import yaml
from moto.ecr.models import Repository
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

PROGRAMS = ("docker-registry", "registry")  # Debian's name, and that of the project itself
START_SECONDS = 20.0


class _Handler(WSGIRequestHandler):
    def log_error(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the library
        """Print nothing, because a container engine tries TLS before each push and pull."""


def make_front(application: Any) -> BaseWSGIServer:
    """Return a server for `application` on a free port of loopback."""
    return make_server(LOOPBACK, 0, application, threaded=True, request_handler=_Handler)


@contextmanager
def start(clients: Clients, workspace: Workspace) -> Iterator[str]:
    """Start a registry, and yield its address `127.0.0.1:<port>`.

    Raises UserError if the registry does not start.
    """
    program = next((found for name in PROGRAMS if (found := shutil.which(name))), None)
    if program is None:
        raise UserError(
            "no registry: docker-registry is not installed", "apt-get install docker-registry"
        )
    with workspace.folder() as folder, _serve_storage(program, folder, workspace) as storage:
        LocalEcr.registry = storage
        front = make_front(Front(clients, storage))
        host = f"{LOOPBACK}:{front.server_port}"
        uri = property(
            lambda repository: f"{host}/{repository.name}", lambda _repository, _uri: None
        )
        with serving(front), mock.patch.object(Repository, "uri", uri, create=True):
            yield host


@contextmanager
def _serve_storage(program: str, folder: Path, workspace: Workspace) -> Iterator[str]:
    address = f"{LOOPBACK}:{free_port()}"
    config = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        "http": {"addr": address, "relativeurls": True},
    }
    path = folder / "config.yml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    process = subprocess.Popen(  # noqa: S603 - found on PATH
        [program, "serve", str(path)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    with workspace.child(process):
        try:
            _wait_until_up(f"http://{address}/v2/", process)
            yield f"http://{address}"
        finally:
            process.terminate()
            process.wait()


def _wait_until_up(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url, timeout=1).close()  # noqa: S310 - our own server
        except urllib.error.URLError:
            time.sleep(0.05)
        else:
            return
    raise UserError("the registry did not start", "docker-registry serve says why")


def login(clients: Clients) -> dict[str, str]:
    """Return the user name and the password of the registry from GetAuthorizationToken."""
    answer = clients.client("ecr").get_authorization_token()["authorizationData"][0]
    user, _, password = base64.b64decode(answer["authorizationToken"]).decode().partition(":")
    return {"username": user, "password": password}
