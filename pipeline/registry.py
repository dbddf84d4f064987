"""The digest of a base image, read from its registry without credentials.

Source: OCI Distribution Specification, "Pulling manifests"; the token is that of the Docker
Registry's token authentication.
"""

import json
import re
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

SECONDS = 5.0
DOCKER_HUB = "registry-1.docker.io"
MANIFESTS = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class RegistryError(Exception):
    """The registry gave no digest."""


def find_digest(image: str) -> str:
    """Return the digest of an image, from its name or its registry. Raises RegistryError."""
    name, at, digest = image.partition("@")
    if at:
        return digest
    registry, repository, tag = split_name(name)
    scheme = "http" if re.match(r"(localhost|127\.[0-9.]+)(:|$)", registry) else "https"
    url = f"{scheme}://{registry}/v2/{repository}/manifests/{tag}"
    headers = {"Accept": ", ".join(MANIFESTS)}
    try:
        try:
            answer = _ask(url, "HEAD", headers)
        except urllib.error.HTTPError as error:
            if error.code != 401:
                raise
            token = _token(error.headers.get("WWW-Authenticate", ""))
            answer = _ask(url, "HEAD", headers | {"Authorization": f"Bearer {token}"})
        found = str(answer.headers.get("Docker-Content-Digest"))
    except (OSError, ValueError, LookupError) as error:
        raise RegistryError(f"{registry}: {error}") from None
    if not DIGEST.fullmatch(found):
        raise RegistryError(f"{registry}: it returned no digest")
    return found


def split_name(name: str) -> tuple[str, str, str]:
    """Return registry, repository and tag of an image's name, as Docker reads it."""
    first, slash, rest = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        registry, path = first, rest
    else:
        registry, path = DOCKER_HUB, name if slash else f"library/{name}"
    repository, colon, tag = path.rpartition(":")
    return (registry, repository, tag) if colon else (registry, path, "latest")


def _token(challenge: str) -> str:
    """Return the token that a registry requires; for public images anyone can get one."""
    if not challenge.startswith("Bearer "):
        raise ValueError("it asks for credentials")
    parts = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    query = urllib.parse.urlencode({k: v for k, v in parts.items() if k in ("service", "scope")})
    if not parts["realm"].startswith(("https://", "http://")):
        raise ValueError("it names no token service")
    content = json.loads(_ask(f"{parts['realm']}?{query}", "GET", {}).read(2**20))
    return str(content.get("token") or content["access_token"])


def _ask(url: str, method: str, headers: dict[str, str]) -> Any:
    request = urllib.request.Request(url, method=method, headers=headers)  # noqa: S310 - see callers
    return urllib.request.urlopen(request, timeout=SECONDS)  # noqa: S310
