"""An image for machines without a container engine: container/ as the one layer of a manifest.

It cannot be run, but it is pushed to ECR, found by its tag and pinned by its digest like any
other, and its digest changes when container/ does.
"""

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

from pipeline.image import CONTAINER, source_files, source_tag

from botocore.exceptions import ClientError, ParamValidationError


def put_source_image(ecr: Any, repository_uri: str, folder: Path = CONTAINER) -> str:
    """Puts the manifest under the tag of `folder`; its digest."""
    answer = ecr.put_image(
        repositoryName=repository_uri.split("/", 1)[1],
        imageManifest=json.dumps(_manifest(_layer(folder))),
        imageManifestMediaType="application/vnd.oci.image.manifest.v1+json",
        imageTag=source_tag(folder),
    )
    digest: str = answer["image"]["imageId"]["imageDigest"]
    return digest


def image_exists(ecr: Any, image_uri: str) -> bool:
    """Whether `<registry>/<repository>@<digest>` or `...:<tag>` is in ECR."""
    repository_uri, at, digest = image_uri.partition("@")
    identifier = {"imageDigest": digest}
    if not at:
        repository_uri, _, tag = image_uri.partition(":")
        identifier = {"imageTag": tag or "latest"}
    name = repository_uri.partition("/")[2]
    try:
        repository = ecr.describe_repositories(repositoryNames=[name])["repositories"][0]
        ecr.describe_images(repositoryName=name, imageIds=[identifier])
    except (ClientError, ParamValidationError):
        return False
    return bool(repository["repositoryUri"] == repository_uri)


def _layer(folder: Path) -> bytes:
    """The files as a tar archive: the same content gives the same bytes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path in source_files(folder):
            content = path.read_bytes()
            entry = tarfile.TarInfo(f"container/{path.relative_to(folder).as_posix()}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _manifest(layer: bytes) -> dict[str, Any]:
    """Source: OCI Image Format Specification, "Image Manifest" and "Image Configuration"."""
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Entrypoint": ["python", "-m", "container"]},
            "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
        }
    ).encode()
    return {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": _descriptor("application/vnd.oci.image.config.v1+json", config),
        "layers": [_descriptor("application/vnd.oci.image.layer.v1.tar", layer)],
    }


def _descriptor(media_type: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": _digest(content), "size": len(content)}


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
