"""The model registry of local AWS.

moto stores groups and versions. Local AWS adds deletion, groups in stacks, and further checks.
"""

from typing import Any

from local_aws.events.targets import MODEL_PACKAGE, publish
from local_aws.sagemaker.requests import SageMakerRequests
from local_aws.sagemaker.supported import unsupported

from moto.core.common_models import CloudFormationModel
from moto.core.responses import ActionResult, EmptyResult
from moto.sagemaker.exceptions import AWSValidationException
from moto.sagemaker.models import SageMakerModelBackend, sagemaker_backends


class ModelRegistryApi(SageMakerRequests):
    """The calls of the SageMaker API."""

    def create_model_package_group(self) -> ActionResult:
        """Create a group; refuse an existing name."""
        request = self._request()
        name = request["ModelPackageGroupName"]
        if name in self.sagemaker_backend.model_package_groups:
            arn = self.sagemaker_backend.model_package_groups[name].arn
            raise AWSValidationException(f"Model Package Group already exists: {arn}")
        return super().create_model_package_group()

    def delete_model_package_group(self) -> ActionResult:
        """Delete a group without versions."""
        name = self._request()["ModelPackageGroupName"]
        delete_group(self.sagemaker_backend, name.rpartition("/")[2])
        return EmptyResult()

    def create_model_package(self) -> ActionResult:
        """Create a version, and send an event with its approval status."""
        refused = unsupported("CreateModelPackage", self._request())
        self._refuse(refused)
        answer: Any = super().create_model_package()
        package = self.sagemaker_backend.model_packages[answer.result["ModelPackageArn"]]
        package.created_by = None  # type: ignore[assignment] # moto's is a user that nobody made
        self._publish(package)
        return ActionResult(answer.result)

    def update_model_package(self) -> ActionResult:
        """Update a version; keep the members that the request omits, which moto deletes."""
        request = self._request()
        self._refuse_all_but(
            "ModelPackageArn",
            "ModelApprovalStatus",
            "ApprovalDescription",
            "CustomerMetadataProperties",
            "CustomerMetadataPropertiesToRemove",
        )
        package = self.sagemaker_backend.describe_model_package(request["ModelPackageArn"])
        if "ModelApprovalStatus" in request:
            package.set_model_approval_status(request["ModelApprovalStatus"])
        if "ApprovalDescription" in request:
            package.approval_description = request["ApprovalDescription"]
        package.customer_metadata_properties = {
            **(package.customer_metadata_properties or {}),
            **request.get("CustomerMetadataProperties", {}),
        }
        package.remove_customer_metadata_property(
            request.get("CustomerMetadataPropertiesToRemove", [])
        )
        package.modifications_done()
        self._publish(package)
        return ActionResult({"ModelPackageArn": package.arn})

    def _publish(self, package: Any) -> None:
        detail = {
            "ModelPackageArn": package.arn,
            "ModelPackageGroupName": package.model_package_group_name,
            "ModelPackageVersion": package.model_package_version,
            "ModelPackageStatus": package.model_package_status,
            "ModelApprovalStatus": package.model_approval_status,
        }
        publish(self.state.clients, package.arn, MODEL_PACKAGE, detail)

    def delete_model_package(self) -> ActionResult:
        """Delete a version; only the newest one of a group can be deleted."""
        name = self._request()["ModelPackageName"]
        backend = self.sagemaker_backend
        package = backend.describe_model_package(name)
        versions = _versions(backend, package.model_package_group_name)
        if versions and package is not versions[-1]:  # moto numbers them by how many there are
            raise AWSValidationException("local AWS deletes the newest version of a group first")
        del backend.model_packages[package.arn]
        return EmptyResult()


class ModelPackageGroupOfStack(CloudFormationModel):
    """AWS::SageMaker::ModelPackageGroup, which moto's CloudFormation lacks."""

    def __init__(self, arn: str) -> None:
        self.physical_resource_id = arn

    @staticmethod
    def cloudformation_name_type() -> str:
        """Return the name of the property with the resource's name."""
        return "ModelPackageGroupName"

    @staticmethod
    def cloudformation_type() -> str:
        """Return the type in templates."""
        return "AWS::SageMaker::ModelPackageGroup"

    @classmethod
    def create_from_cloudformation_json(
        cls,
        resource_name: str,
        cloudformation_json: dict[str, Any],
        account_id: str,
        region_name: str,
        **_: Any,
    ) -> "ModelPackageGroupOfStack":
        """Create the group that a template describes."""
        properties = cloudformation_json["Properties"]
        backend = sagemaker_backends[account_id][region_name]
        return cls(
            backend.create_model_package_group(
                model_package_group_name=resource_name,
                model_package_group_description=properties.get("ModelPackageGroupDescription", ""),
            )
        )

    @classmethod
    def delete_from_cloudformation_json(
        cls,
        resource_name: str,
        cloudformation_json: dict[str, Any],  # noqa: ARG003 - moto's signature
        account_id: str,
        region_name: str,
    ) -> None:
        """Delete the group with its stack if it has no versions."""
        delete_group(sagemaker_backends[account_id][region_name], resource_name.rpartition("/")[2])


def delete_group(backend: SageMakerModelBackend, name: str) -> None:
    """Delete a group. Raises AWSValidationException if it has versions, as AWS does."""
    group = backend.describe_model_package_group(name)
    if _versions(backend, name):
        raise AWSValidationException(f"Model Package Group {group.arn} still has versions")
    del backend.model_package_groups[name]


def _versions(backend: SageMakerModelBackend, group: str | None) -> list[Any]:
    """Return the versions of a group, oldest first."""
    found = backend.model_packages.values()
    return [each for each in found if group and each.model_package_group_name == group]
