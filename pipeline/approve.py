"""Approve or reject a version of the model, after a comparison with the served version.

Both are scored again on the same validation data. Approval needs the stack's approver policy.
"""

import argparse
import sys
from collections.abc import Sequence

try:
    from pipeline import cli
except ModuleNotFoundError as error:
    raise SystemExit(f"error: {error}\nhint: make .venv/ready, then use .venv/bin/python") from None

from pipeline.bootstrap import connect
from pipeline.serving.comparison import compare
from pipeline.serving.endpoint import endpoint_name, find_served
from pipeline.serving.versions import APPROVED, DELETED, REJECTED, find_version
from pipeline.settings import Settings
from pipeline.terminal import say

MOST_CHARACTERS = 1024  # of ApprovalDescription, UpdateModelPackage


def main(argv: Sequence[str] | None = None) -> int:
    """Ask, and set the status of the version."""
    parser = cli.asking_parser(__doc__)
    parser.add_argument("version", type=int, metavar="VERSION", help="number in the group")
    parser.add_argument("--reject", action="store_true", help="reject it instead")
    parser.add_argument(
        "--reason", required=True, type=_reason, metavar="TEXT", help="kept with the version"
    )
    return cli.run_with_settings(parser.parse_args(argv), _approve)


def _reason(text: str) -> str:
    reason = " ".join(text.split())  # AWS takes one line
    if not 0 < len(reason) <= MOST_CHARACTERS:
        raise argparse.ArgumentTypeError(f"1 to {MOST_CHARACTERS:,} characters are needed")
    return reason


def _approve(settings: Settings, arguments: argparse.Namespace) -> int:
    session, stack = connect(settings)
    sagemaker = session.client("sagemaker")
    version = find_version(sagemaker, stack.model_package_group, arguments.version)
    served = find_served(sagemaker, endpoint_name(settings))
    now = served.version if served else None
    other = now if now and now.status != DELETED and now.number != version.number else None
    print(compare(session.client("s3"), version, other))
    status = REJECTED if arguments.reject else APPROVED
    question = f"version {version.number} is {version.status}: set it to {status}?"
    if not cli.approval(arguments.yes, question)():
        print("nothing was changed", file=sys.stderr)
        return cli.NOT_SUCCEEDED
    sagemaker.update_model_package(
        ModelPackageArn=version.arn,
        ModelApprovalStatus=status,
        ApprovalDescription=arguments.reason,
    )
    print(f"version {version.number}: {status}")
    if status == APPROVED:
        say("next: .venv/bin/python pipeline/deploy_model.py")
    elif now and now.number == version.number:
        still = f"version {now.number} is served until another one is deployed"
        print(f"{still}: .venv/bin/python pipeline/deploy_model.py", file=sys.stderr)
    return cli.SUCCEEDED


if __name__ == "__main__":
    raise SystemExit(main())
