"""Versions of the model in the registry, and what each is made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from container.errors import InputError

from botocore.exceptions import ClientError

APPROVED, REJECTED = "Approved", "Rejected"
DELETED = "Deleted"  # in place of a status: it is in the registry no more


@dataclass(frozen=True)
class Version:
    """A model package of the stack's group."""

    number: int
    arn: str
    status: str
    image_uri: str
    model_uri: str  # of model.tar.gz in S3
    container: Mapping[str, Any]  # image, artifact and environment, as registered
    properties: Mapping[str, str]  # what it says of itself (see workflow/registration.py)


def describe_version(sagemaker: Any, arn: str) -> Version:
    """Return the version with this ARN; with DELETED and little else when it is there no more."""
    try:
        package = sagemaker.describe_model_package(ModelPackageName=arn)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ValidationException":
            raise
        return Version(int(arn.rpartition("/")[2]), arn, DELETED, "", "", {}, {})
    container = package["InferenceSpecification"]["Containers"][0]
    return Version(
        package["ModelPackageVersion"],
        package["ModelPackageArn"],
        package["ModelApprovalStatus"],
        container["Image"],
        container.get("ModelDataUrl", ""),
        container,
        package.get("CustomerMetadataProperties", {}),
    )


def find_version(
    sagemaker: Any, group: str, number: int | None = None, status: str | None = None
) -> Version:
    """Return the version with this number, or the newest, among those of a status or of any.

    Raises InputError, which names the status of each version that there is.
    """
    pages = sagemaker.get_paginator("list_model_packages").paginate(ModelPackageGroupName=group)
    found = {
        each["ModelPackageVersion"]: each for each in pages.search("ModelPackageSummaryList[]")
    }
    wanted = [
        each
        for each in found
        if number in (None, each) and status in (None, found[each]["ModelApprovalStatus"])
    ]
    if not wanted:
        words = ("no", status, "version", number)
        missing = " ".join(str(word) for word in words if word is not None)
        there = ", ".join(f"{n} {found[n]['ModelApprovalStatus']}" for n in sorted(found))
        fix = ".venv/bin/python pipeline/upsert_and_start.py trains and registers one"
        if found:
            other = max(found) if number is None else number
            approve = f".venv/bin/python pipeline/approve.py {other} --reason TEXT"
            fix = approve if other in found else "give one of these"
        raise InputError(f"model group {group}: {missing} ({there or 'it is empty'})", fix)
    return describe_version(sagemaker, found[max(wanted)]["ModelPackageArn"])
