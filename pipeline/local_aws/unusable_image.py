"""Why a training program did not run or did not end by itself, in the words of AWS where they are
public, with the cure.

Sources: failure reasons as users of SageMaker quote them, for instance in aws/sagemaker-python-sdk
issue 222; "How Amazon SageMaker AI Runs Your Training Image" in the developer guide.
"""

import re
from collections.abc import Mapping
from typing import Any

from pipeline.local_aws.opt_ml_tree import JobFailed

ARCHITECTURE = "amd64"  # of every instance type that trains
OUT_OF_MEMORY = (
    "ClientError: Please use an instance type with more memory, or reduce the size of job data "
    "processed on an instance."
)
CANNOT_EXECUTE, NOT_FOUND = 126, 127  # exit codes of a shell, and of `docker run`
CURES = (
    ("permission denied", "RUN chmod +x that file in the Dockerfile", CANNOT_EXECUTE),
    (
        'exec: "train"',
        "the Dockerfile needs an ENTRYPOINT in exec form that takes the argument train, as in "
        'ENTRYPOINT ["python3", "-m", "container"]',
        NOT_FOUND,
    ),
    ("", "the Dockerfile's ENTRYPOINT must name a program that the image has", NOT_FOUND),
)


def check_platform(image: Mapping[str, Any]) -> None:
    """Raises JobFailed when the engine's description of an image is of another architecture than
    the instances have; what runs it here may even be able to."""
    architecture = image["Architecture"]
    if architecture != ARCHITECTURE:
        raise JobFailed(
            f"AlgorithmError: exec format error: the image is for linux/{architecture}, the "
            f"instance is linux/{ARCHITECTURE}\n"
            f"hint: docker build --platform linux/{ARCHITECTURE}, exit code: 1"
        )


def start_failure(explanation: str) -> str:
    """The reason of a job whose container the engine could not start."""
    match = re.search(r"exec: .*", explanation)
    cause = match[0].removesuffix(": unknown") if match else explanation
    hint, code = next((hint, code) for words, hint, code in CURES if words in cause)
    return f"AlgorithmError: {cause}\nhint: {hint}, exit code: {code}"
