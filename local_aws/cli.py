"""A local AWS for rehearsing SageMaker pipelines: `python -m local_aws COMMAND`."""

import argparse
import contextlib
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local_aws import interrupts
from local_aws.config import Config
from local_aws.definition.graph import mermaid
from local_aws.definition.steps import all_steps
from local_aws.definition.validation import parse_definition
from local_aws.errors import UserError
from local_aws.faults import interrupt
from local_aws.options import add_options, config_of

if TYPE_CHECKING:
    from local_aws.server import LocalAws

SUCCEEDED = 0
NOT_SUCCEEDED = 1  # an execution failed or was stopped
WRONG_INPUT = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m local_aws", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(command: Callable[[argparse.Namespace], int], summary: str) -> argparse.ArgumentParser:
        name = command.__name__.removeprefix("_")
        added = commands.add_parser(name, help=summary, description=command.__doc__)
        added.set_defaults(command=command)
        return added

    serving = add(_serve, "keep a local AWS running")
    running = add(_run, "run a program on a local AWS")
    starting = add(_start, "run a definition on a local AWS")
    linting = add(_lint, "say what AWS would refuse in a definition")
    drawing = add(_graph, "print a definition's graph, for Mermaid")
    for each in (serving, running, starting):
        add_options(each)
    for each in (starting, linting, drawing):
        each.add_argument("definition", type=Path, metavar="DEFINITION", help="JSON; -: stdin")
    running.add_argument(
        "--quiet", action="store_true", help="leave it to the program to show steps and logs"
    )
    running.add_argument(
        "program", nargs="+", metavar="PROGRAM", help="after --, with its arguments"
    )
    starting.add_argument(
        "--parameter",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="of the pipeline (may be repeated)",
    )
    interrupt.add_arguments(
        commands.add_parser(
            "interrupt", help="take back the instances of a spot job", description=interrupt.__doc__
        )
    )
    arguments = parser.parse_args(argv)
    return run(lambda: arguments.command(arguments))


def run(command: Callable[[], int]) -> int:
    """Run `command` and return its exit code. A UserError becomes an error line and a hint."""
    with interrupts.handled():
        try:
            return command()
        except UserError as error:
            print(f"error: {error}", file=sys.stderr)
            return WRONG_INPUT
        except interrupts.Interrupted as error:
            with contextlib.suppress(OSError):  # the terminal is gone
                print("interrupted", file=sys.stderr)
            return error.exit_code


def _run(arguments: argparse.Namespace) -> int:
    """Run a program with a new local AWS, and follow every execution that it starts.

    Without --quiet, the command prints their steps and the logs of their jobs. It returns the exit
    code of the program, or 1 if an execution did not succeed.
    """
    from local_aws import server  # moto takes a second
    from local_aws.follow import follow

    config = config_of(arguments)
    with server.start(config) as running:
        _prepare(config, running)
        try:
            program = subprocess.Popen(arguments.program)  # noqa: S603 - the user's own program
        except OSError as error:
            raise UserError(
                f"{arguments.program[0]}: {error.strerror}", "give the program after `run --`"
            ) from None
        with program:
            try:
                out = None if arguments.quiet else sys.stderr
                succeeded = follow(running.clients, lambda: program.poll() is None, out)
            except BaseException:
                program.terminate()
                raise
            finally:
                interrupts.begin_cleaning()
        return program.returncode or (SUCCEEDED if succeeded else NOT_SUCCEEDED)


def _start(arguments: argparse.Namespace) -> int:
    """Run a pipeline from its JSON definition with a new local AWS, and follow it.

    The command creates the roles and buckets that the definition names. It returns 1 if the
    execution did not succeed.
    """
    from local_aws import server  # moto takes a second
    from local_aws.follow import follow
    from local_aws.start import read_parameters, start_definition

    definition = _read_definition(arguments.definition)
    parameters = read_parameters(definition, arguments.parameter)
    config = config_of(arguments)
    with server.start(config) as running:
        _prepare(config, running)
        try:
            start_definition(running.clients, arguments.definition, definition, parameters)
            succeeded = follow(running.clients, lambda: False, sys.stderr)
        finally:
            interrupts.begin_cleaning()
        return SUCCEEDED if succeeded else NOT_SUCCEEDED


def _lint(arguments: argparse.Namespace) -> int:
    """Print what AWS would refuse in a definition."""
    definition = _read_definition(arguments.definition)
    steps = len(list(all_steps(definition["Steps"])))
    print(f"{arguments.definition}: {steps} steps, valid")
    return SUCCEEDED


def _graph(arguments: argparse.Namespace) -> int:
    """Print the graph of a definition in Mermaid's format."""
    print(mermaid(_read_definition(arguments.definition)), end="")
    return SUCCEEDED


def _read_definition(path: Path) -> dict[str, Any]:
    """Read a definition. Raises UserError for an unreadable file or an invalid definition."""
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path}: {getattr(error, 'strerror', None) or error}", "give the definition as JSON"
        ) from None
    try:
        return parse_definition(text)
    except ValueError as error:
        raise UserError(f"{path}: {error}", "correct what makes the definition") from None


def _serve(arguments: argparse.Namespace) -> int:
    """Run a local AWS until a signal ends it.

    The command prints environment variables. With them, the `aws` command line, boto3 and a plain
    `sagemaker.Session()` use the local AWS.
    """
    from local_aws import server  # moto takes a second

    config = config_of(arguments)
    with server.start(config) as running:
        _push_images(config, running)
        if config.enforce_iam:
            keys = running.clients.environment()
            names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
            print("# administrator:", *(f"{name}={keys[name]}" for name in names))
        for name, value in running.environment.items():
            print(f"export {name}={shlex.quote(value)}", flush=True)
        stack = f"with stack {config.stack.name}" if config.stack else "without a stack"
        with contextlib.suppress(interrupts.Interrupted):  # as soon as it says that it is ready
            print(
                f"local AWS: ready {stack}; {running.runner.description}\n"
                "paste the lines above into another terminal to use it, and to leave it again:\n"
                f"unset {' '.join(running.environment)}\n"
                "Ctrl-C here ends it",
                file=sys.stderr,
                flush=True,
            )
            interrupts.wait()
    return SUCCEEDED


def _prepare(config: Config, running: "LocalAws") -> None:
    """Print how jobs run, and push the images of the configuration to ECR."""
    print(f"local AWS: {running.runner.description}", file=sys.stderr)
    _push_images(config, running)


def _push_images(config: Config, running: "LocalAws") -> None:
    """Run the `push` command of each image as the administrator of this local AWS."""
    for image in config.images:
        if image.push and not config.containers:
            environment = {**os.environ, **running.clients.environment()}
            done = subprocess.run(image.push, env=environment, check=False)  # noqa: S603
            if done.returncode:
                raise UserError(
                    f"the image {image.match} was not pushed: `{' '.join(image.push)}` ended with "
                    f"{done.returncode}",
                    "see what it printed above",
                )
