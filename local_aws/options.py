"""The options of the commands that start a local AWS: --config, and flags that override it."""

import argparse
from dataclasses import replace
from pathlib import Path

from local_aws.account.account import KINDS
from local_aws.config import DEFAULT_FILE, Config, Stack, load_config
from local_aws.errors import UserError
from local_aws.faults.injection import FAULTS


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options to a parser."""
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help=f"the configuration (default: {DEFAULT_FILE}, where there is one)",
    )
    parser.add_argument("--region", help=f"of AWS (default: {Config.region})")
    parser.add_argument("--stack-name", help="another name for the stack of the configuration")
    parser.add_argument("--template", type=Path, help="CloudFormation template of the stack")
    parser.add_argument("--port", type=int, help="on 127.0.0.1 (default: any free one)")
    parser.add_argument(
        "--containers",
        action="store_true",
        help="build and run the real image: needs Docker, docker-registry and the aws command",
    )
    parser.add_argument(
        "--builds",
        action="store_true",
        help="let StartBuild run buildspecs on this machine, as you (on with --containers)",
    )
    parser.add_argument(
        "--enforce-iam",
        action="store_true",
        help="be a user with the stack's user policy only; refuse what no policy allows",
    )
    parser.add_argument(
        "--account",
        choices=KINDS,
        help="its quotas: as AWS opens it (new), raised since (older), or nothing at all (none); "
        f"default: {Config.account}",
    )
    parser.add_argument(
        "--fault",
        action="append",
        choices=FAULTS,
        metavar="FAULT",
        default=[],
        help="inject a failure of AWS (may be repeated): "
        + "; ".join(f"{name}: {what}" for name, what in FAULTS.items()),
    )


def config_of(arguments: argparse.Namespace) -> Config:
    """Return the configuration of the file, with the values of the given flags."""
    path = arguments.config or (DEFAULT_FILE if DEFAULT_FILE.exists() else None)
    config = load_config(path) if path else Config()
    given = {name: getattr(arguments, name) for name in ("region", "port", "account")}
    stack, name, template = config.stack, arguments.stack_name, arguments.template
    if name or template:
        if not stack and not (name and template):
            raise UserError("no stack is configured", "give --stack-name and --template")
        stack = replace(
            stack or Stack(name, template),
            **{key: value for key, value in (("name", name), ("template", template)) if value},
        )
    return replace(
        config,
        **{name: value for name, value in given.items() if value is not None},
        stack=stack,
        containers=arguments.containers,
        builds=arguments.builds or arguments.containers,
        enforce_iam=arguments.enforce_iam,
        faults=tuple(arguments.fault),
    )
