"""The checks of the image and of the instances of a job or an endpoint."""

from local_aws.account.account import Usage
from local_aws.config import LOOPBACK
from local_aws.ecr.images import SINGLE_IMAGE_TYPES, media_type
from local_aws.faults.injection import RATE_EXCEEDED, THROTTLING
from local_aws.sagemaker.requests import SageMakerRequests

from moto.sagemaker.exceptions import AWSValidationException, SagemakerClientError


class ResourceChecks(SageMakerRequests):
    """The checks. Each raises AWS's error."""

    def _check_throttling(self) -> None:
        if THROTTLING in self.state.faults:
            raise SagemakerClientError("ThrottlingException", RATE_EXCEEDED)

    def _check_image(self, uri: str) -> None:
        if refusal := self.state.runner.refusal(uri):
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

    def _check_instances(self, wanted: Usage) -> None:
        """Refuse a type that the region lacks, and more instances than the quotas allow."""
        # By filter, not by name: EC2 refuses a request that names a type it does not have.
        name = {"Name": "instance-type", "Values": [wanted.instance_type.removeprefix("ml.")]}
        answer = self.state.clients.client("ec2").describe_instance_types(Filters=[name])
        if not answer["InstanceTypes"]:
            purpose = wanted.purpose.removeprefix("spot ").replace(" ", "-")
            raise SagemakerClientError(
                "ResourceLimitExceeded",
                f"The requested resource {purpose}/{wanted.instance_type} is not available in "
                "this region",
            )
        if exceeded := self.state.account.exceeded(wanted, self.state.usage()):
            raise SagemakerClientError("ResourceLimitExceeded", exceeded)


def _is_of_another_registry(uri: str, account: str) -> bool:
    """Return whether an image is in another account's registry, such as AWS's."""
    host, slash, _ = uri.partition("/")
    own = host.startswith((f"{account}.dkr.ecr.", LOOPBACK))
    return bool(slash) and "." in host and not own
