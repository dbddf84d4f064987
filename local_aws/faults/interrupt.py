"""Take back the spot instances of a training job of local AWS, as AWS does when it needs them:
SIGTERM, two minutes, SIGKILL. Then the job waits for others, and its program is started again.

The environment must point at a local AWS: `python -m local_aws serve` prints it.
"""

import argparse
import json
import os
import sys
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from local_aws.config import LOOPBACK
from local_aws.errors import UserError
from local_aws.sagemaker.cluster import STOP_GRACE_SECONDS

PATH = "/moto-api/local-aws/interrupt"  # what begins so, moto's server leaves to moto itself


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


def route() -> None:
    """Makes moto's server take the order; doing so again changes nothing."""
    from moto.moto_api._internal import urls

    paths: dict[str, Any] = urls.url_paths
    paths[f"{{0}}{PATH}$"] = _answer


def _interrupt(arguments: argparse.Namespace) -> int:
    order = {name: getattr(arguments, name) for name in ("job", "grace", "capacity_after")}
    endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
    hint = "paste what `python -m local_aws serve` prints into this terminal"
    if urlsplit(endpoint).hostname != LOOPBACK:
        raise UserError(f"AWS_ENDPOINT_URL is {endpoint!r}, not that of a local AWS", hint)
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    body, headers = json.dumps(order).encode(), {"Content-Type": "application/json"}
    request = urllib.request.Request(endpoint + PATH, body, headers)  # noqa: S310 - of LOOPBACK
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


def _answer(request: Any, _full_url: str, _headers: Any) -> tuple[int, dict[str, str], str]:
    from local_aws.sagemaker.api import LocalSageMaker

    order = json.loads(request.data)
    try:
        name = LocalSageMaker.state.interrupt(order["job"], order["grace"], order["capacity_after"])
    except ValueError as error:
        return 409, {}, str(error)
    return 200, {}, name
