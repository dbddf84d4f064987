"""What training costs, from the AWS Price List API.

Sources: "Using the AWS Price List Query API" in the Billing user guide (the shape of a product);
"DescribeTrainingJob" in the SageMaker API reference (billable seconds count for each instance, and
are fewer than the training seconds with spot, so the price on demand holds for both).
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

FIRST = "us-east-1"  # of the regions that have the API
SERVICE = "AmazonSageMaker"
# Of the client: a price is worth no long wait at the end of a run.
SOON = Config(connect_timeout=5, read_timeout=20, retries={"total_max_attempts": 2})

# What an instance is used for: the component of the product -> what its usage type says, as in
# USE1-Train:ml.m5.large.
TRAINING, HOSTING = "Training", "Hosting"
_USES = {TRAINING: "Train", HOSTING: "Host"}


@dataclass(frozen=True)
class Price:
    """The price of an instance type in one region."""

    usd_per_hour: float  # of one instance, on demand
    usage_type: str
    as_of: str  # when AWS published the price list, ISO 8601


def pricing_client(session: boto3.Session, region: str, config: Config | None = None) -> Any | None:
    """Return a client of the API where the partition of `region` has it, and None elsewhere.

    Few regions have it, with the prices of all regions of the partition.
    """
    partition = session.get_partition_for_region(region)
    places = session.get_available_regions("pricing", partition)
    if not places:
        return None
    place = FIRST if FIRST in places else places[0]
    return session.client("pricing", region_name=place, config=config)


def instance_products(region: str, use: str = TRAINING) -> dict[str, Any]:
    """Return the GetProducts request for all instances of a region that are for one use."""
    wanted = {"regionCode": region, "component": use}
    return {
        "ServiceCode": SERVICE,
        "Filters": [
            {"Type": "TERM_MATCH", "Field": field, "Value": value}
            for field, value in wanted.items()
        ],
    }


def instance_prices(answers: Iterable[dict[str, Any]], use: str = TRAINING) -> dict[str, Price]:
    """Return the price of each instance type in the pages of GetProducts.

    Other products of SageMaker are left out.
    """
    pattern = re.compile(rf"(?:.*-)?{_USES[use]}:(ml\.[a-z0-9.-]+)")
    prices = {}
    for product in (json.loads(text) for answer in answers for text in answer["PriceList"]):
        usage_type = product["product"]["attributes"].get("usagetype", "")
        match = pattern.fullmatch(usage_type)
        usd = _usd_per_hour(product)
        if match and usd is not None:
            prices[match[1]] = Price(usd, usage_type, product["publicationDate"])
    return prices


def _usd_per_hour(product: dict[str, Any]) -> float | None:
    for term in product["terms"].get("OnDemand", {}).values():
        for dimension in term["priceDimensions"].values():
            if dimension["unit"] in ("Hrs", "Hours") and "USD" in dimension["pricePerUnit"]:
                return float(dimension["pricePerUnit"]["USD"])
    return None


def ask_price(
    pricing: Any | None, region: str, instance_type: str, use: str = TRAINING
) -> Price | None:
    """Return None when the list, or the type in it, cannot be read."""
    if pricing is None:
        return None
    try:
        pages = pricing.get_paginator("get_products").paginate(**instance_products(region, use))
        return instance_prices(pages, use).get(instance_type)
    except (BotoCoreError, ClientError):
        return None
