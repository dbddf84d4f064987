"""The account behind local AWS: its quotas and prices, from accounts.yaml."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local_aws.sagemaker.instances import selected

import yaml

TABLES = yaml.safe_load(Path(__file__).with_name("accounts.yaml").read_text(encoding="utf-8"))
KINDS = tuple(TABLES["accounts"])
DEFAULT_KIND = "older"

ALL_TRAINING_JOBS = "Number of instances across all training jobs"

_FAMILIES = {"on_demand": "{} for training job usage", "spot": "{} for spot training job usage"}

Document = dict[str, Any]


class Account:
    """One of KINDS, with the quotas of the configuration in place of its own."""

    def __init__(self, kind: str, quotas: Mapping[str, int] | None = None) -> None:
        self._given = dict(quotas or {})
        self._applied = TABLES["defaults"] | TABLES["accounts"][kind] | self._given

    def quotas(self) -> list[Document]:
        """Return what ListServiceQuotas says of SageMaker, in the order of the codes."""
        return [self._quota(name, code, self._applied) for name, code in _codes()]

    def default_quotas(self) -> list[Document]:
        """Return AWS's defaults of all known quotas, as ListAWSDefaultServiceQuotas shows them."""
        return [self._quota(name, code, TABLES["defaults"]) for name, code in _codes()]

    def limits(self, job: Mapping[str, Any]) -> dict[str, float]:
        """Return the quotas that a training job comes under: name -> most instances."""
        spot = job.get("EnableManagedSpotTraining", False)
        name = _FAMILIES["spot" if spot else "on_demand"]
        names = {name.format(selected(job["ResourceConfig"])[0])}
        names |= set() if spot else {ALL_TRAINING_JOBS}
        known = {each for each, _ in _codes()} | self._given.keys()
        return {each: float(self._applied.get(each, 0)) for each in names & known}

    def billable(self, seconds: int, spot: bool) -> int:
        """Return how many of so many seconds of training are billed at the price on demand."""
        return max(1, round(seconds * TABLES["spot_share"])) if spot else seconds

    def _quota(self, name: str, code: str, values: dict[str, float]) -> Document:
        return {
            "ServiceCode": "sagemaker",
            "ServiceName": "Amazon SageMaker",
            "QuotaCode": code,
            "QuotaName": name,
            "Value": float(values.get(name, 0)),
            "Unit": "None",
            "Adjustable": True,
            "GlobalQuota": False,
        }


def is_checked(quota: str) -> bool:
    """Return whether jobs are held to a quota of this name."""
    endings = tuple(name.removeprefix("{}") for name in _FAMILIES.values())
    return quota == ALL_TRAINING_JOBS or (quota.startswith("ml.") and quota.endswith(endings))


def products(attributes: dict[str, str]) -> list[Document]:
    """Return the products of AmazonSageMaker in the price list that have all these attributes."""
    every = [
        _product(region, instance_type, usd)
        for region, table in TABLES["prices"].items()
        for instance_type, usd in table["usd_per_hour"].items()
    ]
    return [each for each in every if attributes.items() <= each["product"]["attributes"].items()]


def _codes() -> list[tuple[str, str]]:
    codes = dict(TABLES["others"])
    for family, name in _FAMILIES.items():
        codes |= {name.format(each): code for each, code in TABLES[family].items()}
    return sorted(codes.items(), key=lambda item: item[1])


def _product(region: str, instance_type: str, usd: float) -> Document:
    """Return a product as "Using the AWS Price List Query API", Billing user guide, shows it."""
    table = TABLES["prices"][region]
    sku = f"{region}-{instance_type}"  # AWS's own are 16 characters that say nothing
    return {
        "product": {
            "productFamily": "ML Instance",
            "attributes": {
                "component": "Training",
                "instanceName": instance_type,
                "regionCode": region,
                "servicecode": "AmazonSageMaker",
                "usagetype": f"{table['usage_type_prefix']}-Train:{instance_type}",
            },
            "sku": sku,
        },
        "serviceCode": "AmazonSageMaker",
        "terms": {
            "OnDemand": {
                f"{sku}.on-demand": {
                    "priceDimensions": {
                        f"{sku}.on-demand.hour": {
                            "unit": "Hrs",
                            "beginRange": "0",
                            "endRange": "Inf",
                            "pricePerUnit": {"USD": f"{usd:.10f}"},
                        }
                    },
                    "sku": sku,
                    "effectiveDate": table["as_of"],
                }
            }
        },
        "publicationDate": table["as_of"],
    }
