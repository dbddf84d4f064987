import json
from typing import Any

from pipeline.price_list import Price, estimate, training_prices, training_products

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber


def product(usage_type: str, *, unit: str = "Hrs", usd: str | None = "0.1150000000") -> str:
    """One item of the PriceList of GetProducts: a JSON document as text."""
    dimension = {"unit": unit, "pricePerUnit": {"USD": usd} if usd else {"CNY": "1"}}
    return json.dumps(
        {
            "product": {
                "productFamily": "ML Instance",
                "attributes": {"usagetype": usage_type, "component": "Training"},
                "sku": "A",
            },
            "serviceCode": "AmazonSageMaker",
            "terms": {"OnDemand": {"A.B": {"priceDimensions": {"A.B.C": dimension}, "sku": "A"}}},
            "version": "20260811",
            "publicationDate": "2026-08-11T10:00:00Z",
        }
    )


def prices(*items: str) -> dict[str, Price]:
    return training_prices([{"PriceList": [item]} for item in items])


def test_prices_are_found_on_every_page() -> None:
    found = prices(product("USE1-Train:ml.m5.large"), product("Train:ml.p6e-gb200.36xlarge"))
    assert found == {
        "ml.m5.large": Price(0.115, "USE1-Train:ml.m5.large", "2026-08-11T10:00:00Z"),
        "ml.p6e-gb200.36xlarge": Price(
            0.115, "Train:ml.p6e-gb200.36xlarge", "2026-08-11T10:00:00Z"
        ),
    }


@pytest.mark.parametrize(
    "item",
    [
        product("USE1-Train:VolumeUsage.gp2", unit="GB-Mo"),
        product("USE1-Host:ml.m5.large"),
        product("USE1-Train:ml.m5.large", unit="GB-Mo"),
        product("USE1-Train:ml.m5.large", usd=None),
        product("USE1-Train:ml.m5.large").replace("OnDemand", "Reserved"),
    ],
)
def test_what_is_no_price_of_a_training_instance_by_the_hour_is_left_out(item: str) -> None:
    assert prices(item) == {}


JOB = {
    "BillableTimeInSeconds": 90,
    "TrainingTimeInSeconds": 300,
    "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 5},
}


@pytest.fixture
def pricing() -> Any:
    return boto3.client(
        "pricing", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
    )


def answered(pricing: Any, *items: str) -> Stubber:
    stubber = Stubber(pricing)
    stubber.add_response("get_products", {"PriceList": list(items)}, training_products("eu-west-1"))
    stubber.activate()
    return stubber


def test_an_estimate_counts_the_billable_seconds_of_every_instance(pricing: Any) -> None:
    with answered(pricing, product("EU-Train:ml.m5.large", usd="0.128")):
        assert estimate(pricing, "eu-west-1", JOB) == {
            "usd": 0.0064,
            "usd_per_hour": 0.128,
            "source": "AWS Price List API, AmazonSageMaker, EU-Train:ml.m5.large, on demand",
            "as_of": "2026-08-11T10:00:00Z",
        }


def test_without_a_price_or_a_permission_or_a_job_there_is_no_estimate(pricing: Any) -> None:
    with answered(pricing, product("EU-Train:ml.m5.xlarge")):
        assert estimate(pricing, "eu-west-1", JOB) is None
    with Stubber(pricing) as stubber:
        stubber.add_client_error("get_products", "AccessDeniedException", "not authorized")
        assert estimate(pricing, "eu-west-1", JOB) is None
    with Stubber(pricing):  # nothing is asked
        assert estimate(pricing, "eu-west-1", {}) is None


def test_local_aws_refuses_filters_that_it_does_not_know(local_aws: Any) -> None:
    client = local_aws.clients.client("pricing")
    unknown = [{"Type": "CONTAINS", "Field": "usagetype", "Value": "Train"}]
    with pytest.raises(ClientError, match="local AWS does not support CONTAINS"):
        client.get_products(ServiceCode="AmazonSageMaker", Filters=unknown)
    assert client.get_products(ServiceCode="AmazonEC2")["PriceList"] == []
