"""The SageMaker API of local AWS: moto's API, with jobs, endpoints and executions that run."""

import json

from local_aws.sagemaker.cluster import STOP_GRACE_SECONDS
from local_aws.sagemaker.endpoints_api import EndpointsApi
from local_aws.sagemaker.executions_api import ExecutionsApi
from local_aws.sagemaker.images_api import ImagesApi
from local_aws.sagemaker.processing_api import ProcessingApi
from local_aws.sagemaker.registry import ModelRegistryApi
from local_aws.sagemaker.search_api import SearchApi
from local_aws.sagemaker.tags_api import TagsApi
from local_aws.sagemaker.tuning_api import TuningApi


class LocalSageMaker(
    TagsApi,
    SearchApi,
    ExecutionsApi,
    ProcessingApi,
    TuningApi,
    EndpointsApi,
    ImagesApi,
    ModelRegistryApi,
):
    """The API. moto creates an object for each request; the server sets `state`."""


def answer_interrupt(_path: str, body: bytes) -> tuple[int, str, bytes]:
    """Answer `python -m local_aws interrupt` with status, content type and the job's name."""
    order = json.loads(body)
    grace = STOP_GRACE_SECONDS if order["grace"] is None else order["grace"]
    try:
        name = LocalSageMaker.state.interrupt(order["job"], grace, order["capacity_after"])
    except ValueError as error:
        return 409, "text/plain", str(error).encode()
    return 200, "text/plain", name.encode()
