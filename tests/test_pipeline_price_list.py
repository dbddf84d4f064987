import json
from typing import Any

from pipeline.instances.price_list import SERVERLESS, Price, read_prices

import pytest
from botocore.exceptions import ClientError


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
    return read_prices([{"PriceList": [item]} for item in items])


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


def test_a_second_of_serverless_requests_is_priced_by_its_memory() -> None:
    usage_types = [f"USE1-ServerlessInf:Mem-{size}" for size in ("2GB", "3GB", "3GB-PC")]
    items = [product(each, unit="Second", usd="0.0000600000") for each in usage_types]
    found = read_prices([{"PriceList": items}], SERVERLESS)
    assert {name: price.usd_per_hour for name, price in found.items()} == {
        "Mem-2GB": pytest.approx(0.216),
        "Mem-3GB": pytest.approx(0.216),
    }


def test_local_aws_refuses_filters_that_it_does_not_know(local_aws: Any) -> None:
    client = local_aws.clients.client("pricing")
    unknown = [{"Type": "CONTAINS", "Field": "usagetype", "Value": "Train"}]
    with pytest.raises(ClientError, match="local AWS does not support CONTAINS"):
        client.get_products(ServiceCode="AmazonSageMaker", Filters=unknown)
    assert client.get_products(ServiceCode="AmazonEC2")["PriceList"] == []
