"""Requests to moto's SageMaker, checked as the service checks them."""

import json
from typing import Any

from pipeline.service_model import violations

from moto.sagemaker.exceptions import AWSValidationException
from moto.sagemaker.responses import SageMakerResponse


class CheckedRequests(SageMakerResponse):
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


def _constraints(violations: list[str]) -> str:
    """As AWS words what its model of the API forbids; the end of each is ours."""
    parts = [violation.partition(": ") for violation in violations]
    said = [f"Value at '{at}' failed to satisfy constraint: {what}" for at, _, what in parts]
    count = f"{len(said)} validation error{'s' if len(said) > 1 else ''} detected"
    return f"{count}: {'; '.join(said)}"
