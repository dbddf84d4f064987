"""The common part of all commands: the --config and --local arguments, errors, exit codes."""

import argparse
import contextlib
import errno
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from container.errors import InputError
from local_aws import interrupts
from local_aws.errors import UserError
from pipeline.arguments import Parser
from pipeline.diagnosis import PAGE, diagnose, redacted
from pipeline.settings import DEFAULT_CONFIG, Settings, config_argument, load_settings
from pipeline.terminal import advice_for, say

from botocore.exceptions import BotoCoreError, ClientError

SUCCEEDED = 0
NOT_SUCCEEDED = 1  # the execution failed, was stopped, or took too long
WRONG_INPUT = 2  # settings, data, arguments, or a piece that is not in the account yet
AWS_REFUSED = 3  # credentials, permissions, network
INTERRUPTED = 130  # Ctrl-C
READER_GONE = 141  # SIGPIPE's: whoever read the output wants no more

LIBRARIES = ("boto3", "botocore", "s3transfer", "sagemaker", "docker")
CREDENTIALS = "botocore.credentials"
NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

LOGIN = "`aws configure list` shows their source; log in, or use a profile that asks no questions"
CORRECT = "correct the value that it names, in pipeline.yaml or in ~/.aws/config"
SPACE = "free disk space there; TMPDIR can name another folder for temporary files"
ACCESS = "use an existing file or folder that you may read and write"
UNKNOWN = "`aws sts get-caller-identity` shows who you are, and whether AWS can be reached"


def parser(description: str | None) -> argparse.ArgumentParser:
    """Return the parser of a command, with the option --config."""
    result = Parser(description)
    result.add_argument(
        "--config",
        type=Path,
        default=DEFAULT_CONFIG,
        metavar="FILE",
        help="the settings [default: the project's pipeline.yaml]",
    )
    result.set_defaults(local=False)
    return result


def local_parser(description: str | None) -> argparse.ArgumentParser:
    """Return the parser of a command that can run on local AWS."""
    result = parser(description)
    result.add_argument(
        "--local", action="store_true", help="run on local AWS: no account, nothing billed"
    )
    return result


def endpoint(arguments: argparse.Namespace, settings: Settings) -> AbstractContextManager[None]:
    """Return what runs a local AWS for the time of the command with --local, else nothing."""
    return at_local_aws(settings) if arguments.local else contextlib.nullcontext()


@contextlib.contextmanager
def at_local_aws(settings: Settings) -> Iterator[None]:
    """Run a local AWS, and point this process at it."""
    from pipeline import local  # moto takes a second

    with local.start(settings) as running:
        try:
            say(f"local AWS: {running.runner.description}")
            yield
        finally:
            interrupts.begin_cleaning()


def asking_parser(description: str | None) -> argparse.ArgumentParser:
    """Return the parser of a command that asks before it changes something: it has --yes."""
    result = parser(description)
    result.add_argument("--yes", action="store_true", help="do not ask")
    return result


def run_with_settings(
    arguments: argparse.Namespace,
    command: Callable[[Settings, argparse.Namespace], int],
    local: Callable[[Settings], AbstractContextManager[None]] = at_local_aws,
) -> int:
    """Return the exit code of `command` (see `run`); `local` is around it with --local."""

    def with_settings() -> int:
        settings = load_settings(arguments.config)
        with local(settings) if arguments.local else contextlib.nullcontext():
            return command(settings, arguments)

    return run(with_settings, arguments.config)


def run(command: Callable[[], int], config: Path = DEFAULT_CONFIG) -> int:
    """Return the exit code of `command`; the hints name `config`, its settings file.

    An error that the user can fix is one line and a hint, without signatures and keys. What a
    signal ends is one line too, and a reader that has gone (`| head -1`) is none. Anything else is
    a fault of this program, and raised.
    """
    with interrupts.handled(), advice_for(config_argument(config)):
        try:
            _check_packages()
            code = command()
            if sys.stdout:
                sys.stdout.flush()
        except interrupts.Interrupted as error:
            _say("interrupted")
            return error.exit_code
        except BrokenPipeError:
            _leave_stdout()
            return READER_GONE
        except Exception as error:
            explained = _explained(error)
            if explained is None:
                raise
            code, text = explained
            asked = "\n" if isinstance(error, EOFError) else ""  # a line that nobody ended
            _say(f"{asked}error: {text}")
            if isinstance(error, OSError):
                _leave_stdout()
        return code


def approval(yes: bool, question: str) -> Callable[[], bool]:
    """Return what a command asks before it changes something: answered already with --yes."""
    return lambda: yes or confirm(question)


def confirm(question: str) -> bool:
    """Return whether the person at the keyboard says yes. Raises InputError when there is none."""
    if not sys.stdin.isatty():
        raise InputError(
            "not confirmed: there is no terminal for the question", "confirm with --yes"
        )
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def hint(error: Exception) -> str:
    """Return what to do about an error of botocore's, in one line."""
    diagnosis = diagnose(str(error))
    return f"{diagnosis.fix} ({PAGE}#{diagnosis.id})" if diagnosis else UNKNOWN


def _check_packages() -> None:
    """Raise InputError where the packages are those of another copy of the project."""
    program, root = Path(sys.argv[0]).resolve(), DEFAULT_CONFIG.parent
    twin = root / program.parent.name / program.name
    if program.is_file() and twin.is_file() and not twin.samefile(program):
        raise InputError(
            f"{program}: this Python has the packages of another copy of the project, {root}",
            f"cd {program.parent.parent} && make .venv/ready, then use its .venv/bin/python",
        )


def _explained(error: Exception) -> tuple[int, str] | None:
    """Return the exit code and the message with its hint; None for a fault of this program."""
    if isinstance(error, InputError | UserError):
        return WRONG_INPUT, str(error)
    library = _library(error)
    if isinstance(error, BotoCoreError | ClientError):
        code, text, unknown = AWS_REFUSED, str(error), UNKNOWN
    elif library == CREDENTIALS:
        problem = str(error) or "they ask a question, and there is no terminal for the answer"
        code, text, unknown = AWS_REFUSED, f"credentials: {problem}", LOGIN
    elif library:
        of_endpoint = str(error).startswith("Invalid endpoint")  # botocore's, for AWS_ENDPOINT_URL
        prefix = "" if of_endpoint else f"{library}: "
        code, text, unknown = WRONG_INPUT, f"{prefix}{error}", CORRECT
    elif isinstance(error, OSError):
        place = error.filename2 or error.filename or "a file or the output"
        advice = SPACE if error.errno in NO_SPACE else ACCESS
        return WRONG_INPUT, f"{place}: {error.strerror or error}\nhint: {advice}"
    else:
        return None
    text = redacted(text)
    return code, f"{text}\n{diagnose(text) or f'hint: {unknown}'}"


def _library(error: Exception) -> str | None:
    """Return the library of AWS's that an error comes from, CREDENTIALS for that part of it."""
    names = [
        frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)
    ]
    if CREDENTIALS in names:
        return CREDENTIALS
    roots = [name.partition(".")[0] for name in names]
    return next((root for root in reversed(roots) if root in LIBRARIES), None)


def _say(text: str) -> None:
    with contextlib.suppress(OSError):  # the terminal is gone, or standard error is full
        say(text)


def _leave_stdout() -> None:
    """Let what stdout could not take be lost: Python would try again, and complain, at its end."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stdout.flush()
        return
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
