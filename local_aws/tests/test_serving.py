"""Local AWS runs no endpoint and no transform job: it says so, and says what does."""

from typing import Any

from local_aws.clients import Clients

import pytest
from botocore.exceptions import ClientError

DATA = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://bucket/rows"}}
REQUESTS: dict[str, dict[str, Any]] = {
    "create_endpoint": {"EndpointName": "titanic", "EndpointConfigName": "titanic"},
}


@pytest.mark.parametrize("operation", REQUESTS)
def test_what_serves_on_aws_is_refused_by_name(operation: str, clients: Clients) -> None:
    call = getattr(clients.client("sagemaker"), operation)
    with pytest.raises(ClientError, match=r"local AWS does not support Create.*: run the image"):
        call(**REQUESTS[operation])
