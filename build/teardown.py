"""Delete the stack and its data: list everything with its size, ask, delete it.

The stack is deleted last, because its outputs name what belongs to it; after an interruption the
command can be run again. Everything that neither the outputs name nor uses its roles stays.
"""

import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

try:
    from container.errors import InputError
except ModuleNotFoundError as error:
    raise SystemExit(f"error: {error}\nhint: make .venv/ready, then use .venv/bin/python") from None

from pipeline import cli
from pipeline.settings import load_settings
from pipeline.terminal import make_console, say

import boto3
from deploy import find_stack
from inventory import Inventory, list_images, take_inventory
from stack_events import Events, Sleep, follow, report_failure

IMAGES_PER_CALL = 100  # BatchDeleteImage takes no more

# Public prices of a GB-month in us-east-1; docs/aws.md names the pages.
ECR_USD, S3_USD, LOGS_USD = 0.10, 0.023, 0.03

STACK_HOLDS = (
    "repository, model package group, build and deploy projects, schedule, rules, topic, roles and "
    "build logs"
)


def main(argv: Sequence[str] | None = None) -> int:
    """Ask, delete the stack and its data, and return the exit code."""
    arguments = cli.asking_parser(__doc__).parse_args(argv)

    def command() -> int:
        settings = load_settings(arguments.config)
        session = boto3.Session(region_name=settings.region)
        approve = cli.approval(arguments.yes, "Delete all of this?")
        return teardown(session, settings.stack_name, settings.pipeline_name, approve)

    return cli.run(command, arguments.config)


def teardown(
    session: boto3.Session,
    stack_name: str,
    pipeline_name: str,
    approve: Callable[[], bool],
    sleep: Sleep = time.sleep,
) -> int:
    """Delete, and return the exit code. Raises InputError if something is running or in use."""
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
    inventory = take_inventory(session, stack, pipeline_name)
    say(listing(stack_name, inventory), make_console(stderr=False), indent=10)
    if not approve():
        say("nothing was deleted")
        return cli.NOT_SUCCEEDED
    delete(session, inventory)
    events = Events(cloudformation, stack["StackId"])
    cloudformation.delete_stack(StackName=stack["StackId"])
    if status == "REVIEW_IN_PROGRESS":  # named, but never made: nothing to wait for
        return cli.SUCCEEDED
    if follow(events, sleep) == "DELETE_COMPLETE":
        return cli.SUCCEEDED
    report_failure(stack_name, events, "fix that, and run .venv/bin/python build/teardown.py again")
    return cli.NOT_SUCCEEDED


def delete(session: boto3.Session, inventory: Inventory) -> None:
    """Delete what blocks the deletion of the stack or would stay after it, with models and data."""
    sagemaker = session.client("sagemaker")
    for name in inventory.endpoints:  # first: they bill
        sagemaker.delete_endpoint(EndpointName=name)
        say(f"deleted endpoint {name}")
    for name in inventory.endpoint_configs:
        sagemaker.delete_endpoint_config(EndpointConfigName=name)
    for name in inventory.served_models:
        sagemaker.delete_model(ModelName=name)
    for name in inventory.pipelines:
        sagemaker.delete_pipeline(PipelineName=name, ClientRequestToken=uuid.uuid4().hex)
        say(f"deleted pipeline {name}")
    for arn in inventory.model_versions:
        sagemaker.delete_model_package(ModelPackageName=arn)
    if inventory.model_versions:
        say("deleted the models of the registry")
    if inventory.repository:
        delete_images(session.client("ecr"), inventory.repository)
        say(f"deleted the images of {inventory.repository}")
    if inventory.bucket:
        s3 = session.client("s3")
        delete_objects(s3, inventory.bucket)
        s3.delete_bucket(Bucket=inventory.bucket)
        say(f"deleted bucket {inventory.bucket}")


def listing(stack_name: str, inventory: Inventory) -> str:
    """Return a line for each thing to delete, and one for what stays."""
    rows = [("endpoint", f"{name}: {cost}") for name, cost in inventory.endpoints.items()]
    if inventory.served_models:
        models, configs = len(inventory.served_models), len(inventory.endpoint_configs)
        rows.append(("serving", f"{models} models, {configs} endpoint configurations: no cost"))
    if inventory.pipelines:
        names = ", ".join(inventory.pipelines)
        rows.append(("pipeline", f"{names} and {inventory.executions} records of executions"))
    if inventory.model_versions:
        rows.append(("models", f"{len(inventory.model_versions):,} versions in the model registry"))
    if inventory.repository:
        size = sum(inventory.images.values())
        rows.append(
            (
                "images",
                f"{len(inventory.images):,} in {inventory.repository}, {stored(size, ECR_USD)}",
            )
        )
    if inventory.bucket:
        objects = inventory.objects
        rows.append(
            (
                "objects",
                f"{objects.versions:,} versions, {stored(objects.size, S3_USD)}, and "
                f"{objects.delete_markers:,} delete markers",
            )
        )
        rows.append(("bucket", inventory.bucket))
    rows.append(("stack", f"{stack_name} with its {STACK_HOLDS}"))
    rows.append(("stays", f"jobs, and the logs of jobs and endpoints: {LOGS_USD} USD a GB-month"))
    return "\n".join(f"{name:<8}  {what}" for name, what in rows)


def stored(size: int, usd_per_gb_month: float) -> str:
    """Return a line with the stored bytes and their cost."""
    return f"{size:,} bytes for {size / 1e9 * usd_per_gb_month:.4f} USD a month"


def delete_images(ecr: Any, repository: str) -> None:
    """Delete images in rounds: an image can be deleted only after an index that refers to it."""
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
                "delete it, and run .venv/bin/python build/teardown.py again",
            )
        left = list(list_images(ecr, repository) or {})


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
                "allow it, and run .venv/bin/python build/teardown.py again",
            )


if __name__ == "__main__":
    raise SystemExit(main())
