"""The API of transform jobs. It replaces moto's jobs, which complete without running."""

from typing import Any

from local_aws.sagemaker.data_processing import CSV, INPUT, PathError, media_format
from local_aws.sagemaker.models_api import ModelsApi
from local_aws.sagemaker.supported import unsupported
from local_aws.sagemaker.transform import TransformJob, instances
from local_aws.sagemaker.transform_objects import data_processing

from moto.core.responses import ActionResult, EmptyResult
from moto.sagemaker.exceptions import AWSValidationException, ResourceInUseException

LARGEST_MIB = 100  # MaxConcurrentTransforms times MaxPayloadInMB


class TransformApi(ModelsApi):
    """The calls of the SageMaker API."""

    def create_transform_job(self) -> ActionResult:
        """Start a transform job after the checks that AWS makes."""
        request = self._request()
        self._check_throttling()
        refused = unsupported("CreateTransformJob", request) + transform_problems(request)
        self._refuse(refused)
        model = self._model(request["ModelName"])
        name = request["TransformJobName"]
        arn = self._arn_of(f"transform-job/{name}")
        if name in self.state.transform_jobs:
            raise ResourceInUseException(
                "Job name must be unique within an AWS account and region, and a job with this "
                f"name already exists ({arn})"
            )
        self._check_instances(instances(request))
        job = TransformJob(request, arn, model, self.state)
        self.state.transform_jobs[name] = job
        job.start()
        return ActionResult({"TransformJobArn": arn})

    def describe_transform_job(self) -> ActionResult:
        """Answer with a transform job's request and status."""
        return ActionResult(self._transform_job().describe())

    def stop_transform_job(self) -> ActionResult:
        """Stop a transform job. A job that has ended does not change."""
        self._transform_job().stop()
        return EmptyResult()

    def list_transform_jobs(self) -> ActionResult:
        """Answer with a page of transform jobs."""
        return self._list("TransformJobSummaries", "TransformJob", self.state.transform_jobs)

    def _transform_job(self) -> TransformJob:
        name = self._get_param("TransformJobName")
        if name not in self.state.transform_jobs:
            raise AWSValidationException(f"Could not find requested job with name: {name}")
        return self.state.transform_jobs[name]


def transform_problems(request: dict[str, Any]) -> list[str]:
    """Return a line for each problem that CreateTransformJob refuses beyond its model."""
    found = []
    size = request.get("MaxConcurrentTransforms", 1) * request.get("MaxPayloadInMB", 6)
    if size > LARGEST_MIB:
        found.append(
            f"MaxConcurrentTransforms * MaxPayloadInMB is {size}, and at most {LARGEST_MIB}"
        )
    try:
        data_processing(request)
    except PathError as error:
        found.append(str(error))
    config = {k: v for k, v in request.get("DataProcessing", {}).items() if v not in ("$", "None")}
    if not config:
        return found
    source, target = request["TransformInput"], request["TransformOutput"]
    before = media_format(source.get("ContentType", ""))
    after = media_format(target.get("Accept", source.get("ContentType", "")))
    if not before or not after:
        found.append(
            "DataProcessing needs text/csv, application/json or application/jsonlines as "
            "ContentType and as Accept"
        )
    if config.get("JoinSource") == INPUT:
        if (before == CSV) != (after == CSV):
            found.append("JoinSource Input needs a ContentType and an Accept of the same format")
        if source.get("SplitType", "None") != target.get("AssembleWith", "None"):
            found.append("JoinSource Input needs SplitType and AssembleWith to be the same")
    return found
