"""A placeholder image for machines without a container engine: one layer with container/.

It cannot be run. But it is pushed to ECR, found by its tag and pinned by its digest like any image,
and its digest changes with container/. `python -m pipeline.push_source_image` pushes it
to a running local AWS.
"""

import io
import tarfile
from pathlib import Path
from typing import Any

from local_aws.ecr.images import put_image
from pipeline.image import CONTAINER, NONE, REQUIREMENTS, image_tag, read_manifest, source_files

# Source: OCI Image Format Specification, "Image Configuration".
CONFIG = {
    "architecture": "amd64",
    "os": "linux",
    "config": {"Entrypoint": ["python", "-m", "container"]},
}


def put_source_images(ecr: Any, repository_uri: str, base_image: str) -> None:
    """Push an image of the present container/ for each accelerator."""
    for accelerator in REQUIREMENTS:
        put_source_image(ecr, repository_uri, base_image, accelerator=accelerator)


def put_source_image(
    ecr: Any,
    repository_uri: str,
    base_image: str,
    folder: Path = CONTAINER,
    accelerator: str = NONE,
) -> str:
    """Push the image of `folder` for an accelerator under its tag, and return its digest."""
    layer = _layer(folder, accelerator)
    return put_image(ecr, repository_uri, image_tag(accelerator, base_image, folder), layer, CONFIG)


def is_built(ecr: Any, repository: str, digest: str) -> bool:
    """Return whether an image in ECR was built; a placeholder has one layer and no base image."""
    return len(read_manifest(ecr, repository, digest).get("layers", ())) > 1


def _layer(folder: Path, accelerator: str) -> bytes:
    """Return the files of a folder, without the locks of other accelerators, as a tar archive.

    The same content gives the same bytes.
    """
    others = set(REQUIREMENTS.values()) - {REQUIREMENTS[accelerator]}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in source_files(folder).items():
            if name in others:
                continue
            entry = tarfile.TarInfo(f"container/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
