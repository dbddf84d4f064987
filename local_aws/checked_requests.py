"""JSON requests that are checked against botocore's model of the API before they are executed."""

import json
from typing import Any, ClassVar

from local_aws.guard import JSON, error
from local_aws.service_model import violations

from moto.core.responses import BaseResponse


class CheckedRequests(BaseResponse):
    """A mixin for moto's response classes."""

    invalid: ClassVar[str]  # the code of the service for a request that its model forbids

    def call_action(self) -> Any:
        """Answer the request, or return an error with the violations of its model."""
        found = violations(self._get_action(), self._request(), self.boto3_service_name)
        if found:
            status, content_type, body = error(JSON, 400, self.invalid, constraints(found))
            return status, {"Content-Type": content_type}, body
        return super().call_action()

    def _request(self) -> dict[str, Any]:
        """Return the JSON body of the request."""
        request: dict[str, Any] = json.loads(self.body)
        return request


def constraints(violations: list[str]) -> str:
    """Return the violations of the model in AWS's words; only their last words are our own."""
    parts = [violation.partition(": ") for violation in violations]
    said = [f"Value at '{at}' failed to satisfy constraint: {what}" for at, _, what in parts]
    count = f"{len(said)} validation error{'s' if len(said) > 1 else ''} detected"
    return f"{count}: {'; '.join(said)}"
