"""What ends the program early: input that the user can mend, and SIGTERM. Standard library only."""

import difflib
import signal
import sys
import threading
from collections.abc import Iterable
from types import FrameType
from typing import Any


class InputError(Exception):
    """Something the user gave is wrong: `message` says what, `hint` says what to do about it."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.args[0]}\nhint: {self.hint}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ` (did you mean NAME?)` for the nearest known name, or nothing.

    A name that lacks its first part (`m5.large`) is nearer than one with another letter.
    """
    names = list(known)
    longer = [name for name in names if word and name.endswith(f".{word}")]
    nearest = longer[:1] or difflib.get_close_matches(word, names, n=1)
    return f" (did you mean {nearest[0]}?)" if nearest else ""


class Terminated(BaseException):
    """SIGTERM came: the job is stopped, or a spot instance taken back; SIGKILL follows in 120 s."""


terminated = threading.Event()  # for where the exception is lost, as inside `DataIter.next`


def raise_on_sigterm() -> None:
    """Raise Terminated in the main thread at the first SIGTERM, also at one that was blocked."""
    signal.signal(signal.SIGTERM, _on_sigterm)
    sys.unraisablehook = _report_unless_terminated
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGINT})


def _on_sigterm(_signum: int, _frame: FrameType | None) -> None:
    terminated.set()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # one is enough: a checkpoint is being written
    raise Terminated


def _report_unless_terminated(lost: Any) -> None:  # in a callback of XGBoost
    if not isinstance(lost.exc_value, Terminated):
        sys.__unraisablehook__(lost)
