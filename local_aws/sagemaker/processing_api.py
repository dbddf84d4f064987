"""The API of processing jobs. It replaces moto's jobs, which complete without running."""

from typing import Any

from local_aws.definition.names import given_twice
from local_aws.sagemaker.processing import ProcessingJob, instances
from local_aws.sagemaker.resource_checks import ResourceChecks
from local_aws.sagemaker.supported import null_characters, unsupported, wrong_instance_count

from moto.core.responses import ActionResult, EmptyResult
from moto.sagemaker.exceptions import ResourceInUseException, ResourceNotFound

PROCESSING_PATH = "/opt/ml/processing/"
CLUSTER = "CreateProcessingJob.ProcessingResources.ClusterConfig"


class ProcessingApi(ResourceChecks):
    """The calls of the SageMaker API."""

    def create_processing_job(self) -> ActionResult:
        """Start a processing job after the checks that AWS makes."""
        self._check_throttling()
        request = self._request()
        self._check_processing_job(request)
        return ActionResult({"ProcessingJobArn": self._start_processing_job(request).arn})

    def describe_processing_job(self) -> ActionResult:
        """Answer with a processing job's request and status."""
        return ActionResult(self._processing_job().describe())

    def stop_processing_job(self) -> ActionResult:
        """Stop a processing job. A job that has ended does not change."""
        self._processing_job().stop()
        return EmptyResult()

    def list_processing_jobs(self) -> ActionResult:
        """Answer with a page of processing jobs."""
        jobs = self.state.processing_jobs
        return self._list("ProcessingJobSummaries", "ProcessingJob", jobs)

    def _check_processing_job(self, request: dict[str, Any]) -> None:
        """Raise CreateProcessingJob's error if this job cannot be started now."""
        name = request["ProcessingJobName"]
        image = request["AppSpecification"]["ImageUri"]
        wanted = instances(request)
        most = self.state.runner.most_instances(image)
        refused = unsupported("CreateProcessingJob", request)
        refused += wrong_instance_count(CLUSTER, wanted.count, most)
        refused += contradictions(request) if not refused else []
        self._refuse(refused)
        self._check_role(request["RoleArn"], f"processing-job/{name}")
        self._check_image(image)
        if name in self.state.processing_jobs:
            raise ResourceInUseException(f"Processing job {name} already exists")
        self._check_instances(wanted)

    def _start_processing_job(self, request: dict[str, Any]) -> ProcessingJob:
        name = request["ProcessingJobName"]
        arn = self._arn_of(f"processing-job/{name}")
        job = ProcessingJob(request, arn, self.state)
        self.state.processing_jobs[name] = job
        job.start()
        return job

    def _processing_job(self) -> ProcessingJob:
        name = self._request()["ProcessingJobName"]
        if name not in self.state.processing_jobs:
            raise ResourceNotFound(f"Could not find requested job with name: {name}")
        return self.state.processing_jobs[name]


def contradictions(request: dict[str, Any]) -> list[str]:
    """Return a line for each problem that CreateProcessingJob refuses beyond its model."""
    inputs = request.get("ProcessingInputs", [])
    outputs = request.get("ProcessingOutputConfig", {}).get("Outputs", [])
    named = [each["InputName"] for each in inputs]
    found = [f"the input {name} is given twice" for name in given_twice(named)]
    named = [each["OutputName"] for each in outputs]
    found += [f"the output {name} is given twice" for name in given_twice(named)]
    for path in [each.get("S3Input", {}).get("LocalPath") for each in inputs] + [
        each.get("S3Output", {}).get("LocalPath") for each in outputs
    ]:
        parts = (path or "").removeprefix(PROCESSING_PATH).split("/")
        if not (path or "").startswith(PROCESSING_PATH) or ".." in parts:
            found.append(f"LocalPath {path!r} must be a folder below {PROCESSING_PATH}")
    return found + null_characters(request.get("Environment", {}))
