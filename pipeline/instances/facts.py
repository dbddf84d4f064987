"""The facts about the training instance types of an account: quotas, prices and sizes.

`ApiRecorder` calls the APIs and keeps their answers. The other functions only read the answers.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from local_aws.service_model import training_instance_types
from pipeline.instances import price_list
from pipeline.instances.price_list import Price

import boto3

FILTER_VALUES = 200  # most in a request, "List and filter using the CLI and API", EC2 user guide
PAGE_SIZE = 100  # the most of DescribeInstanceTypes and of Service Quotas

ON_DEMAND = "on demand"
SPOT = "spot"
WARM_POOL = "in a warm pool"

_QUOTA_NAMES = {
    re.compile(r"(ml\.\S+) for training job usage"): ON_DEMAND,
    re.compile(r"(ml\.\S+) for spot training job usage"): SPOT,
    re.compile(r"(ml\.\S+) for training warm pool usage"): WARM_POOL,
    re.compile("(Number of instances across all training jobs)"): ON_DEMAND,
    re.compile("(Number of instances across all spot training jobs)"): SPOT,
}
ALL_JOBS = {
    ON_DEMAND: "Number of instances across all training jobs",
    SPOT: "Number of instances across all spot training jobs",
}

Page = dict[str, Any]


@dataclass(frozen=True)
class Quota:
    """A service quota of the account for one instance type."""

    code: str
    instances: float  # most at a time


@dataclass(frozen=True)
class Size:
    """The size of an instance, as EC2 describes it."""

    memory_mib: int
    vcpus: int
    gpus: int = 0  # of NVIDIA's: XGBoost computes on no others


@dataclass(frozen=True)
class Facts:
    """The facts about one region of an account; types that AWS does not list are missing."""

    quotas: Mapping[tuple[str, str], Quota]  # by type, or name in ALL_JOBS, and ON_DEMAND or SPOT
    prices: Mapping[str, Price]
    sizes: Mapping[str, Size]


@dataclass(frozen=True)
class Answer:
    """A page of an API's answer, unchanged."""

    service: str
    operation: str
    parameters: dict[str, Any]
    endpoint: str
    at: str  # ISO 8601
    answer: Page


class ApiRecorder:
    """A recorder of API answers."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []

    def call(self, client: Any, operation: str, **parameters: Any) -> list[Page]:
        """Return all pages of an operation's answer and record them. Raises botocore's errors."""
        pages = []
        for page in client.get_paginator(operation).paginate(**parameters):
            content = {key: value for key, value in page.items() if key != "ResponseMetadata"}
            self.answers.append(
                Answer(
                    client.meta.service_model.service_name,
                    operation,
                    parameters,
                    client.meta.endpoint_url,
                    datetime.now(UTC).isoformat(timespec="seconds"),
                    content,
                )
            )
            pages.append(content)
        return pages


def read_facts(recorder: ApiRecorder, session: boto3.Session, region: str) -> Facts:
    """Read quotas, prices and sizes of all training instance types.

    Prices are missing where the partition has no Price List API.
    """
    quotas = session.client("service-quotas")
    pricing = price_list.pricing_client(session, region)
    ec2 = session.client("ec2")
    sagemaker = {"ServiceCode": "sagemaker", "MaxResults": PAGE_SIZE}
    defaults = recorder.call(quotas, "list_aws_default_service_quotas", **sagemaker)
    applied = recorder.call(quotas, "list_service_quotas", **sagemaker)
    wanted = price_list.products_request(region)
    products = recorder.call(pricing, "get_products", **wanted) if pricing else []
    described = [
        page
        for request in instance_type_requests(training_instance_types())
        for page in recorder.call(ec2, "describe_instance_types", **request)
    ]
    return Facts(
        read_quotas(defaults, applied), price_list.read_prices(products), read_sizes(described)
    )


def instance_type_requests(types: Sequence[str]) -> list[dict[str, Any]]:
    """Return the DescribeInstanceTypes requests for all types.

    The requests use a filter. EC2 refuses a request with the name of a type that the region lacks,
    but ignores such a type in a filter.
    """
    names = [each.removeprefix("ml.") for each in types]
    return [
        {
            "Filters": [{"Name": "instance-type", "Values": names[begin : begin + FILTER_VALUES]}],
            "MaxResults": PAGE_SIZE,
        }
        for begin in range(0, len(names), FILTER_VALUES)
    ]


def read_sizes(pages: Iterable[Page]) -> dict[str, Size]:
    """Return the size of each type by SageMaker's name; types that the region lacks are missing."""
    return {
        f"ml.{each['InstanceType']}": Size(
            each["MemoryInfo"]["SizeInMiB"],
            each["VCpuInfo"]["DefaultVCpus"],
            sum(
                gpu["Count"]
                for gpu in each.get("GpuInfo", {}).get("Gpus", ())
                if gpu["Manufacturer"] == "NVIDIA"
            ),
        )
        for page in pages
        for each in page["InstanceTypes"]
    }


def read_quotas(defaults: Iterable[Page], applied: Iterable[Page]) -> dict[tuple[str, str], Quota]:
    """Return the account's quotas in the form of `Facts.quotas`.

    ListServiceQuotas does not list quotas without an applied value; for them AWS's default counts
    ("ListServiceQuotas", Service Quotas API reference).
    """
    quotas = {}
    for page in (*defaults, *applied):
        for each in page["Quotas"]:
            for pattern, purchase in _QUOTA_NAMES.items():
                if match := pattern.fullmatch(each["QuotaName"]):
                    quotas[match[1], purchase] = Quota(each["QuotaCode"], each["Value"])
    return quotas
