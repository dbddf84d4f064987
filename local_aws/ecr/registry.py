"""A real OCI registry on loopback, behind what ECR adds to one.

The registry is Debian's `docker-registry`. In front of it: the login of `get-login-password`,
repositories that must exist, tags that cannot be overwritten, and DescribeImages that knows what
was pushed.
"""

import base64
import io
import json
import os
import re
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any

from local_aws.clients import Clients
from local_aws.ecr.api import LocalEcr
from local_aws.errors import UserError
from local_aws.workspace import Workspace

import urllib3
import yaml
from botocore.exceptions import ClientError
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

PROGRAMS = ("docker-registry", "registry")  # Debian's name, and that of the project itself
START_SECONDS = 20.0
STORAGE_SECONDS = 300.0  # for one layer
CHUNK_BYTES = 2**20
HOP_BY_HOP = ("Authorization", "Connection", "Host")  # what concerns the front alone
MANIFEST = re.compile(r"/v2/(?P<name>.+)/manifests/(?P<reference>[^/]+)")
REPOSITORY = re.compile(r"/v2/(?P<name>.+?)/(?P<kind>manifests|blobs/uploads|blobs|tags)/")

# What a request is to ECR. Source: "IAM permissions for pushing an image" and "Docker Registry
# HTTP API" in the ECR user guide, and what the requests do.
ACTIONS = {
    ("manifests", "GET"): "BatchGetImage",
    ("manifests", "HEAD"): "BatchGetImage",
    ("manifests", "PUT"): "PutImage",
    ("blobs", "GET"): "GetDownloadUrlForLayer",
    ("blobs", "HEAD"): "BatchCheckLayerAvailability",
    ("blobs/uploads", "POST"): "InitiateLayerUpload",
    ("blobs/uploads", "PATCH"): "UploadLayerPart",
    ("blobs/uploads", "PUT"): "CompleteLayerUpload",
    ("tags", "GET"): "ListImages",
}


@contextmanager
def start(clients: Clients, workspace: Workspace) -> Iterator[str]:
    """Start a registry and return its `127.0.0.1:<port>`. Raises UserError when that fails."""
    program = next((found for name in PROGRAMS if (found := shutil.which(name))), None)
    if program is None:
        raise UserError(
            "no registry: docker-registry is not installed", "apt-get install docker-registry"
        )
    with (
        workspace.folder() as folder,
        _serve_storage(program, folder, workspace) as storage,
    ):
        LocalEcr.registry = storage
        front = make_server(
            "127.0.0.1", 0, Front(clients, storage), threaded=True, request_handler=_Quiet
        )
        thread = threading.Thread(target=front.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{front.server_port}"
        finally:
            front.shutdown()
            thread.join()
            front.server_close()


class Front:
    """The WSGI application between Docker and the registry."""

    def __init__(self, clients: Clients, storage: str) -> None:
        self._ecr = clients.client("ecr")
        self._storage = storage
        self._pool = urllib3.PoolManager(timeout=STORAGE_SECONDS, retries=False)
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer one HTTP request (WSGI)."""
        request = Request(environ)
        return self._respond(request)(environ, start_response)

    def _respond(self, request: Request) -> Response:
        refusal = self._refusal(request)
        if refusal is not None:
            return refusal
        match = MANIFEST.fullmatch(request.path)
        if match is None or request.method != "PUT":
            return self._forward(request, request.stream)
        manifest = request.get_data()
        with self._lock:
            refusal = self._immutable(match["name"], match["reference"])
            if refusal is not None:
                return refusal
            response = self._forward(request, io.BytesIO(manifest))
            if response.status_code == HTTPStatus.CREATED:
                self._record(match["name"], match["reference"], manifest, request, response)
        return response

    def _forward(self, request: Request, body: IO[bytes]) -> Response:
        sent = [(name, value) for name, value in request.headers if name not in HOP_BY_HOP]
        try:
            answer = self._pool.request(
                request.method,
                f"{self._storage}{request.full_path.rstrip('?')}",
                headers=dict(sent),
                body=body if request.method in ("PATCH", "POST", "PUT") else None,
                preload_content=False,
                redirect=False,
            )
        except urllib3.exceptions.HTTPError as error:
            return _broken(f"the registry behind local AWS does not answer: {error}")
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return _broken(f"the registry behind local AWS failed: {_details(answer.data)}")
        received = [(name, value) for name, value in answer.headers.items()]
        return Response(answer.stream(CHUNK_BYTES, decode_content=False), answer.status, received)

    def _refusal(self, request: Request) -> Response | None:
        login = request.authorization
        if login is None or login.password not in LocalEcr.logins:
            response = _error(401, "UNAUTHORIZED", "Not Authorized")
            response.headers["WWW-Authenticate"] = 'Basic realm="ECR"'
            return response
        match = REPOSITORY.match(request.path)
        if match is None:
            return None
        try:
            described = self._ecr.describe_repositories(repositoryNames=[match["name"]])
        except ClientError:
            text = f"The repository with name '{match['name']}' does not exist"
            return _error(404, "NAME_UNKNOWN", text)
        action = f"ecr:{ACTIONS[match['kind'], request.method]}"
        arn = described["repositories"][0]["repositoryArn"]
        principal = LocalEcr.logins[login.password]
        authorization = LocalEcr.authorization
        refusal = authorization.refusal(principal, action, arn) if authorization else None
        return _error(403, "DENIED", refusal) if refusal else None

    def _immutable(self, name: str, reference: str) -> Response | None:
        repository = self._ecr.describe_repositories(repositoryNames=[name])["repositories"][0]
        if reference.startswith("sha256:") or repository["imageTagMutability"] != "IMMUTABLE":
            return None
        try:
            self._ecr.describe_images(repositoryName=name, imageIds=[{"imageTag": reference}])
        except ClientError:
            return None
        text = (
            f"The image tag '{reference}' already exists in the '{name}' repository and cannot be "
            "overwritten because the repository is immutable."
        )
        return _error(400, "TAG_INVALID", text)

    def _record(
        self, name: str, reference: str, manifest: bytes, request: Request, response: Response
    ) -> None:
        """Tell ECR of the image that the registry now holds."""
        tag = {} if reference.startswith("sha256:") else {"imageTag": reference}
        self._ecr.put_image(
            repositoryName=name,
            imageManifest=manifest.decode(),
            imageManifestMediaType=request.content_type or "",
            imageDigest=response.headers["Docker-Content-Digest"],
            **tag,
        )


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - the base's name
        pass


def _error(status: int, code: str, message: str) -> Response:
    """Return an error as the OCI Distribution Specification ("Error Codes") writes it."""
    body = json.dumps({"errors": [{"code": code, "message": message}]})
    return Response(body, status, mimetype="application/json")


def _broken(message: str) -> Response:
    """Return an error with a code that Docker takes as final: it tries others for a minute."""
    return _error(400, "UNSUPPORTED", message)


def _details(body: bytes) -> str:
    """Return what the registry says of a fault of its own, which Docker would not show."""
    text = body.decode("utf-8", "replace").strip()
    try:
        detail = json.loads(text)["errors"][0]["detail"]
        fault = detail["Enclosed"] if isinstance(detail, dict) else None
    except (KeyError, IndexError, TypeError, ValueError):
        return text
    return f"{fault['Path']}: {os.strerror(fault['Err'])}" if fault else str(detail)


@contextmanager
def _serve_storage(program: str, folder: Path, workspace: Workspace) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
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
    """Return the user name and password of the registry, as `aws ecr get-login-password` does."""
    answer = clients.client("ecr").get_authorization_token()["authorizationData"][0]
    user, _, password = base64.b64decode(answer["authorizationToken"]).decode().partition(":")
    return {"username": user, "password": password}
