"""The APIs about the account: Service Quotas, Price List, and EC2's instance types."""

import json
import re
from typing import Any, ClassVar

import local_aws.moto_patches  # noqa: F401 - first: it imports moto's EC2 without credentials
from local_aws.account.account import Account, Document, products

import moto.ec2.urls
import moto.servicequotas.urls
from moto.backend_index import backend_url_patterns
from moto.core.exceptions import JsonRESTError
from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.instance_types import INSTANCE_TYPE_OFFERINGS
from moto.ec2.responses import EC2Response
from moto.servicequotas.exceptions import NoSuchResource
from moto.servicequotas.responses import ServiceQuotasResponse

# AWS's pages are longer, but so are its tables: here as there, who reads one page misses something.
PAGE_SIZE = 20
INSTANCE_TYPES_PAGE_SIZE = 100
FILTER_VALUES = 200  # most in a request, "List and filter using the CLI and API", EC2 user guide


def route() -> None:
    """Register these APIs with moto's server. A second call changes nothing."""
    moto.servicequotas.urls.url_paths["{0}/$"] = LocalServiceQuotas.dispatch
    moto.ec2.urls.url_paths["{0}/"] = LocalEc2.dispatch
    if _PRICING not in backend_url_patterns:
        backend_url_patterns.append(_PRICING)


# moto does not know the Price List API: LocalServiceQuotas, of the same protocol, answers for it.
_PRICING = ("servicequotas", re.compile(r"https?://pricing\.(.+)\.amazonaws\.com"))


class LocalServiceQuotas(ServiceQuotasResponse):
    """Made anew for each request; `account` is set once, when the server starts."""

    account: ClassVar[Account]

    def list_service_quotas(self) -> str:
        """Answer with a page of the account's quotas."""
        return self._quotas(self.account.quotas())

    def list_aws_default_service_quotas(self) -> str:
        """Answer with a page of the defaults of AWS."""
        return self._quotas(self.account.default_quotas())

    def get_products(self) -> str:
        """Answer with a page of the price list; only equality filters are supported."""
        request = json.loads(self.body)
        attributes = {}
        for each in request.get("Filters", []):
            if each["Type"] not in ("TERM_MATCH", "EQUALS"):
                raise JsonRESTError(
                    "InvalidParameterException", f"local AWS does not support {each['Type']}"
                )
            attributes[each["Field"]] = each["Value"]
        found = products(attributes) if request["ServiceCode"] == "AmazonSageMaker" else []
        answer = _page("PriceList", [json.dumps(each) for each in found], request, PAGE_SIZE)
        return json.dumps(answer | {"FormatVersion": "aws_v1"})

    def _quotas(self, quotas: list[Document]) -> str:
        request = json.loads(self.body)
        if request["ServiceCode"] != "sagemaker":
            raise NoSuchResource
        return json.dumps(_page("Quotas", quotas, request, PAGE_SIZE))


class LocalEc2(EC2Response):
    """moto's EC2 with instance types by region and in pages, which moto's own table lacks."""

    def describe_instance_types(self) -> ActionResult:
        """Answer with a page of the types that the region offers."""
        filters = self._filters_from_querystring()
        if any(len(values) > FILTER_VALUES for values in filters.values()):
            raise EC2ClientError(
                "FilterLimitExceeded",
                f"The maximum number of filter values in a single call is {FILTER_VALUES}",
            )
        named = self._get_param("InstanceTypes", [])
        found = self.ec2_backend.describe_instance_types(named, filters)
        offerings = INSTANCE_TYPE_OFFERINGS["region"].get(self.region)
        if offerings is not None:  # in a region that moto knows nothing of, every type is offered
            offered = {each["InstanceType"] for each in offerings}
            found = [each for each in found if each["InstanceType"] in offered]
        request = {name: self._get_param(name) for name in ("NextToken", "MaxResults")}
        return ActionResult(_page("InstanceTypes", found, request, INSTANCE_TYPES_PAGE_SIZE))


def _page(key: str, items: list[Any], request: dict[str, Any], longest: int) -> dict[str, Any]:
    """Return a page; like AWS, it may be shorter than MaxResults ("ListServiceQuotas")."""
    token = request.get("NextToken") or "0"
    if not token.isdecimal():
        raise JsonRESTError("InvalidPaginationTokenException", f"Invalid NextToken: {token!r}")
    begin = int(token)
    end = begin + min(int(request.get("MaxResults") or longest), longest)
    return {key: items[begin:end]} | ({"NextToken": str(end)} if end < len(items) else {})
