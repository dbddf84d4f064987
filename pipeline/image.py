"""The training image: named by the content of container/, pinned by digest."""

import hashlib
from pathlib import Path
from typing import Any

from container.errors import InputError

from botocore.exceptions import ClientError

CONTAINER = Path(__file__).parent.parent / "container"
SINGLE = (  # media types of a manifest of one image; an index or a list holds several
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
TAG_CHARACTERS = 16  # hexadecimal; 64 bits tell any two contents apart

NONE, CUDA = "none", "cuda"  # `accelerator` of pipeline.yaml
REQUIREMENTS = {NONE: "requirements.lock", CUDA: "requirements-cuda.lock"}  # what is in its image


def source_files(folder: Path = CONTAINER) -> list[Path]:
    """The files that make the image, sorted; no byte code, nothing hidden."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file()
        and not any(
            part.startswith(".") or part == "__pycache__" for part in path.relative_to(folder).parts
        )
    )


def source_tag(folder: Path = CONTAINER) -> str:
    """Of the content of `folder`: the same content gives the same tag."""
    digest = hashlib.sha256()
    for path in source_files(folder):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(folder).as_posix()} {content}\n".encode())
    return digest.hexdigest()[:TAG_CHARACTERS]


def image_tag(accelerator: str, folder: Path = CONTAINER) -> str:
    """The tag of the image made from `folder` for an accelerator: one for each."""
    tag = source_tag(folder)
    return tag if accelerator == NONE else f"{tag}-{accelerator}"


def resolve_image(ecr: Any, repository_uri: str, tag: str) -> str:
    """`<repository>@sha256:...` of the image that bears `tag`.

    Raises InputError when the repository has no such image.
    """
    repository = repository_uri.split("/", 1)[1]
    try:
        images = ecr.describe_images(repositoryName=repository, imageIds=[{"imageTag": tag}])
    except ClientError as error:
        if error.response["Error"]["Code"] != "ImageNotFoundException":
            raise
        raise InputError(
            f"image {repository_uri}:{tag}: not there, so the present container/ has no image",
            "python build/push_image.py",
        ) from None
    return f"{repository_uri}@{images['imageDetails'][0]['imageDigest']}"
