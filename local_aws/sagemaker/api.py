"""The SageMaker API of local AWS: moto's, with the calls that there start nothing made real."""

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
    """Made anew for each request; `state` is set once, when the server starts."""
