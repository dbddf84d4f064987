"""Failure reasons of jobs whose image cannot run, in the words of AWS.

Sources: failure reasons as users of SageMaker quote them, for instance in aws/sagemaker-python-sdk
issues 57 and 222; "How Amazon SageMaker AI Runs Your Training Image" in the developer guide.
"""

import re
from collections.abc import Mapping
from typing import Any

from local_aws.errors import JobFailed

ARCHITECTURE = "amd64"  # of every instance type that trains
NOT_PULLED = (
    "ClientError: Cannot pull algorithm container. Either the image does not exist or its "
    "permissions are incorrect."
)
OUT_OF_MEMORY = (
    "ClientError: Please use an instance type with more memory, or reduce the size of job data "
    "processed on an instance."
)
CANNOT_EXECUTE, NOT_FOUND = 126, 127  # exit codes of a shell, and of `docker run`


def check_platform(image: Mapping[str, Any]) -> None:
    """Raise JobFailed if the image and the instances have different architectures.

    The engine of this machine may still be able to run such an image.

    Args:
        image: The engine's description of the image.
    """
    architecture = image["Architecture"]
    if architecture != ARCHITECTURE:
        raise JobFailed(
            f"AlgorithmError: exec format error: the image is for linux/{architecture}, the "
            f"instance is linux/{ARCHITECTURE}, exit code: 1"
        )


def not_pulled(detail: str) -> JobFailed:
    """Return the failure for an image that cannot be pulled; AWS gives no details."""
    return JobFailed(f"{NOT_PULLED} ({detail})")


def start_failure(explanation: str) -> JobFailed:
    """Return the failure for a container that the engine could not start."""
    match = re.search(r"exec: .*", explanation)
    cause = match[0].removesuffix(": unknown") if match else explanation
    code = CANNOT_EXECUTE if "permission denied" in cause else NOT_FOUND
    return JobFailed(f"AlgorithmError: {cause}, exit code: {code}")
