"""Take back the spot instances of a training job, as AWS does when it needs them.

SIGTERM, two minutes, SIGKILL; then the job waits for other instances, and its program is started
again. The environment must point at a local AWS: `python -m local_aws serve` prints it.
"""

import argparse
import json
import os
import sys
import urllib.error
import urllib.request
from urllib.parse import urlsplit

from local_aws.config import LOOPBACK
from local_aws.errors import UserError
from local_aws.sagemaker.cluster import STOP_GRACE_SECONDS

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

PATH = "/local-aws/interrupt"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `python -m local_aws interrupt`."""
    parser.add_argument("job", nargs="?", help="its name (default: the one that runs)")
    parser.add_argument(
        "--grace",
        type=float,
        default=STOP_GRACE_SECONDS,
        metavar="SECONDS",
        help="from SIGTERM to SIGKILL (default: %(default)g)",
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
    signed = AWSRequest("POST", endpoint + PATH, data=json.dumps(order).encode())
    SigV4Auth(credentials, "local-aws", "us-east-1").add_auth(signed)
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(  # noqa: S310 - of LOOPBACK
        signed.url, signed.data, {**signed.headers, "Content-Type": "application/json"}
    )
    try:
        with direct.open(request) as answer:
            print(f"interrupted {answer.read().decode()}", file=sys.stderr)
    except urllib.error.HTTPError as error:
        raise UserError(
            f"not interrupted: {error.read().decode()}",
            "the job must be one with spot instances that trains",
        ) from None
    except urllib.error.URLError as error:
        raise UserError(f"{endpoint}: {error.reason}", hint) from None
    return 0


def answer(_path: str, body: bytes) -> tuple[int, str, bytes]:
    """Carry out an order: status, content type and the job's name, or why not."""
    from local_aws.sagemaker.api import LocalSageMaker

    order = json.loads(body)
    try:
        name = LocalSageMaker.state.interrupt(order["job"], order["grace"], order["capacity_after"])
    except ValueError as error:
        return 409, "text/plain", str(error).encode()
    return 200, "text/plain", name.encode()
