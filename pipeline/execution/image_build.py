"""The provenance of an image: its build, from ECR and the build's SBOM."""

import hashlib
import json
from typing import Any

from pipeline.data import split_uri

from botocore.exceptions import BotoCoreError, ClientError

FACTS = ("build_id", "base_image", "source_revision", "source_created")  # build/buildspec.yml


def image_build(ecr: Any, s3: Any, job: dict[str, Any]) -> dict[str, Any] | None:
    """Return the provenance of the image that a training job ran in.

    Args:
        ecr: The client of ECR.
        s3: The client of S3.
        job: The answer of DescribeTrainingJob, or an empty one.

    Returns:
        The image's tag, when it was pushed, its SBOM and what the SBOM says of the build, with None
        for what cannot be read; None where ECR does not have the image (any more).
    """
    repository, _, digest = (
        job.get("AlgorithmSpecification", {}).get("TrainingImage", "").partition("@")
    )
    try:
        image = ecr.describe_images(
            repositoryName=repository.partition("/")[2], imageIds=[{"imageDigest": digest}]
        )["imageDetails"][0]
        tag: str = image["imageTags"][0]
    except (BotoCoreError, ClientError, LookupError):
        return None
    bucket, _ = split_uri(job["OutputDataConfig"]["S3OutputPath"])
    return {
        "tag": tag,
        "pushed_at": image["imagePushedAt"].isoformat(),
        **_sbom(s3, bucket, f"build/{tag}.cdx.json"),
    }


def _sbom(s3: Any, bucket: str, key: str) -> dict[str, Any]:
    """Return the place and the SHA-256 of an SBOM in S3, how many packages it lists, and FACTS."""
    try:
        content = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        document = json.loads(content)
        properties = {each["name"]: each["value"] for each in document["metadata"]["properties"]}
        packages = len(document["components"])
    except (BotoCoreError, ClientError, LookupError, ValueError, TypeError):
        return dict.fromkeys(("sbom", "sbom_sha256", "packages", *FACTS))
    return {
        "sbom": f"s3://{bucket}/{key}",
        "sbom_sha256": hashlib.sha256(content).hexdigest(),
        "packages": packages,
        **{name: properties.get(name) for name in FACTS},
    }
