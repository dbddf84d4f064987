"""Requests to SageMaker, with the checks of AWS that moto lacks."""

import json
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from local_aws.checked_requests import CheckedRequests
from local_aws.iam.conditions import as_list, met
from local_aws.sagemaker.listing import listed
from local_aws.sagemaker.state import BackendState

from moto.core.responses import ActionResult
from moto.sagemaker.exceptions import AWSValidationException
from moto.sagemaker.responses import SageMakerResponse

PAGE_SIZE = 100  # default of the List calls answered here


class SageMakerRequests(CheckedRequests, SageMakerResponse):
    """The base of the API. moto creates an object for each request; the server sets `state`."""

    state: ClassVar[BackendState]
    invalid = "ValidationException"

    def _refuse(self, problems: list[str]) -> None:
        if problems:
            raise AWSValidationException("; ".join(problems))

    def _refuse_all_but(self, *members: str) -> None:
        for name in self._request().keys() - set(members):
            raise AWSValidationException(f"local AWS does not support {name} here")

    def _arn_of(self, place: str) -> str:
        """Return the ARN of a SageMaker resource `<kind>/<name>` in the caller's region."""
        return f"arn:{self.partition}:sagemaker:{self.region}:{self.current_account}:{place}"

    def _check_role(self, arn: str, place: str) -> None:
        """Refuse a role that does not exist or does not trust SageMaker for this resource."""
        source = self._arn_of(place)
        keys = {"aws:SourceAccount": self.current_account, "aws:SourceArn": source}
        iam = self.state.clients.client("iam")
        try:
            role = iam.get_role(RoleName=arn.rpartition("/")[2])["Role"]
            trusted = any(
                "sagemaker.amazonaws.com" in json.dumps(statement["Principal"])
                and met(statement.get("Condition", {}), keys)
                for statement in as_list(role["AssumeRolePolicyDocument"]["Statement"])
            )
        except iam.exceptions.NoSuchEntityException:
            trusted = False
        if not trusted:
            raise AWSValidationException(
                f"Could not assume role {arn}. Please ensure that the role exists and allows "
                "principal 'sagemaker.amazonaws.com' to assume the role."
            )

    def _once(self, operation: str, token: str, act: Callable[[], str]) -> str:
        """Return the ARN from `act` for the first request with a ClientRequestToken.

        The client may repeat the request, also at the same time.
        """
        tokens, key = self.state.tokens, (operation, token)
        with self.state.lock:
            if key not in tokens:
                tokens[key] = act()
        return tokens[key]

    def _list(self, key: str, kind: str, resources: Mapping[str, Any]) -> ActionResult:
        """Answer a List call with a page of the resources that `listed` selects."""
        described = [each.describe() for each in list(resources.values())]
        return self._page(key, listed(described, kind, self._request()))

    def _page(self, key: str, items: list[dict[str, Any]]) -> ActionResult:
        token = self._get_param("NextToken") or "0"
        if not token.isdecimal():
            raise AWSValidationException(f"Invalid NextToken: {token!r}")
        begin = int(token)
        end = begin + (self._get_param("MaxResults") or PAGE_SIZE)
        page: dict[str, Any] = {key: items[begin:end]}
        return ActionResult(page | ({"NextToken": str(end)} if end < len(items) else {}))
