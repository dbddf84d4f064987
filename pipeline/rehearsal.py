"""The beginning of the commands that need an approved version; with --local, one is made first."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline import cli, upsert_and_start
from pipeline.bootstrap import connect
from pipeline.serving.versions import APPROVED, find_version
from pipeline.settings import Settings
from pipeline.terminal import make_console, stages


def parser(description: str | None) -> argparse.ArgumentParser:
    """Return the parser of such a command, with the options --config, --version and --local."""
    result = cli.parser(description)
    result.add_argument("--version", type=int, metavar="N", help="this approved version")
    result.add_argument(
        "--local", action="store_true", help="on a local AWS of its own: train and approve first"
    )
    return result


@contextmanager
def approved_version(settings: Settings) -> Iterator[None]:
    """Start a local AWS, train there, and approve what was registered.

    Raises InputError when the training did not register a version.
    """
    console = make_console()
    with cli.at_local_aws(settings):
        with stages(console) as stage:
            arguments = upsert_and_start.parse_arguments(["--local"])
            upsert_and_start.train(settings, arguments, console, stage)
        session, stack = connect(settings)
        sagemaker = session.client("sagemaker")
        sagemaker.update_model_package(
            ModelPackageArn=find_version(sagemaker, stack.model_package_group).arn,
            ModelApprovalStatus=APPROVED,
            ApprovalDescription="a rehearsal on local AWS",
        )
        yield
