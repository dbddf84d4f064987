"""Remove the stack and all that was stored in it: list it with its size, ask, do it.

The stack goes last, because its outputs say what belongs to it: after an interruption the command
can be run again. What is neither named there nor runs in the name of its roles is left alone.
"""

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from container.errors import InputError
from pipeline import cli
from pipeline.settings import load_settings
from pipeline.terminal import make_console, say

import boto3
from botocore.exceptions import ClientError
from deploy import find_stack
from stack_events import Events, Sleep, follow, report_failure

IMAGES_PER_CALL = 100  # BatchDeleteImage takes no more

STACK_HOLDS = (
    "repository, model package group, build and deploy projects, schedule, rules, topic, roles and "
    "build logs"
)

RUNNING = ("Executing", "Stopping")
ENTITIES = ("User", "Group", "Role")  # what a policy can be attached to


@dataclass(frozen=True)
class Objects:
    """What a bucket holds: every version counts, since each must be deleted."""

    versions: int  # the old ones counted
    delete_markers: int
    size: int  # bytes


@dataclass(frozen=True)
class Found:
    """What belongs to a stack, by name; None for what is not there (any more)."""

    pipelines: list[str]
    executions: int
    endpoints: list[str]
    configurations: list[str]  # of endpoints
    served: list[str]  # names of the models that were made to be served, or to score a batch
    models: list[str]  # ARNs of the registered versions, the newest first
    repository: str | None
    images: dict[str, int]  # digest -> bytes
    bucket: str | None
    objects: Objects


def main(argv: Sequence[str] | None = None) -> int:
    """Delete the stack and what was made with it, after asking; return the exit code."""
    arguments = cli.asking_parser(__doc__).parse_args(argv)

    def command() -> int:
        settings = load_settings(arguments.config)
        session = boto3.Session(region_name=settings.region)
        approve = cli.approval(arguments.yes, "Delete all of this?")
        return teardown(session, settings.stack_name, settings.pipeline_name, approve)

    return cli.run(command)


def teardown(
    session: boto3.Session,
    stack_name: str,
    pipeline_name: str,
    approve: Callable[[], bool],
    sleep: Sleep = time.sleep,
) -> int:
    """Return the exit code. Raises InputError when something is under way or in use."""
    cloudformation = session.client("cloudformation")
    stack = find_stack(cloudformation, stack_name)
    if stack is None:
        say(f"stack {stack_name}: not in region {session.region_name}: nothing to delete")
        return cli.SUCCEEDED
    status = stack["StackStatus"]
    if status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS":
        raise InputError(
            f"stack {stack_name}: its status is {status}",
            "wait for its end: aws cloudformation describe-stack-events "
            f"--stack-name {stack_name} --region {session.region_name}",
        )
    found = find(session, stack, pipeline_name)
    say(listing(stack_name, found), make_console(stderr=False), indent=10)
    if not approve():
        say("nothing was deleted")
        return cli.NOT_SUCCEEDED
    delete(session, found)
    events = Events(cloudformation, stack["StackId"])
    cloudformation.delete_stack(StackName=stack["StackId"])
    if status == "REVIEW_IN_PROGRESS":  # named, but never made: nothing to wait for
        return cli.SUCCEEDED
    if follow(events, sleep) == "DELETE_COMPLETE":
        return cli.SUCCEEDED
    report_failure(stack_name, events, "mend that, and run python build/teardown.py again")
    return cli.NOT_SUCCEEDED


def find(session: boto3.Session, stack: dict[str, Any], pipeline_name: str) -> Found:
    """Read only. Raises InputError for what stands in the way of the deletion."""
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}
    sagemaker = session.client("sagemaker")
    own = stack.get("StackName", "") + f"-{session.region_name}-"
    for person in ("Operator", "Approver", "Deployer"):
        check_not_attached(session.client("iam"), outputs.get(f"{person}PolicyArn"), own)
    pipelines = find_pipelines(sagemaker, pipeline_name, outputs.get("PipelineRoleArn"))
    served = find_served(sagemaker, stack.get("StackName", ""), outputs.get("ModelRoleArn"))
    endpoints, configurations, models = served
    group = outputs.get("ModelPackageGroupName")
    repository = outputs.get("RepositoryUri", "").partition("/")[2]
    images = list_images(session.client("ecr"), repository) if repository else None
    bucket = outputs.get("BucketName")
    objects = count_objects(session.client("s3"), bucket) if bucket else None
    return Found(
        pipelines=pipelines,
        executions=sum(count_executions(sagemaker, each) for each in pipelines),
        endpoints=endpoints,
        configurations=configurations,
        served=models,
        models=list_models(sagemaker, group) if group else [],
        repository=None if images is None else repository,
        images=images or {},
        bucket=bucket if objects else None,
        objects=objects or Objects(0, 0, 0),
    )


def delete(session: boto3.Session, found: Found) -> None:
    """Delete what the stack's deletion would leave behind or refuse, models and data included."""
    sagemaker = session.client("sagemaker")
    for name in found.endpoints:  # first: they bill
        sagemaker.delete_endpoint(EndpointName=name)
        say(f"deleted endpoint {name}")
    for name in found.configurations:
        sagemaker.delete_endpoint_config(EndpointConfigName=name)
    for name in found.served:
        sagemaker.delete_model(ModelName=name)
    for name in found.pipelines:
        sagemaker.delete_pipeline(PipelineName=name, ClientRequestToken=uuid.uuid4().hex)
        say(f"deleted pipeline {name}")
    for arn in found.models:
        sagemaker.delete_model_package(ModelPackageName=arn)
    if found.models:
        say("deleted the models of the registry")
    if found.repository:
        delete_images(session.client("ecr"), found.repository)
        say(f"deleted the images of {found.repository}")
    if found.bucket:
        s3 = session.client("s3")
        delete_objects(s3, found.bucket)
        s3.delete_bucket(Bucket=found.bucket)
        say(f"deleted bucket {found.bucket}")


def listing(stack_name: str, found: Found) -> str:
    """Return a line for each thing to delete, and one for what stays."""
    bills = "bills while it is there, unless it is serverless"
    rows = [("endpoint", f"{name}: {bills}") for name in found.endpoints]
    if found.served:
        kept = f"{len(found.served)} models, {len(found.configurations)} endpoint configurations"
        rows.append(("serving", f"{kept}: bill nothing"))
    if found.pipelines:
        names = ", ".join(found.pipelines)
        rows.append(("pipeline", f"{names} and {found.executions} records of executions"))
    if found.models:
        rows.append(("models", f"{len(found.models):,} versions in the model registry"))
    if found.repository:
        size = sum(found.images.values())
        rows.append(("images", f"{len(found.images):,} in {found.repository}, {size:,} bytes"))
    if found.bucket:
        objects = found.objects
        rows.append(
            (
                "objects",
                f"{objects.versions:,} versions, {objects.size:,} bytes, and "
                f"{objects.delete_markers:,} delete markers",
            )
        )
        rows.append(("bucket", found.bucket))
    rows.append(("stack", f"{stack_name} with its {STACK_HOLDS}"))
    rows.append(("stays", "training jobs and their logs: SageMaker keeps them"))
    return "\n".join(f"{name:<8}  {what}" for name, what in rows)


def check_not_attached(iam: Any, policy_arn: str | None, own_roles: str) -> None:
    """Raise InputError when a policy for persons is in use: the stack could not delete it.

    Roles whose names begin with `own_roles` do not count: they are deleted with the stack.
    """
    if policy_arn is None:
        return
    pages = list(iam.get_paginator("list_entities_for_policy").paginate(PolicyArn=policy_arn))
    users = [
        (kind.lower(), entity[f"{kind}Name"])
        for kind in ENTITIES
        for page in pages
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
    for pipeline in (item for page in pages for item in page["PipelineSummaries"]):
        own = pipeline["PipelineName"]
        if own not in (name, f"{name}-tuning", f"{name}-scoring"):
            continue
        if pipeline["RoleArn"] == role_arn:
            found.append(own)
        else:
            say(f"pipeline {own}: left alone, its role {pipeline['RoleArn']} is not the stack's")
    return found


def find_served(
    sagemaker: Any, stack_name: str, role_arn: str | None
) -> tuple[list[str], list[str], list[str]]:
    """Return the names of endpoints, endpoint configurations and models under the stack's role."""
    if role_arn is None:
        return [], [], []

    def names(operation: str, members: str, member: str) -> list[str]:
        pages = sagemaker.get_paginator(operation).paginate(NameContains=f"{stack_name}-")
        return [item[member] for page in pages for item in page[members]]

    models = [
        name
        for name in names("list_models", "Models", "ModelName")
        if sagemaker.describe_model(ModelName=name)["ExecutionRoleArn"] == role_arn
    ]
    configurations = [
        name
        for name in names("list_endpoint_configs", "EndpointConfigs", "EndpointConfigName")
        if sagemaker.describe_endpoint_config(EndpointConfigName=name)["ProductionVariants"][0][
            "ModelName"
        ]
        in models
    ]
    endpoints = [
        name
        for name in names("list_endpoints", "Endpoints", "EndpointName")
        if sagemaker.describe_endpoint(EndpointName=name)["EndpointConfigName"] in configurations
    ]
    return endpoints, configurations, models


def count_executions(sagemaker: Any, pipeline: str) -> int:
    """Raise InputError when one of them is not at its end."""
    pages = sagemaker.get_paginator("list_pipeline_executions").paginate(PipelineName=pipeline)
    executions = [item for page in pages for item in page["PipelineExecutionSummaries"]]
    for execution in executions:
        if execution["PipelineExecutionStatus"] in RUNNING:
            arn = execution["PipelineExecutionArn"]
            raise InputError(
                f"execution {arn}: it is {execution['PipelineExecutionStatus']}",
                "wait for its end, or aws sagemaker stop-pipeline-execution "
                f"--pipeline-execution-arn {arn}",
            )
    return len(executions)


def list_models(sagemaker: Any, group: str) -> list[str]:
    """Return the ARNs of the versions in a model package group, the newest first."""
    pages = sagemaker.get_paginator("list_model_packages").paginate(
        ModelPackageGroupName=group, SortBy="CreationTime", SortOrder="Descending"
    )
    return [item["ModelPackageArn"] for page in pages for item in page["ModelPackageSummaryList"]]


def list_images(ecr: Any, repository: str) -> dict[str, int] | None:
    """Return the size in bytes, as pushed, of each image digest; None without a repository."""
    pages = ecr.get_paginator("describe_images").paginate(repositoryName=repository)
    try:
        return {
            image["imageDigest"]: image.get("imageSizeInBytes", 0)
            for page in pages
            for image in page["imageDetails"]
        }
    except ClientError as error:
        if error.response["Error"]["Code"] != "RepositoryNotFoundException":
            raise
        return None


def delete_images(ecr: Any, repository: str) -> None:
    """Delete in rounds: an image that another one refers to can go only after that."""
    left = list(list_images(ecr, repository) or {})
    while left:
        failures = []
        for start in range(0, len(left), IMAGES_PER_CALL):
            batch = [{"imageDigest": digest} for digest in left[start : start + IMAGES_PER_CALL]]
            answer = ecr.batch_delete_image(repositoryName=repository, imageIds=batch)
            failures += answer["failures"]
        if len(failures) == len(left):
            raise InputError(
                f"image {left[0]}: {failures[0]['failureReason']}",
                "delete it, and run python build/teardown.py again",
            )
        left = list(list_images(ecr, repository) or {})


def count_objects(s3: Any, bucket: str) -> Objects | None:
    """Count the versions and delete markers of a bucket; None without the bucket."""
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket)
    versions = markers = size = 0
    try:
        for page in pages:
            versions += len(page.get("Versions", []))
            markers += len(page.get("DeleteMarkers", []))
            size += sum(version["Size"] for version in page.get("Versions", []))
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchBucket":
            raise
        return None
    return Objects(versions, markers, size)


def delete_objects(s3: Any, bucket: str) -> None:
    """Delete all versions and delete markers, a page of at most 1,000 at a time."""
    while True:
        page = s3.list_object_versions(Bucket=bucket)
        stored = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        if not stored:
            return
        names = [{"Key": item["Key"], "VersionId": item["VersionId"]} for item in stored]
        answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": names, "Quiet": True})
        for error in answer.get("Errors", []):
            raise InputError(
                f"object {error['Key']}: {error['Message']}",
                "allow it, and run python build/teardown.py again",
            )


if __name__ == "__main__":
    raise SystemExit(main())
