"""The training image: named by the content of container/, pinned by digest."""

import hashlib
import json
from pathlib import Path
from typing import Any

from container.errors import InputError
from pipeline.git import git

CONTAINER = Path(__file__).parent.parent / "container"
IMAGE_MANIFESTS = (  # media types of a manifest of one image; an index or a list holds several
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
SOURCES = ("Dockerfile", "*.py", "*.lock", "*.txt")  # of container/
TAG_CHARACTERS = 16  # hexadecimal; 64 bits tell any two contents apart

NONE, CUDA = "none", "cuda"  # `accelerator` of pipeline.yaml
REQUIREMENTS = {NONE: "requirements.lock", CUDA: "requirements-cuda.lock"}  # what is in its image


def source_files(folder: Path = CONTAINER) -> dict[str, bytes]:
    """Return the sources of the image by their path in `folder`, sorted, with Unix line ends.

    These are the files that git tracks; outside a git checkout, the files of SOURCES.
    """
    return {
        name: (folder / name).read_bytes().replace(b"\r\n", b"\n")
        for name in sorted(_tracked(folder) or _sources(folder))
        if (folder / name).is_file()
    }


def untracked_sources(folder: Path = CONTAINER) -> list[str]:
    """Return files that look like sources of the image but are not tracked by git."""
    return sorted(_sources(folder) - _tracked(folder)) if _tracked(folder) else []


def source_tag(folder: Path = CONTAINER) -> str:
    """Return a tag for the content of `folder`: the same content gives the same tag."""
    digest = hashlib.sha256()
    for name, content in source_files(folder).items():
        digest.update(f"{name} {hashlib.sha256(content).hexdigest()}\n".encode())
    return digest.hexdigest()[:TAG_CHARACTERS]


def image_tag(accelerator: str, base_image: str, folder: Path = CONTAINER) -> str:
    """Return the tag of the image of `folder`, for an accelerator and a base image."""
    content = f"{source_tag(folder)} {base_image}\n".encode()
    tag = hashlib.sha256(content).hexdigest()[:TAG_CHARACTERS]
    return tag if accelerator == NONE else f"{tag}-{accelerator}"


def _tracked(folder: Path) -> set[str]:
    """Return the paths in `folder` that git tracks; none outside a git checkout."""
    listed = git(folder, "ls-files", "-z") or ""
    return set(filter(None, listed.split("\0"))) - {".dockerignore"}


def _sources(folder: Path) -> set[str]:
    found = (path.relative_to(folder) for pattern in SOURCES for path in folder.rglob(pattern))
    return {path.as_posix() for path in found if not path.name.startswith(".")}


def read_manifest(ecr: Any, repository: str, digest: str) -> dict[str, Any]:
    """Return the manifest of an image; an empty one when ECR has no single image by this digest."""
    images = ecr.batch_get_image(
        repositoryName=repository,
        imageIds=[{"imageDigest": digest}],
        acceptedMediaTypes=list(IMAGE_MANIFESTS),
    )["images"]
    return dict(json.loads(images[0]["imageManifest"])) if images else {}


def resolve_image(ecr: Any, repository_uri: str, tag: str) -> str:
    """Return the URI with digest, `<repository>@sha256:...`, of the image that has `tag`.

    Raises InputError when the repository has no such image.
    """
    repository = repository_uri.split("/", 1)[1]
    try:
        images = ecr.describe_images(repositoryName=repository, imageIds=[{"imageTag": tag}])
    except ecr.exceptions.ImageNotFoundException:
        raise InputError(
            f"image {repository_uri}:{tag}: not in ECR, so this container/ has no image yet",
            ".venv/bin/python build/push_image.py",
        ) from None
    return f"{repository_uri}@{images['imageDetails'][0]['imageDigest']}"
