"""What every command does alike: the --config argument, errors, exit codes."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from container.errors import InputError
from local_aws.errors import UserError
from pipeline.diagnosis import diagnose
from pipeline.settings import DEFAULT_CONFIG
from pipeline.terminal import say

from botocore.exceptions import BotoCoreError, ClientError

SUCCEEDED = 0
NOT_SUCCEEDED = 1  # the execution failed, was stopped, or took too long
WRONG_INPUT = 2  # settings, data, arguments, or a piece that is not in the account yet
AWS_REFUSED = 3  # credentials, permissions, network
INTERRUPTED = 130  # Ctrl-C

UNKNOWN = "`aws sts get-caller-identity` says who you are, and whether AWS can be reached"

EXIT_CODES = (
    "exit codes: 0 succeeded; 1 the execution did not succeed; 2 wrong input; "
    "3 refused or not reached by AWS; 130 interrupted"
)


def parser(description: str | None) -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(description=description, epilog=EXIT_CODES)
    result.add_argument(
        "--config",
        type=Path,
        default=DEFAULT_CONFIG,
        metavar="FILE",
        help="the settings (default: the project's pipeline.yaml)",
    )
    return result


def asking_parser(description: str | None) -> argparse.ArgumentParser:
    """Of a command that asks before it changes something."""
    result = parser(description)
    result.add_argument("--yes", action="store_true", help="do not ask")
    return result


def run(command: Callable[[], int]) -> int:
    """The exit code of `command`; what the user can mend ends with one error and a hint."""
    try:
        return command()
    except (InputError, UserError) as error:
        say(f"error: {error}")
        return WRONG_INPUT
    except KeyboardInterrupt:
        say("interrupted")
        return INTERRUPTED
    except ValueError as error:
        if not str(error).startswith("Invalid endpoint"):  # botocore's, for AWS_ENDPOINT_URL
            raise
        say(_explained(error))
        return WRONG_INPUT
    except (BotoCoreError, ClientError) as error:
        say(_explained(error))
        return AWS_REFUSED


def approval(yes: bool, question: str) -> Callable[[], bool]:
    """What a command asks before it changes something: answered already with --yes."""
    return lambda: yes or confirm(question)


def confirm(question: str) -> bool:
    """Whether the person at the keyboard says yes. Raises InputError when there is none."""
    if not sys.stdin.isatty():
        raise InputError("not confirmed: there is no terminal to ask at", "agree with --yes")
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def hint(error: Exception) -> str:
    """What to do about an error of botocore's, in one line."""
    diagnosis = diagnose(str(error))
    return diagnosis.fix if diagnosis else UNKNOWN


def _explained(error: Exception) -> str:
    return f"error: {error}\n{diagnose(str(error)) or f'hint: {UNKNOWN}'}"
