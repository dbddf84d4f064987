"""CreateTrainingJob requests: their values, and the problems that AWS refuses."""

from pathlib import Path
from typing import Any

from local_aws.account.account import SPOT_TRAINING, TRAINING, Usage
from local_aws.definition.names import given_twice
from local_aws.runners.runner import ContainerSpec
from local_aws.sagemaker.instances import selected
from local_aws.sagemaker.metrics import metric_problems
from local_aws.sagemaker.supported import null_characters

DEFAULT_STOPPING = {"MaxRuntimeInSeconds": 86_400}
SWITCHES = (  # of the request, off unless given
    "EnableNetworkIsolation",
    "EnableInterContainerTrafficEncryption",
    "EnableManagedSpotTraining",
)


def instances(request: dict[str, Any]) -> Usage:
    """Return the instances of a CreateTrainingJob request."""
    purpose = SPOT_TRAINING if request.get("EnableManagedSpotTraining") else TRAINING
    return Usage(purpose, *selected(request["ResourceConfig"]))


def stopping_condition(request: dict[str, Any]) -> dict[str, int]:
    """Return the StoppingCondition, with AWS's default."""
    return {**DEFAULT_STOPPING, **request.get("StoppingCondition", {})}


def container(request: dict[str, Any], arn: str, roots: dict[str, Path]) -> ContainerSpec:
    """Return the container description for the hosts of the job with this ARN."""
    algorithm, name = request["AlgorithmSpecification"], request["TrainingJobName"]
    return ContainerSpec(
        job=name,
        image=algorithm["TrainingImage"],
        role_arn=request["RoleArn"],
        instance_type=selected(request["ResourceConfig"])[0],
        roots=roots,
        environment={
            **request.get("Environment", {}),
            "TRAINING_JOB_NAME": name,
            "TRAINING_JOB_ARN": arn,
        },
        entrypoint=tuple(algorithm.get("ContainerEntrypoint", ())),
        arguments=tuple(algorithm.get("ContainerArguments", ("train",))),
        # Version 3 of the SDK makes the script in a channel executable there.
        read_only=() if "ContainerEntrypoint" in algorithm else ("input",),
        isolated=request.get("EnableNetworkIsolation", False),
    )


def missing_members(request: dict[str, Any]) -> list[str]:
    """Return a line for each missing member that is required, but optional in the model."""
    found = [
        f"CreateTrainingJob: {name} is missing"
        for name in ("AlgorithmSpecification", "ResourceConfig")
        if name not in request
    ]
    if not found and "TrainingImage" not in request["AlgorithmSpecification"]:
        found.append("CreateTrainingJob.AlgorithmSpecification: TrainingImage is missing")
    return found


def contradictions(request: dict[str, Any]) -> list[str]:
    """Return a line for each problem that CreateTrainingJob refuses beyond its model."""
    channels = [each["ChannelName"] for each in request.get("InputDataConfig", [])]
    found = [f"the channel {name} is given twice" for name in given_twice(channels)]
    found += null_characters(request.get("Environment", {}))
    definitions = request["AlgorithmSpecification"].get("MetricDefinitions", [])
    return found + metric_problems(definitions) + _spot_problems(request)


def _spot_problems(request: dict[str, Any]) -> list[str]:
    """Return the problems of a maximum wait without spot, and of spot without a maximum wait."""
    stopping = stopping_condition(request)
    spot = request.get("EnableManagedSpotTraining", False)
    wait, run = stopping.get("MaxWaitTimeInSeconds"), stopping["MaxRuntimeInSeconds"]
    if spot and (wait is None or wait < run):
        return ["MaxWaitTimeInSeconds must be at least MaxRuntimeInSeconds with spot"]
    if wait is not None and not spot:
        return [
            "Invalid MaxWaitTimeInSeconds. It is only supported when EnableManagedSpotTraining is "
            "set to true"
        ]
    return []
