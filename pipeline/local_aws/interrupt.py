"""Takes the spot instances of a training job of local AWS back, as AWS does when it needs them:
SIGTERM, two minutes, SIGKILL; then the job waits for others, and its program is started again.

The environment must point at a local AWS: `python -m pipeline.local_aws` prints it.
"""

import argparse
import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from container.errors import InputError
from pipeline import cli
from pipeline.local_aws.cluster import STOP_GRACE_SECONDS

from moto.moto_api._internal import urls

PATH = "/moto-api/local-aws/interrupt"  # what begins so, moto's server leaves to moto itself
LOOPBACK = "127.0.0.1"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.local_aws.interrupt",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
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
    arguments = parser.parse_args(argv)
    return cli.run(lambda: _interrupt(vars(arguments)))


def route() -> None:
    """Makes moto's server take the order; doing so again changes nothing."""
    paths: dict[str, Any] = urls.url_paths
    paths[f"{{0}}{PATH}$"] = _answer


def _interrupt(order: dict[str, Any]) -> int:
    endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
    hint = "paste what `python -m pipeline.local_aws` prints into this terminal"
    if urlsplit(endpoint).hostname != LOOPBACK:
        raise InputError(f"AWS_ENDPOINT_URL is {endpoint!r}, not that of a local AWS", hint)
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    body, headers = json.dumps(order).encode(), {"Content-Type": "application/json"}
    request = urllib.request.Request(endpoint + PATH, body, headers)  # noqa: S310 - of LOOPBACK
    try:
        with direct.open(request) as answer:
            print(f"interrupted {answer.read().decode()}", file=sys.stderr)
    except urllib.error.HTTPError as error:
        raise InputError(
            f"not interrupted: {error.read().decode()}",
            "the job must be one with spot instances (spot: true in pipeline.yaml) that trains",
        ) from None
    except urllib.error.URLError as error:
        raise InputError(f"{endpoint}: {error.reason}", hint) from None
    return cli.SUCCEEDED


def _answer(request: Any, _full_url: str, _headers: Any) -> tuple[int, dict[str, str], str]:
    from pipeline.local_aws.sagemaker_api import LocalSageMaker

    order = json.loads(request.data)
    try:
        name = LocalSageMaker.work.interrupt(order["job"], order["grace"], order["capacity_after"])
    except ValueError as error:
        return 409, {}, str(error)
    return 200, {}, name


if __name__ == "__main__":
    raise SystemExit(main())
