"""The outcome of a check, and how checks are run."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from container.errors import InputError
from pipeline import cli
from pipeline.checks.run_context import NotChecked, RunContext, Services
from pipeline.diagnosis import redacted

from botocore.exceptions import BotoCoreError, ClientError

OK, WARNING, FAILURE, NOT_CHECKED = "ok", "warning", "failure", "not checked"
STATUSES = (OK, WARNING, FAILURE, NOT_CHECKED)
THREADS = 8

Function = Callable[[Services, RunContext], str]
T = TypeVar("T")


@dataclass(frozen=True)
class Check:
    """The outcome of one check, as printed and as `--json` shows it."""

    name: str
    status: str  # of STATUSES
    message: str
    hint: str | None = None
    detail: str | None = None  # lines below it: a diff
    exit_code: int = cli.SUCCEEDED


class CheckWarning(InputError):
    """A problem that does not stop the run."""

    def __init__(self, message: str, hint: str, detail: str | None = None) -> None:
        super().__init__(message, hint)
        self.detail = detail


class Refused(InputError):
    """An action that AWS refused or would refuse."""


def run_checks(
    functions: Mapping[str, Function], services: Services, run: RunContext
) -> list[Check]:
    """Run all checks at the same time, and return their outcomes in the order of `functions`."""
    with ThreadPoolExecutor(THREADS) as pool:
        running = [
            pool.submit(run_check, name, function, services, run)
            for name, function in functions.items()
        ]
        return [each.result() for each in running]


def run_check(name: str, function: Function, services: Services, run: RunContext) -> Check:
    """Run one check, and return its outcome.

    An AWS error in a call that only the check needs is a warning: the run does not make that call.
    """
    try:
        return Check(name, OK, function(services, run))
    except NotChecked as error:
        return Check(name, NOT_CHECKED, str(error))
    except CheckWarning as error:
        return Check(name, WARNING, error.args[0], error.hint, error.detail)
    except InputError as error:
        code = cli.AWS_REFUSED if isinstance(error, Refused) else cli.WRONG_INPUT
        return Check(name, FAILURE, error.args[0], error.hint, exit_code=code)
    except (BotoCoreError, ClientError) as error:
        # What a run itself asks for has answered already: here only the check is lost.
        return Check(name, WARNING, f"not checked: {redacted(str(error))}", cli.hint(error))


def settled(value: T | Exception) -> T:
    """Return the value, or raise it if it is an exception.

    Errors of botocore are raised as Refused.
    """
    if not isinstance(value, Exception):
        return value
    if isinstance(value, InputError | NotChecked):
        raise value
    raise Refused(redacted(str(value)), cli.hint(value))
