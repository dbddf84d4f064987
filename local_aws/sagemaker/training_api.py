"""The API of training jobs. It replaces moto's jobs, which complete without running."""

from dataclasses import replace
from typing import Any

from local_aws.sagemaker.resource_checks import ResourceChecks
from local_aws.sagemaker.supported import unsupported, wrong_instance_count
from local_aws.sagemaker.training import TrainingJob
from local_aws.sagemaker.training_request import contradictions, instances, missing_members

from moto.core.responses import ActionResult, EmptyResult
from moto.sagemaker.exceptions import AWSValidationException, ResourceInUseException


class TrainingApi(ResourceChecks):
    """The operations on training jobs."""

    def create_training_job(self) -> ActionResult:
        """Start a training job after the checks that AWS makes."""
        self._check_throttling()
        request = self._request()
        self._check_training_job(request)
        return ActionResult({"TrainingJobArn": self._start_training_job(request).arn})

    def describe_training_job(self) -> ActionResult:
        """Answer with a training job's request, status, metrics and artifact."""
        return ActionResult(self._job().describe())

    def stop_training_job(self) -> ActionResult:
        """Stop a training job. A job that has ended does not change."""
        self._job().stop()
        return EmptyResult()

    def list_training_jobs(self) -> ActionResult:
        """Answer with a page of training jobs."""
        return self._list("TrainingJobSummaries", "TrainingJob", self.state.jobs)

    def _job(self) -> TrainingJob:
        name = self._get_param("TrainingJobName")
        if name not in self.state.jobs:
            raise AWSValidationException("Requested resource not found.")
        return self.state.jobs[name]

    def _check_training_job(self, request: dict[str, Any], jobs: int = 1) -> None:
        """Raise CreateTrainingJob's error if this number of jobs cannot be started now."""
        refused = unsupported("CreateTrainingJob", request) + missing_members(request)
        self._refuse(refused)
        image = request["AlgorithmSpecification"]["TrainingImage"]
        wanted = instances(request)
        most = self.state.runner.most_instances(image)
        refused = wrong_instance_count("CreateTrainingJob.ResourceConfig", wanted.count, most)
        refused += contradictions(request)
        self._refuse(refused)
        name = request["TrainingJobName"]
        self._check_role(request["RoleArn"], f"training-job/{name}")
        self._check_image(image)
        if name in self.state.jobs:
            raise ResourceInUseException(f"Training job {name} already exists")
        self._check_instances(replace(wanted, count=jobs * wanted.count))

    def _start_training_job(self, request: dict[str, Any]) -> TrainingJob:
        name = request["TrainingJobName"]
        arn = self._arn_of(f"training-job/{name}")
        job = self.state.jobs[name] = TrainingJob(request, arn, self.state)
        job.start()
        return job
