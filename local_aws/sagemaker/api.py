"""The SageMaker API of local AWS: moto's, with the calls that there start nothing made real."""

from local_aws.sagemaker.pipelines_api import PipelinesApi
from local_aws.sagemaker.processing_api import ProcessingApi
from local_aws.sagemaker.registry import ModelRegistryApi
from local_aws.sagemaker.transform_api import TransformApi
from local_aws.sagemaker.tuning_api import TuningApi

from moto.core.responses import ActionResult
from moto.sagemaker.exceptions import AWSValidationException

SERVE_INSTEAD = "run the image with `serve`"


class LocalSageMaker(PipelinesApi, ProcessingApi, TuningApi, TransformApi, ModelRegistryApi):
    """Made anew for each request; `state` is set once, when the server starts."""

    # moto's endpoints are ready at once and run nothing; its search
    # finds no jobs.

    def create_endpoint(self) -> ActionResult:
        raise AWSValidationException(f"local AWS does not support CreateEndpoint: {SERVE_INSTEAD}")

    def search(self) -> ActionResult:
        raise AWSValidationException("local AWS does not support Search")
