"""An image for machines without a container engine: container/ as the one layer of a manifest.

It cannot be run, but it is pushed to ECR, found by its tag and pinned by its digest like any
other, and its digest changes when container/ does.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.image import CONTAINER, NONE, REQUIREMENTS, image_tag, source_files

from botocore.exceptions import ClientError, ParamValidationError

# Sources: OCI Image Format Specification, "Image Manifest" and "Image Configuration".
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = {
    "architecture": "amd64",
    "os": "linux",
    "config": {"Entrypoint": ["python", "-m", "container"]},
}


def put_source_image(
    ecr: Any, repository_uri: str, folder: Path = CONTAINER, accelerator: str = NONE
) -> str:
    """Puts the manifest under the tag of `folder` for an accelerator; its digest."""
    layer = _layer(folder, accelerator)
    return put_image(ecr, repository_uri, image_tag(accelerator, folder), layer, CONFIG)


def put_image(
    ecr: Any, repository_uri: str, tag: str, layer: bytes, config: Mapping[str, Any]
) -> str:
    """An image of one layer; its digest."""
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
    """Of the manifest of `<registry>/<repository>@<digest>` or `...:<tag>`; None when ECR does not
    have it."""
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


def _layer(folder: Path, accelerator: str) -> bytes:
    """The files, but for the locks of other accelerators, as a tar archive: the same content gives
    the same bytes."""
    others = set(REQUIREMENTS.values()) - {REQUIREMENTS[accelerator]}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path in source_files(folder):
            if path.name in others:
                continue
            content = path.read_bytes()
            entry = tarfile.TarInfo(f"container/{path.relative_to(folder).as_posix()}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


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
