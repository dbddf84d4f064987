"""The image: in ECR, in a form that SageMaker can run, and what its scan found."""

from container.errors import InputError
from pipeline.checks.check import Doubt, settled
from pipeline.checks.plan import NotChecked, Plan, Services, known

from botocore.exceptions import ClientError

SINGLE = (  # media types of a manifest of one image; an index or a list holds several
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
SERIOUS = ("CRITICAL", "HIGH")
PUSH = "python build/push_image.py"


def image(services: Services, plan: Plan) -> str:
    """Whether it is there, and one image for one platform.

    ECR's API does not say which platform: CodeBuild builds for linux/amd64, and trains in the image
    before it pushes it.
    """
    uri = settled(plan.image_uri)
    name, digest = _place(plan)
    try:
        answer = services.ecr.describe_images(
            repositoryName=name, imageIds=[{"imageDigest": digest}]
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "ImageNotFoundException":
            raise
        raise InputError(f"{uri} is not there", PUSH) from None
    kind = answer["imageDetails"][0].get("imageManifestMediaType")
    if kind and kind not in SINGLE:
        raise InputError(
            f"{uri} is an index of several images ({kind}), which a training job cannot pull",
            f"build it for one platform, without provenance, as {PUSH} does",
        )
    return f"{digest}, a single manifest"


def scan(services: Services, plan: Plan) -> str:
    """What ECR's scan found: severe findings are worth a new base image, but stop no job."""
    name, digest = _place(plan)
    try:
        answer = services.ecr.describe_image_scan_findings(
            repositoryName=name, imageId={"imageDigest": digest}
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "ScanNotFoundException":
            raise
        raise NotChecked("the image has not been scanned") from None
    status = answer["imageScanStatus"]["status"]
    counts = answer.get("imageScanFindings", {}).get("findingSeverityCounts", {})
    serious = [f"{counts[severity]} {severity}" for severity in SERIOUS if counts.get(severity)]
    if serious:
        raise Doubt(
            f"{', '.join(serious)} findings in the image",
            f"aws ecr describe-image-scan-findings --repository-name {name} "
            f"--image-id imageDigest={digest} lists them; a newer base_image may mend them",
        )
    if status not in ("COMPLETE", "ACTIVE"):
        raise NotChecked(f"the scan is {status}")
    return "no critical or high findings"


def _place(plan: Plan) -> tuple[str, str]:
    """Repository and digest."""
    uri, of_stack = known(plan.image_uri, "image"), known(plan.stack, "stack").repository_uri
    repository, at, digest = uri.partition("@")
    if repository != of_stack or not at:
        raise NotChecked(f"{uri} is not a digest in the stack's repository")
    return repository.partition("/")[2], digest
