"""The ECR API of local AWS.

It extends moto's: a login to the registry identifies its caller, and layers can be downloaded.
"""

import base64
import hashlib
import secrets
from datetime import timedelta
from typing import ClassVar
from urllib.parse import urlsplit

from local_aws.clock import now
from local_aws.iam.authorization import Authorization, Principal, caller
from local_aws.partitions import registry_host

from moto.core.exceptions import JsonRESTError
from moto.core.responses import ActionResult
from moto.ecr.responses import ECRResponse

LOGIN_HOURS = 12  # source: GetAuthorizationToken in the ECR API reference


class LocalEcr(ECRResponse):
    """The API. moto creates an object for each request; the server sets the class variables."""

    authorization: ClassVar[Authorization | None]  # None: nothing is enforced
    logins: ClassVar[dict[str, Principal]]  # password -> whose it is; None when nothing is enforced

    layers: ClassVar[dict[str, bytes]]  # what was uploaded by this API, by digest
    layer_path: ClassVar[str]  # where they are downloaded: nobody can guess it
    registry: ClassVar[str | None]  # URL of the registry that holds the rest, if there is one

    def complete_layer_upload(self) -> ActionResult:
        """Complete the upload as moto does, and store the content of the layer for downloads."""
        repository = self.ecr_backend._get_repository(self._get_param("repositoryName"))
        content = bytes(repository.uploads[self._get_param("uploadId")].layer_parts)
        self.layers[f"sha256:{hashlib.sha256(content).hexdigest()}"] = content
        return super().complete_layer_upload()

    def get_download_url_for_layer(self) -> ActionResult:  # type: ignore[override]
        """Return a URL that needs no login (AWS returns a presigned URL of S3)."""
        name, digest = self._get_param("repositoryName"), self._get_param("layerDigest")
        if self.registry:
            url = f"{self.registry}/v2/{name}/blobs/{digest}"
        elif digest in self.layers:
            here = urlsplit(self.uri)
            url = f"{here.scheme}://{here.netloc}{self.layer_path}{digest}"
        else:
            raise JsonRESTError("LayersNotFoundException", f"The layer {digest} does not exist")
        return ActionResult({"downloadUrl": url, "layerDigest": digest})

    def get_authorization_token(self) -> ActionResult:
        """Answer with a password that identifies the caller."""
        password = secrets.token_urlsafe()
        self.logins[password] = caller(self) if self.authorization else None
        login = {
            "authorizationToken": base64.b64encode(f"AWS:{password}".encode()).decode(),
            "expiresAt": now() + timedelta(hours=LOGIN_HOURS),
            "proxyEndpoint": f"https://{registry_host(self.current_account, self.region)}",
        }
        return ActionResult({"authorizationData": [login]})


def serve_layer(digest: str, _body: bytes) -> tuple[int, str, bytes]:
    """Answer a request for a download URL, with status, content type and the layer."""
    content = LocalEcr.layers.get(digest)
    return (404 if content is None else 200), "application/octet-stream", content or b""
