"""Keeps a local AWS running: `python -m pipeline.local_aws`.

Every command of the project, the `aws` command line and a plain `sagemaker.Session()` can then be
pointed at it, with the environment that it prints.
"""

import argparse
import signal
import sys
import threading
from collections.abc import Sequence

from pipeline import cli
from pipeline.local_aws import server
from pipeline.local_aws.account import DEFAULT_KIND, KINDS
from pipeline.local_aws.faults import FAULTS
from pipeline.settings import load_settings

DEFAULT_PORT = 5055


def main(argv: Sequence[str] | None = None) -> int:
    parser = cli.parser(__doc__)
    parser.add_argument(
        "--port", type=int, default=DEFAULT_PORT, help=f"on 127.0.0.1 (default: {DEFAULT_PORT})"
    )
    parser.add_argument(
        "--containers",
        action="store_true",
        help="build and run the real image: needs Docker, docker-registry and the aws command",
    )
    parser.add_argument(
        "--enforce-iam",
        action="store_true",
        help="be the user with the operator policy only; refuse what no policy allows",
    )
    parser.add_argument(
        "--account",
        choices=KINDS,
        default=DEFAULT_KIND,
        help="what its quotas are: as AWS opens it, raised since, or nothing at all "
        f"(default: {DEFAULT_KIND})",
    )
    parser.add_argument(
        "--fault",
        action="append",
        choices=FAULTS,
        default=[],
        help="what AWS does now and then (may be repeated): "
        + "; ".join(f"{name}: {what}" for name, what in FAULTS.items()),
    )
    arguments = parser.parse_args(argv)
    return cli.run(lambda: _serve(arguments))


def _serve(arguments: argparse.Namespace) -> int:
    settings = load_settings(arguments.config)
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    signal.signal(signal.SIGINT, lambda *_: ended.set())
    with server.start(
        settings.region,
        settings.stack_name,
        arguments.port,
        containers=arguments.containers,
        enforce_iam=arguments.enforce_iam,
        account=arguments.account,
        faults=arguments.fault,
    ) as local_aws:
        for name, value in local_aws.environment.items():
            print(f"export {name}={value}", flush=True)
        print(
            f"local AWS: ready with stack {settings.stack_name}; {local_aws.runner.description}\n"
            "paste the lines above into another terminal to use it; Ctrl-C here ends it",
            file=sys.stderr,
            flush=True,
        )
        ended.wait()
    return cli.SUCCEEDED


if __name__ == "__main__":
    raise SystemExit(main())
