"""A local AWS with a trained and approved version, for commands that need one."""

from collections.abc import Iterator
from contextlib import contextmanager

from pipeline import cli, upsert_and_start
from pipeline.serving.versions import APPROVED, find_version
from pipeline.settings import Settings
from pipeline.stack import read_stack
from pipeline.terminal import make_console, stages

import boto3


@contextmanager
def with_approved_version(settings: Settings) -> Iterator[None]:
    """Start a local AWS, train there, and approve what was registered.

    Raises InputError when the training did not register a version.
    """
    console = make_console()
    with cli.at_local_aws(settings):
        with stages(console) as stage:
            arguments = upsert_and_start.parse_arguments([])
            upsert_and_start.train(settings, arguments, console, stage)
        session = boto3.Session(region_name=settings.region)
        stack = read_stack(session.client("cloudformation"), settings.stack_name)
        sagemaker = session.client("sagemaker")
        sagemaker.update_model_package(
            ModelPackageArn=find_version(sagemaker, stack.model_package_group).arn,
            ModelApprovalStatus=APPROVED,
            ApprovalDescription="a rehearsal on local AWS",
        )
        yield
