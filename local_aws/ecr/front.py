"""The features of ECR that a registry lacks, as a WSGI application in front of it.

These are the login of `get-login-password`, repositories that must exist, immutable tags, and
DescribeImages with the images that were pushed.
"""

import io
import json
import os
import re
import threading
from collections.abc import Iterable
from http import HTTPStatus
from typing import IO, Any

from local_aws.clients import Clients
from local_aws.ecr.api import LocalEcr

import urllib3
from botocore.exceptions import ClientError
from werkzeug.wrappers import Request, Response

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


class Front:
    """The WSGI application in front of the registry."""

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
        """Register an image that was pushed with ECR."""
        tag = {} if reference.startswith("sha256:") else {"imageTag": reference}
        self._ecr.put_image(
            repositoryName=name,
            imageManifest=manifest.decode(),
            imageManifestMediaType=request.content_type or "",
            imageDigest=response.headers["Docker-Content-Digest"],
            **tag,
        )


def _error(status: int, code: str, message: str) -> Response:
    """Return an error in the form of the OCI Distribution Specification ("Error Codes")."""
    body = json.dumps({"errors": [{"code": code, "message": message}]})
    return Response(body, status, mimetype="application/json")


def _broken(message: str) -> Response:
    """Return an error with a code that Docker does not retry (it retries others for a minute)."""
    return _error(400, "UNSUPPORTED", message)


def _details(body: bytes) -> str:
    """Return the registry's message about an internal error, which Docker would not print."""
    text = body.decode("utf-8", "replace").strip()
    try:
        detail = json.loads(text)["errors"][0]["detail"]
        fault = detail["Enclosed"] if isinstance(detail, dict) else None
    except (KeyError, IndexError, TypeError, ValueError):
        return text
    return f"{fault['Path']}: {os.strerror(fault['Err'])}" if fault else str(detail)
