"""Checks of the image: in ECR, in a form that SageMaker can run, and the findings of its scan."""

import json
import urllib.request
from typing import Any

from container.errors import InputError
from pipeline.checks.check import CheckWarning, settled
from pipeline.checks.run_context import NotChecked, RunContext, Services, known
from pipeline.image import IMAGE_MANIFESTS, read_manifest
from pipeline.registry import DIGEST, RegistryError, find_digest

PLATFORM = "linux/amd64"  # of every instance type that trains
DOWNLOAD_SECONDS = 20.0
SERIOUS = ("CRITICAL", "HIGH")
BASE_NAME = "org.opencontainers.image.base.name"  # a label: see container/Dockerfile
PUSH = ".venv/bin/python build/push_image.py"


def image(services: Services, run: RunContext) -> str:
    """Check that the image is in ECR, as a single manifest."""
    uri = settled(run.image_uri)
    name, digest = _place(run)
    try:
        answer = services.ecr.describe_images(
            repositoryName=name, imageIds=[{"imageDigest": digest}]
        )
    except services.ecr.exceptions.ImageNotFoundException:
        raise InputError(f"{uri} is not there", PUSH) from None
    kind = answer["imageDetails"][0].get("imageManifestMediaType")
    if kind and kind not in IMAGE_MANIFESTS:
        raise InputError(
            f"{uri} is an index of several images ({kind}), which a training job cannot pull",
            f"build it for one platform, without provenance, as {PUSH} does",
        )
    return f"{digest}, a single manifest"


def platform(services: Services, run: RunContext) -> str:
    """Check that the image is for the processors of training instances, and has an entrypoint.

    Both are in the image's configuration, which ECR stores like a layer.
    """
    config = _configuration(services.ecr, *_place(run))
    found = f"{config.get('os')}/{config.get('architecture')}"
    if found != PLATFORM:
        raise InputError(
            f"the image is for {found}, the instance is {PLATFORM}",
            f"docker build --platform {PLATFORM}, or build with `{PUSH}`",
        )
    entrypoint = config.get("config", {}).get("Entrypoint")
    if not entrypoint:
        raise CheckWarning(
            "the image has no ENTRYPOINT: only a program `train` on its PATH could be run",
            'give the Dockerfile one in exec form, as in ENTRYPOINT ["python3", "-m", "container"]',
        )
    return f"{found}, runs {' '.join(entrypoint)}"


def base(services: Services, run: RunContext) -> str:
    """Check that the name of the base image still has the digest that the build used."""
    name = run.settings.base_image
    labels = _configuration(services.ecr, *_place(run)).get("config", {}).get("Labels") or {}
    built_on = labels.get(BASE_NAME, "").partition("@")[2]
    if not DIGEST.fullmatch(built_on):
        raise NotChecked("the image has no label with the digest of its base image")
    try:
        present = find_digest(name)
    except RegistryError as error:
        raise NotChecked(str(error)) from None
    if present != built_on:
        raise CheckWarning(
            f"{name} is now {present}, but the image was built on {built_on}",
            f"set base_image to {name.partition('@')[0]}@{present} in pipeline.yaml, then {PUSH}",
        )
    return f"built on {built_on}, the current digest of {name}"


def scan(services: Services, run: RunContext) -> str:
    """Check the findings of ECR's scan. Severe findings are a warning: they do not stop a job."""
    (name, digest), errors = _place(run), services.ecr.exceptions
    try:
        answer = services.ecr.describe_image_scan_findings(
            repositoryName=name, imageId={"imageDigest": digest}
        )
    except (errors.ScanNotFoundException, errors.ImageNotFoundException):
        raise NotChecked("the image has not been scanned") from None
    status = answer["imageScanStatus"]["status"]
    counts = answer.get("imageScanFindings", {}).get("findingSeverityCounts", {})
    serious = [f"{counts[severity]} {severity}" for severity in SERIOUS if counts.get(severity)]
    if serious:
        raise CheckWarning(
            f"{', '.join(serious)} findings in the image",
            f"aws ecr describe-image-scan-findings --repository-name {name} "
            f"--image-id imageDigest={digest} lists them; a newer base_image may fix them",
        )
    if status not in ("COMPLETE", "ACTIVE"):
        raise NotChecked(f"the scan is {status}")
    return "no critical or high findings"


def _configuration(ecr: Any, name: str, digest: str) -> dict[str, Any]:
    """Read the image's configuration (source: OCI Image Format Specification)."""
    manifest = read_manifest(ecr, name, digest)
    if "config" not in manifest:
        raise NotChecked("no single manifest")
    answer = ecr.get_download_url_for_layer(
        repositoryName=name, layerDigest=manifest["config"]["digest"]
    )
    try:
        with urllib.request.urlopen(  # noqa: S310 - what ECR answers
            answer["downloadUrl"], timeout=DOWNLOAD_SECONDS
        ) as response:
            config: dict[str, Any] = json.load(response)
    except (OSError, ValueError) as error:
        raise NotChecked(f"its configuration cannot be downloaded: {error}") from None
    return config


def _place(run: RunContext) -> tuple[str, str]:
    """Split an image URI into repository and digest."""
    uri, of_stack = known(run.image_uri, "image"), known(run.stack, "stack").repository_uri
    repository, at, digest = uri.partition("@")
    if repository != of_stack or not at:
        raise NotChecked(f"{uri} is not a digest in the stack's repository")
    return repository.partition("/")[2], digest
