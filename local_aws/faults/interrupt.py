"""Interrupt the spot instances of a training job, as AWS does when it needs them.

The program gets SIGTERM, and SIGKILL after two minutes. Then the job waits for other instances and
starts its program again. The environment must name a local AWS (`python -m local_aws serve` prints
the variables).
"""

import argparse
import json
import os
import sys
from http import HTTPStatus
from urllib.parse import urlsplit

from local_aws.config import LOOPBACK
from local_aws.errors import UserError

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError
from botocore.httpsession import URLLib3Session

PATH = "/local-aws/interrupt"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `python -m local_aws interrupt`."""
    parser.add_argument("job", nargs="?", help="its name (default: the one that runs)")
    parser.add_argument(
        "--grace",
        type=float,
        metavar="SECONDS",
        help="from SIGTERM to SIGKILL (default: 120, as on AWS)",
    )
    parser.add_argument(
        "--capacity-after",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="how long there are no other instances (default: %(default)g)",
    )
    parser.set_defaults(command=_interrupt)


def _interrupt(arguments: argparse.Namespace) -> int:
    order = {name: getattr(arguments, name) for name in ("job", "grace", "capacity_after")}
    endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
    hint = "paste what `python -m local_aws serve` prints into this terminal"
    if urlsplit(endpoint).hostname != LOOPBACK:
        raise UserError(f"AWS_ENDPOINT_URL is {endpoint!r}, not that of a local AWS", hint)
    credentials = boto3.Session().get_credentials()
    if credentials is None:
        raise UserError("there is no access key in the environment", hint)
    headers = {"Content-Type": "application/json"}
    signed = AWSRequest("POST", endpoint + PATH, data=json.dumps(order), headers=headers)
    SigV4Auth(credentials, "local-aws", "us-east-1").add_auth(signed)
    try:
        answered = URLLib3Session().send(signed.prepare())  # without a proxy
    except BotoCoreError as error:
        raise UserError(str(error), hint) from None
    if answered.status_code != HTTPStatus.OK:
        raise UserError(
            f"not interrupted: {answered.text}",
            "the job must be one with spot instances that trains",
        )
    print(f"interrupted {answered.text}", file=sys.stderr)
    return 0
