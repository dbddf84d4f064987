"""Images of one layer, pushed through the API of ECR."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

# Sources: OCI Image Format Specification, "Image Manifest" and "Image Configuration".
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
SINGLE_IMAGE_TYPES = (  # an index or a list holds several images
    MANIFEST,
    "application/vnd.docker.distribution.manifest.v2+json",
)


def put_image(
    ecr: Any, repository_uri: str, tag: str, layer: bytes, config: Mapping[str, Any]
) -> str:
    """Push an image of one layer under `tag`, and return its digest."""
    name = repository_uri.split("/", 1)[1]
    rootfs = {"type": "layers", "diff_ids": [_digest(layer)]}
    content = json.dumps({**config, "rootfs": rootfs}).encode()
    for blob in (layer, content):
        _upload(ecr, name, blob)
    answer = ecr.put_image(
        repositoryName=name,
        imageManifest=json.dumps(_manifest(layer, content)),
        imageManifestMediaType=MANIFEST,
        imageTag=tag,
    )
    digest: str = answer["image"]["imageId"]["imageDigest"]
    return digest


def _upload(ecr: Any, name: str, blob: bytes) -> None:
    upload = ecr.initiate_layer_upload(repositoryName=name)["uploadId"]
    ecr.upload_layer_part(
        repositoryName=name,
        uploadId=upload,
        partFirstByte=0,
        partLastByte=len(blob) - 1,
        layerPartBlob=blob,
    )
    ecr.complete_layer_upload(repositoryName=name, uploadId=upload, layerDigests=[_digest(blob)])


def media_type(ecr: Any, image_uri: str) -> str | None:
    """Return the media type of an image's manifest, or None if ECR does not have the image.

    Args:
        ecr: The client of ECR.
        image_uri: `<registry>/<repository>@<digest>` or `...:<tag>`.
    """
    repository_uri, at, digest = image_uri.partition("@")
    identifier = {"imageDigest": digest}
    if not at:
        repository_uri, _, tag = image_uri.partition(":")
        identifier = {"imageTag": tag or "latest"}
    name = repository_uri.partition("/")[2]
    try:
        repository = ecr.describe_repositories(repositoryNames=[name])["repositories"][0]
        images = ecr.describe_images(repositoryName=name, imageIds=[identifier])["imageDetails"]
    except (ClientError, ParamValidationError):
        return None
    kind: str = images[0]["imageManifestMediaType"]
    return kind if repository["repositoryUri"] == repository_uri else None


def _manifest(layer: bytes, config: bytes) -> dict[str, Any]:
    return {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": _descriptor("application/vnd.oci.image.config.v1+json", config),
        "layers": [_descriptor("application/vnd.oci.image.layer.v1.tar", layer)],
    }


def _descriptor(media_type: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": _digest(content), "size": len(content)}


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
