"""The account of local AWS: its quotas and prices, from accounts.yaml."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

TABLES = yaml.safe_load(Path(__file__).with_name("accounts.yaml").read_text(encoding="utf-8"))
KINDS = tuple(TABLES["accounts"])
DEFAULT_KIND = "older"

TRAINING, SPOT_TRAINING = "training job", "spot training job"
PROCESSING, TRANSFORM, ENDPOINT = "processing job", "transform job", "endpoint"
PURPOSES = (TRAINING, SPOT_TRAINING, PROCESSING, TRANSFORM, ENDPOINT)
TOTALS = {TRAINING: "Number of instances across all training jobs"}
MEMORY_GB = range(1, 7)  # of a serverless endpoint

Document = dict[str, Any]


@dataclass(frozen=True)
class Usage:
    """The instances of a job or an endpoint."""

    purpose: str  # one of PURPOSES
    instance_type: str
    count: int

    @property
    def quotas(self) -> set[str]:
        """The names of the quotas that apply to these instances."""
        total = {TOTALS[self.purpose]} if self.purpose in TOTALS else set()
        return {_quota_name(self.instance_type, self.purpose)} | total


class Account:
    """An account of one of KINDS; the configuration can replace its quotas."""

    def __init__(self, kind: str, quotas: Mapping[str, int] | None = None) -> None:
        self._given = dict(quotas or {})
        self._applied = TABLES["defaults"] | TABLES["accounts"][kind] | self._given

    def quotas(self) -> list[Document]:
        """Return the answer of ListServiceQuotas for SageMaker, sorted by code."""
        return [self._quota(name, code, self._applied) for name, code in _codes()]

    def default_quotas(self) -> list[Document]:
        """Return AWS's defaults of all known quotas, as ListAWSDefaultServiceQuotas shows them."""
        return [self._quota(name, code, TABLES["defaults"]) for name, code in _codes()]

    def exceeded(self, wanted: Usage, present: list[Usage]) -> str | None:
        """Return AWS's message if the instances would exceed a quota, else None.

        Args:
            wanted: The requested instances.
            present: The instances that the account already has.
        """
        known = {name for name, _ in _codes()} | self._given.keys()
        for quota in sorted(wanted.quotas & known):
            most = self._applied.get(quota, 0)
            used = sum(usage.count for usage in present if quota in usage.quotas)
            if used + wanted.count > most:
                return (
                    f"The account-level service limit '{quota}' is {most:g} Instances, with "
                    f"current utilization of {used} Instances and a request delta of "
                    f"{wanted.count} Instances. Please use AWS Service Quotas to request an "
                    "increase for this quota."
                )
        return None

    def billable(self, seconds: int, spot: bool) -> int:
        """Return the billable seconds of a training, which are fewer on spot instances."""
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
    """Return whether local AWS enforces the quota with this name."""
    endings = tuple(_quota_name("", purpose) for purpose in PURPOSES)
    return quota in TOTALS.values() or (quota.startswith("ml.") and quota.endswith(endings))


def products(attributes: dict[str, str]) -> list[Document]:
    """Return the AmazonSageMaker products of the price list that have all these attributes."""
    found = []
    for each in _products():
        product = each["product"]
        own = product["attributes"] | {"productFamily": product["productFamily"]}
        if attributes.items() <= own.items():
            found.append(each)
    return found


def _products() -> Iterator[Document]:
    for region, table in TABLES["prices"].items():
        prefix, as_of = f"{table['usage_type_prefix']}-", table["as_of"]
        for name, usd in table["usd_per_hour"].items():
            of_type = {"component": "Training", "instanceName": name, "regionCode": region}
            of_type["usagetype"] = f"{prefix}Train:{name}"
            yield _product("ML Instance", of_type, "Hrs", usd, as_of)
        serverless = table["serverless"]
        for memory in MEMORY_GB:
            usage_type = f"{prefix}ServerlessInf:Mem-{memory}GB"
            of_memory = {"regionCode": region, "usagetype": usage_type}
            usd = memory * serverless["usd_per_gb_second"]
            yield _product("ML Serverless", of_memory, "Second", usd, serverless["as_of"])


def _codes() -> list[tuple[str, str]]:
    codes = dict(TABLES["totals"])
    for purpose in PURPOSES:
        codes |= {_quota_name(each, purpose): code for each, code in TABLES[purpose].items()}
    return sorted(codes.items(), key=lambda item: item[1])


def _quota_name(instance_type: str, purpose: str) -> str:
    return f"{instance_type} for {purpose} usage"


def _product(
    family: str, attributes: dict[str, str], unit: str, usd: float, as_of: str
) -> Document:
    """Return a product as "Using the AWS Price List Query API", Billing user guide, shows it."""
    sku = attributes["usagetype"]  # AWS's own are 16 characters that say nothing
    term, dimension = f"{sku}.on-demand", f"{sku}.on-demand.{unit.lower()}"
    price = {
        "unit": unit,
        "beginRange": "0",
        "endRange": "Inf",
        "pricePerUnit": {"USD": f"{usd:.10f}"},
    }
    terms = {term: {"priceDimensions": {dimension: price}, "sku": sku, "effectiveDate": as_of}}
    return {
        "product": {
            "productFamily": family,
            "attributes": attributes | {"servicecode": "AmazonSageMaker"},
            "sku": sku,
        },
        "serviceCode": "AmazonSageMaker",
        "terms": {"OnDemand": terms},
        "publicationDate": as_of,
    }
