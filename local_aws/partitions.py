"""The partitions of AWS and their host names, from botocore's data."""

import re
from functools import cache

from local_aws.api_models import LOADER

# <bucket>.s3.<region>, <bucket>.s3-<region>, <bucket>.s3.dualstack.<region>... before the domain
_BUCKET = re.compile(r"(?P<bucket>.+)\.s3(-(?!control)[a-z0-9-]+)?(\.[a-z0-9-]+)*")


@cache
def regions() -> dict[str, str]:
    """Return the partition of each region."""
    return {
        region: partition["id"]
        for partition in LOADER.load_data("partitions")["partitions"]
        for region in partition["regions"]
        if not region.endswith("-global")
    }


@cache
def sagemaker_regions() -> list[str]:
    """Return the regions with SageMaker in all partitions, sorted."""
    return sorted(
        region
        for partition in LOADER.load_data("endpoints")["partitions"]
        for region in partition["services"].get("api.sagemaker", {}).get("endpoints", ())
        if region in partition["regions"]
    )


def partition_of(region: str) -> str:
    """Return the partition of a region, or `aws` for a region that botocore does not know."""
    return regions().get(region, "aws")


def domain_of(region: str) -> str:
    """Return the domain of a region's endpoints, such as amazonaws.com."""
    name, every = partition_of(region), LOADER.load_data("partitions")["partitions"]
    return next(str(each["outputs"]["dnsSuffix"]) for each in every if each["id"] == name)


def registry_host(account: str, region: str) -> str:
    """Return the host name of an account's ECR registry."""
    return f"{account}.dkr.ecr.{region}.{domain_of(region)}"


@cache
def domains() -> tuple[str, ...]:
    """Return the endpoint domains of all partitions, each with a leading dot."""
    found = set()
    for partition in LOADER.load_data("partitions")["partitions"]:
        found |= {partition["outputs"]["dnsSuffix"], partition["outputs"]["dualStackDnsSuffix"]}
    for partition in LOADER.load_data("endpoints")["partitions"]:
        variants = partition.get("defaults", {}).get("variants", [])
        found |= {each["dnsSuffix"] for each in [partition, *variants] if "dnsSuffix" in each}
    return tuple(sorted(f".{domain}" for domain in found))


def service_part(host: str) -> str | None:
    """Return the part of an AWS host name before the domain; None for other host names."""
    if not re.fullmatch(r"[a-z0-9._-]+", host):
        return None
    return next((host.removesuffix(each) for each in domains() if host.endswith(each)), None)


def bucket_in(host: str) -> str | None:
    """Return the bucket at the beginning of an S3 host name, if there is one."""
    found = _BUCKET.fullmatch(service_part(host) or "")
    return found["bucket"] if found else None
