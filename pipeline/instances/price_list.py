"""The prices of training and serving, from the AWS Price List API.

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
CLIENT_CONFIG = Config(connect_timeout=5, read_timeout=20, retries={"total_max_attempts": 2})

# What is paid for: the component of the product, or its family -> its usage type, as in
# USE1-Train:ml.m5.large, whose group is the instance type or the memory.
TRAINING, HOSTING, SERVERLESS = "Training", "Hosting", "ML Serverless"
_USAGE_TYPES = {
    TRAINING: r"(?:.*-)?Train:(ml\.[a-z0-9.-]+)",
    HOSTING: r"(?:.*-)?Host:(ml\.[a-z0-9.-]+)",
    SERVERLESS: r"(?:.*-)?ServerlessInf:(Mem-\d+GB)",
}
_PER_HOUR = {"hrs": 1, "hours": 1, "second": 3600, "seconds": 3600}  # units of a price


@dataclass(frozen=True)
class Price:
    """The price of an instance type, or of serverless requests, in one region."""

    usd_per_hour: float  # of one instance, or of requests one after the other, on demand
    usage_type: str
    as_of: str  # when AWS published the price list, ISO 8601


def pricing_client(session: boto3.Session, region: str, config: Config | None = None) -> Any | None:
    """Return a client of the API, or None when the partition of `region` does not have the API.

    A few regions have the API, with the prices of all regions of the partition.
    """
    partition = session.get_partition_for_region(region)
    places = session.get_available_regions("pricing", partition)
    if not places:
        return None
    place = FIRST if FIRST in places else places[0]
    return session.client("pricing", region_name=place, config=config)


def products_request(region: str, use: str = TRAINING) -> dict[str, Any]:
    """Return the GetProducts request for the products of a region for one use."""
    wanted = {"regionCode": region, "productFamily" if use == SERVERLESS else "component": use}
    return {
        "ServiceCode": SERVICE,
        "Filters": [
            {"Type": "TERM_MATCH", "Field": field, "Value": value}
            for field, value in wanted.items()
        ],
    }


def read_prices(answers: Iterable[dict[str, Any]], use: str = TRAINING) -> dict[str, Price]:
    """Return instance type, or memory as in Mem-2GB, -> price, from the pages of GetProducts.

    Other products are ignored.
    """
    pattern = re.compile(_USAGE_TYPES[use])
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
            units = _PER_HOUR.get(dimension["unit"].lower())
            if units and "USD" in dimension["pricePerUnit"]:
                return units * float(dimension["pricePerUnit"]["USD"])
    return None


def ask_price(pricing: Any | None, region: str, name: str, use: str = TRAINING) -> Price | None:
    """Return the price of an instance type or memory; None when it cannot be read."""
    if pricing is None:
        return None
    try:
        pages = pricing.get_paginator("get_products").paginate(**products_request(region, use))
        return read_prices(pages, use).get(name)
    except (BotoCoreError, ClientError):
        return None
