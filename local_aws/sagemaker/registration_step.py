"""What a RegisterModel step of an execution does, through the API."""

from typing import Any

from botocore.exceptions import ClientError


def register(sagemaker: Any, request: dict[str, Any]) -> str:
    """Create a model package in the name of the pipeline's role, and return its ARN.

    On AWS the step makes the group when it is not there; a role that may not do so fails even when
    it is (seen in public reports). Raises ClientError.
    """
    group = request.get("ModelPackageGroupName", "")
    if group and not group.startswith("arn:"):
        try:
            sagemaker.create_model_package_group(ModelPackageGroupName=group)
        except ClientError as error:
            if "already exists" not in error.response["Error"]["Message"]:
                raise
    arn: str = sagemaker.create_model_package(**request)["ModelPackageArn"]
    return arn
