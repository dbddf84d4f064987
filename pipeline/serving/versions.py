"""Versions of the model in the registry: the approved ones, and what each is made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from container.errors import InputError

APPROVED, REJECTED = "Approved", "Rejected"


@dataclass(frozen=True)
class Version:
    """A model package of the stack's group."""

    number: int
    arn: str
    status: str
    image_uri: str
    model_uri: str  # of model.tar.gz in S3
    properties: Mapping[str, str]  # what it says of itself (see workflow/registration.py)


def describe_version(sagemaker: Any, arn: str) -> Version:
    """Return the version with this ARN."""
    package = sagemaker.describe_model_package(ModelPackageName=arn)
    container = package["InferenceSpecification"]["Containers"][0]
    return Version(
        package["ModelPackageVersion"],
        package["ModelPackageArn"],
        package["ModelApprovalStatus"],
        container["Image"],
        container["ModelDataUrl"],
        package.get("CustomerMetadataProperties", {}),
    )


def find_version(sagemaker: Any, group: str, number: int | None = None) -> Version:
    """Return a version by its number, or the newest. Raises InputError when there is none."""
    found = _summaries(sagemaker, group)
    if found and number is None:
        number = max(found)
    if number not in found:
        wanted = "no version" if number is None else f"version {number} is not there"
        raise InputError(f"model group {group}: {wanted} ({_shown(found)})", _hint(found))
    return describe_version(sagemaker, found[number]["ModelPackageArn"])


def find_approved(sagemaker: Any, group: str, number: int | None = None) -> Version:
    """Return a version if it is approved: the one with this number, or the newest.

    Raises InputError, which names the status of the versions that there are.
    """
    found = _summaries(sagemaker, group)
    if number is None:
        approved = [n for n, each in found.items() if each["ModelApprovalStatus"] == APPROVED]
        if not approved:
            problem = f"model group {group}: no approved version ({_shown(found)})"
            raise InputError(problem, _hint(found))
        number = max(approved)
    version = find_version(sagemaker, group, number)
    if version.status != APPROVED:
        raise InputError(
            f"version {version.number}: its status is {version.status}, not {APPROVED}",
            f"python pipeline/approve.py {version.number} --reason TEXT",
        )
    return version


def _summaries(sagemaker: Any, group: str) -> dict[int, dict[str, Any]]:
    pages = sagemaker.get_paginator("list_model_packages").paginate(ModelPackageGroupName=group)
    summaries = [each for page in pages for each in page["ModelPackageSummaryList"]]
    return {each["ModelPackageVersion"]: each for each in summaries}


def _shown(found: Mapping[int, Mapping[str, Any]]) -> str:
    statuses = [f"{n} {each['ModelApprovalStatus']}" for n, each in sorted(found.items())]
    return ", ".join(statuses) or "it is empty"


def _hint(found: Mapping[int, Any]) -> str:
    if found:
        return f"python pipeline/approve.py {max(found)} --reason TEXT"
    return "python pipeline/upsert_and_start.py trains and registers one"
