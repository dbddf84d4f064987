"""Model and RegisterModel steps: one model, or one model package, created through the API."""

from typing import Any

from local_aws.sagemaker.steps.step_run import StepFailed, StepRun


def create_model(step: StepRun) -> dict[str, Any]:
    """Create a model, and return the answer of DescribeModel as the properties of the step."""
    request = step.create_request()
    answer = step.call("sagemaker", "create_model", **request)
    step.update(Metadata={"Model": {"Arn": answer["ModelArn"]}})
    return step.call("sagemaker", "describe_model", ModelName=request["ModelName"])


def register_model(step: StepRun) -> dict[str, Any]:
    """Create a model package, and its group if it does not exist.

    If the role may not create groups, the step fails even if the group exists (according to public
    reports).
    """
    group = step.arguments.get("ModelPackageGroupName", "")
    if group and not group.startswith("arn:"):
        try:
            step.call("sagemaker", "create_model_package_group", ModelPackageGroupName=group)
        except StepFailed as refusal:
            if "already exists" not in str(refusal):
                raise
    answer = step.call("sagemaker", "create_model_package", **step.arguments)
    arn = answer["ModelPackageArn"]
    step.update(Metadata={"RegisterModel": {"Arn": arn}})
    return dict(step.arguments) | {"ModelPackageArn": arn}
