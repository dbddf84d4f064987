"""Requests to moto's SageMaker, checked as the service checks them."""

import json
from typing import Any, ClassVar

from local_aws.sagemaker.state import BackendState
from local_aws.service_model import violations

from moto.core.responses import ActionResult
from moto.sagemaker.exceptions import AWSValidationException
from moto.sagemaker.responses import SageMakerResponse

PAGE_SIZE = 100  # default of the List calls answered here


class CheckedRequests(SageMakerResponse):
    """Made anew for each request; `state` is set once, when the server starts."""

    state: ClassVar[BackendState]

    def _checked_request(self, operation: str) -> dict[str, Any]:
        """The request as it was sent, when botocore's model of the API allows it."""
        request: dict[str, Any] = json.loads(self.body)
        found = violations(operation, request)
        if found:
            raise AWSValidationException(_constraints(found))
        return request

    def _refuse_all_but(self, *members: str) -> None:
        for name in json.loads(self.body).keys() - set(members):
            raise AWSValidationException(f"local AWS does not support {name} here")

    def _check_role(self, arn: str) -> None:
        """SageMaker takes only roles that exist and trust it."""
        iam = self.state.clients.client("iam")
        try:
            role = iam.get_role(RoleName=arn.rpartition("/")[2])["Role"]
            trusted = "sagemaker.amazonaws.com" in json.dumps(role["AssumeRolePolicyDocument"])
        except iam.exceptions.NoSuchEntityException:
            trusted = False
        if not trusted:
            raise AWSValidationException(
                f"Could not assume role {arn}. Please ensure that the role exists and allows "
                "principal 'sagemaker.amazonaws.com' to assume the role."
            )

    def _page(self, key: str, items: list[dict[str, Any]]) -> ActionResult:
        begin = int(self._get_param("NextToken") or 0)
        end = begin + (self._get_param("MaxResults") or PAGE_SIZE)
        page: dict[str, Any] = {key: items[begin:end]}
        return ActionResult(page | ({"NextToken": str(end)} if end < len(items) else {}))


def _constraints(violations: list[str]) -> str:
    """As AWS words what its model of the API forbids; the end of each is ours."""
    parts = [violation.partition(": ") for violation in violations]
    said = [f"Value at '{at}' failed to satisfy constraint: {what}" for at, _, what in parts]
    count = f"{len(said)} validation error{'s' if len(said) > 1 else ''} detected"
    return f"{count}: {'; '.join(said)}"
