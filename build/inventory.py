"""The resources that belong to a stack: by its outputs, and by the roles that they use."""

from dataclasses import dataclass
from typing import Any

from container.errors import InputError
from pipeline.serving.cost import describe_cost
from pipeline.terminal import say

import boto3
from botocore import xform_name

RUNNING = ("Executing", "Stopping")
ENTITIES = ("User", "Group", "Role")  # what a policy can be attached to


@dataclass(frozen=True)
class Objects:
    """The content of a bucket, with all versions, because each must be deleted."""

    versions: int  # the old ones counted
    delete_markers: int
    size: int  # bytes


@dataclass(frozen=True)
class Inventory:
    """The names of a stack's resources; None for a resource that no longer exists."""

    pipelines: list[str]
    executions: int
    endpoints: dict[str, str]  # name -> what it costs while nobody asks it
    endpoint_configs: list[str]
    served_models: list[str]  # made to be served, or to score a batch
    model_versions: list[str]  # ARNs of the registered ones, the newest first
    repository: str | None
    images: dict[str, int]  # digest -> bytes
    bucket: str | None
    objects: Objects


def take_inventory(session: boto3.Session, stack: dict[str, Any], pipeline_name: str) -> Inventory:
    """List what belongs to the stack. Raises InputError if something prevents its deletion."""
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}
    stack_name = stack.get("StackName", "")
    own_roles = f"{stack_name}-{session.region_name}-"
    for person in ("Operator", "Approver", "Deployer"):
        check_not_attached(session.client("iam"), outputs.get(f"{person}PolicyArn"), own_roles)
    sagemaker = session.client("sagemaker")
    pipelines = find_pipelines(sagemaker, pipeline_name, outputs.get("PipelineRoleArn"))
    model_role = outputs.get("ModelRoleArn")
    models, configs, endpoints = (
        describe_all(sagemaker, kind, stack_name) if model_role else {}
        for kind in ("Model", "EndpointConfig", "Endpoint")
    )
    own_models = [name for name in models if models[name]["ExecutionRoleArn"] == model_role]
    variants = {
        name: config["ProductionVariants"][0]
        for name, config in configs.items()
        if config["ProductionVariants"][0].get("ModelName") in own_models
    }
    group = outputs.get("ModelPackageGroupName")
    repository = outputs.get("RepositoryUri", "").partition("/")[2]
    images = list_images(session.client("ecr"), repository) if repository else None
    bucket = outputs.get("BucketName")
    objects = count_objects(session.client("s3"), bucket) if bucket else None
    return Inventory(
        pipelines=pipelines,
        executions=sum(count_executions(sagemaker, each) for each in pipelines),
        endpoints={
            name: describe_cost(session, variant)
            for name, endpoint in endpoints.items()
            if (variant := variants.get(endpoint["EndpointConfigName"]))
        },
        endpoint_configs=list(variants),
        served_models=own_models,
        model_versions=list_model_versions(sagemaker, group) if group else [],
        repository=None if images is None else repository,
        images=images or {},
        bucket=bucket if objects else None,
        objects=objects or Objects(0, 0, 0),
    )


def check_not_attached(iam: Any, policy_arn: str | None, own_roles: str) -> None:
    """Check that a policy for users is not attached. Raises InputError, since deletion would fail.

    Roles whose names begin with `own_roles` do not count: they are deleted with the stack.
    """
    if policy_arn is None:
        return
    pages = iam.get_paginator("list_entities_for_policy").paginate(PolicyArn=policy_arn)
    users = [
        (kind.lower(), entity[f"{kind}Name"])
        for page in pages
        for kind in ENTITIES
        for entity in page.get(f"Policy{kind}s", [])
        if not (kind == "Role" and entity["RoleName"].startswith(own_roles))
    ]
    if users:
        kind, name = users[0]
        raise InputError(
            f"policy {policy_arn}: attached to {', '.join(' '.join(user) for user in users)}",
            f"aws iam detach-{kind}-policy --{kind}-name {name} --policy-arn {policy_arn}",
        )


def find_pipelines(sagemaker: Any, name: str, role_arn: str | None) -> list[str]:
    """Return the project's pipelines (training, tuning, scoring) under the stack's role."""
    pages = sagemaker.get_paginator("list_pipelines").paginate(PipelineNamePrefix=name)
    found = []
    for pipeline in pages.search("PipelineSummaries[]"):
        own = pipeline["PipelineName"]
        if own not in (name, f"{name}-tuning", f"{name}-scoring"):
            continue
        if pipeline["RoleArn"] == role_arn:
            found.append(own)
        else:
            say(
                f"pipeline {own}: not deleted, because its role {pipeline['RoleArn']} is not the "
                "stack's"
            )
    return found


def describe_all(sagemaker: Any, kind: str, stack_name: str) -> dict[str, dict[str, Any]]:
    """Return the resources of one kind (such as Model) with the stack's name, by their names."""
    operation = xform_name(kind)
    pages = sagemaker.get_paginator(f"list_{operation}s").paginate(NameContains=f"{stack_name}-")
    describe = getattr(sagemaker, f"describe_{operation}")
    names = pages.search(f"{kind}s[].{kind}Name")
    return {name: describe(**{f"{kind}Name": name}) for name in names}


def count_executions(sagemaker: Any, pipeline: str) -> int:
    """Count a pipeline's executions. Raises InputError when one has not ended."""
    pages = sagemaker.get_paginator("list_pipeline_executions").paginate(PipelineName=pipeline)
    executions = list(pages.search("PipelineExecutionSummaries[]"))
    for execution in executions:
        if execution["PipelineExecutionStatus"] in RUNNING:
            arn = execution["PipelineExecutionArn"]
            raise InputError(
                f"execution {arn}: it is {execution['PipelineExecutionStatus']}",
                "wait for its end, or aws sagemaker stop-pipeline-execution "
                f"--pipeline-execution-arn {arn}",
            )
    return len(executions)


def list_model_versions(sagemaker: Any, group: str) -> list[str]:
    """Return the ARNs of the versions in a model package group, the newest first."""
    pages = sagemaker.get_paginator("list_model_packages").paginate(
        ModelPackageGroupName=group, SortBy="CreationTime", SortOrder="Descending"
    )
    return list(pages.search("ModelPackageSummaryList[].ModelPackageArn"))


def list_images(ecr: Any, repository: str) -> dict[str, int] | None:
    """Return the size in bytes, as pushed, of each image digest; None without a repository."""
    pages = ecr.get_paginator("describe_images").paginate(repositoryName=repository)
    try:
        return {
            image["imageDigest"]: image.get("imageSizeInBytes", 0)
            for page in pages
            for image in page["imageDetails"]
        }
    except ecr.exceptions.RepositoryNotFoundException:
        return None


def count_objects(s3: Any, bucket: str) -> Objects | None:
    """Count the versions and delete markers of a bucket; None without the bucket."""
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket)
    versions = markers = size = 0
    try:
        for page in pages:
            versions += len(page.get("Versions", []))
            markers += len(page.get("DeleteMarkers", []))
            size += sum(version["Size"] for version in page.get("Versions", []))
    except s3.exceptions.NoSuchBucket:
        return None
    return Objects(versions, markers, size)
