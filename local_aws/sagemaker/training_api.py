"""Training jobs: nothing of moto's, whose jobs complete at once and run nothing."""

from typing import Any

from local_aws.config import LOOPBACK
from local_aws.ecr.images import SINGLE_IMAGE_TYPES, media_type
from local_aws.faults.injection import RATE_EXCEEDED, THROTTLING
from local_aws.sagemaker.instances import selected
from local_aws.sagemaker.listing import listed
from local_aws.sagemaker.requests import SageMakerRequests
from local_aws.sagemaker.supported import (
    contradictions,
    missing_members,
    unsupported,
    wrong_instance_count,
)
from local_aws.sagemaker.training import TrainingJob

from moto.core.responses import ActionResult, EmptyResult
from moto.sagemaker.exceptions import (
    AWSValidationException,
    ResourceInUseException,
    SagemakerClientError,
)


class TrainingApi(SageMakerRequests):
    """The operations on training jobs."""

    def create_training_job(self) -> ActionResult:
        """Start a training job after the checks that AWS makes."""
        if THROTTLING in self.state.faults:
            raise SagemakerClientError("ThrottlingException", RATE_EXCEEDED)
        request = self._request()
        self._check_training_job(request)
        return ActionResult({"TrainingJobArn": self._start_training_job(request).arn})

    def describe_training_job(self) -> ActionResult:
        """Answer with a training job's request, status, metrics and artifact."""
        return ActionResult(self._job().describe())

    def stop_training_job(self) -> ActionResult:
        """Stop a training job; one that has ended is left alone."""
        self._job().stop()
        return EmptyResult()

    def list_training_jobs(self) -> ActionResult:
        """Answer with a page of training jobs."""
        jobs = [job.describe() for job in list(self.state.jobs.values())]
        return self._page("TrainingJobSummaries", listed(jobs, "TrainingJob", self._request()))

    def _job(self) -> TrainingJob:
        name = self._get_param("TrainingJobName")
        if name not in self.state.jobs:
            raise AWSValidationException("Requested resource not found.")
        return self.state.jobs[name]

    def _check_image(self, uri: str) -> None:
        refusal = self.state.runner.refusal(uri)
        if refusal:
            raise AWSValidationException(refusal)
        if _is_of_another_registry(uri, self.current_account) or self.state.runner.has(uri):
            return
        kind = media_type(self.state.clients.client("ecr"), uri)
        if kind is None:
            raise AWSValidationException(f"Requested image {uri} not found.")
        if kind not in SINGLE_IMAGE_TYPES:
            raise AWSValidationException(
                f"Unsupported manifest media type {kind} for image {uri}. Ensure that valid "
                "manifest media type is used for specified image."
            )

    def _check_offer(self, instance_type: str) -> None:
        """Raise for a type that EC2 does not have in the region: SageMaker has it neither."""
        # By filter, not by name: EC2 refuses a request that names a type it does not have.
        name = {"Name": "instance-type", "Values": [instance_type.removeprefix("ml.")]}
        answer = self.state.clients.client("ec2").describe_instance_types(Filters=[name])
        if not answer["InstanceTypes"]:
            raise SagemakerClientError(
                "ResourceLimitExceeded",
                f"The requested resource training-job/{instance_type} is not available in this "
                "region",
            )

    def _check_training_job(self, request: dict[str, Any], jobs: int = 1) -> None:
        """Return whether so many jobs like this one could be started now."""
        refused = unsupported("CreateTrainingJob", request) + missing_members(request)
        if refused:
            raise AWSValidationException("; ".join(refused))
        image = request["AlgorithmSpecification"]["TrainingImage"]
        instance_type, count = selected(request["ResourceConfig"])
        most = self.state.runner.most_instances(image)
        refused = wrong_instance_count("CreateTrainingJob", count, most) + contradictions(request)
        if refused:
            raise AWSValidationException("; ".join(refused))
        name = request["TrainingJobName"]
        self._check_role(request["RoleArn"], f"training-job/{name}")
        self._check_image(image)
        if name in self.state.jobs:
            raise ResourceInUseException(f"Training job {name} already exists")
        self._check_offer(instance_type)
        self._check_quotas(request, jobs)

    def _start_training_job(self, request: dict[str, Any]) -> TrainingJob:
        name = request["TrainingJobName"]
        arn = self._arn_of(f"training-job/{name}")
        job = self.state.jobs[name] = self.state.make_training_job(request, arn)
        job.start()
        return job

    def _check_quotas(self, request: dict[str, Any], jobs: int) -> None:
        account = self.state.account
        running = [job.describe() for job in list(self.state.jobs.values()) if not job.ended]
        wanted = jobs * selected(request["ResourceConfig"])[1]
        for quota, most in account.limits(request).items():
            used = sum(
                selected(job["ResourceConfig"])[1]
                for job in running
                if quota in account.limits(job)
            )
            if used + wanted > most:
                raise SagemakerClientError(
                    "ResourceLimitExceeded",
                    f"The account-level service limit '{quota}' is {most:g} Instances, with "
                    f"current utilization of {used} Instances and a request delta of {wanted} "
                    "Instances. Please use AWS Service Quotas to request an increase for this "
                    "quota.",
                )


def _is_of_another_registry(uri: str, account: str) -> bool:
    """Return whether an image is in a registry that is not here, such as AWS's own."""
    host, slash, _ = uri.partition("/")
    own = host.startswith((f"{account}.dkr.ecr.", LOOPBACK))
    return bool(slash) and "." in host and not own
