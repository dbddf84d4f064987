"""The end of a command by Ctrl-C, SIGTERM or SIGHUP, through one exception.

Python raises KeyboardInterrupt anywhere: inside a `__del__` it is printed and lost, and inside a
clean-up it leaves folders and processes. This handler stores the signal, and raises nothing inside
a `__del__` or during a clean-up. `check`, which waiting commands call, raises an exception again
that was lost in a callback of the interpreter.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
RETRY_SECONDS = 0.05
WAKE_SECONDS = 0.5

_received = 0  # the signal that ends the command
_cleaning = False
_on_ctrl_c: Callable[[], None] | None = None


class Interrupted(KeyboardInterrupt):
    """The end of a command by a signal."""

    def __init__(self, number: int) -> None:
        super().__init__(f"interrupted by {signal.Signals(number).name}")
        self.exit_code = 128 + number


def end_quietly() -> None:
    """Make Ctrl-C end the process with one line, while a command still imports its modules."""
    if signal.getsignal(signal.SIGINT) == signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)


@contextmanager
def handled() -> Iterator[None]:
    """Raise Interrupted at the first of SIGNALS that the process does not ignore.

    After the context, the process ignores SIGNALS if `end_quietly` was called: it ends then.
    """
    global _received, _cleaning
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _received, _cleaning = 0, False
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number, handler in before.items():
        if handler != signal.SIG_IGN:
            signal.signal(number, _handle)
    try:
        yield
    finally:
        ending = before[signal.SIGINT] == _end
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if ending else handler)


@contextmanager
def first_ctrl_c(call: Callable[[], None]) -> Iterator[None]:
    """At the first Ctrl-C, call `call` in the signal handler instead of raising."""
    global _on_ctrl_c
    _on_ctrl_c = call
    try:
        yield
    finally:
        _on_ctrl_c = None


def check() -> None:
    """Raise Interrupted if the exception of a signal was lost."""
    if _received:
        raise Interrupted(_received)


def wait() -> NoReturn:
    """Wait until a signal raises Interrupted.

    The system may deliver a signal to another thread, and then this thread does not wake up.
    """
    while True:
        check()
        time.sleep(WAKE_SECONDS)


def begin_cleaning() -> None:
    """Raise nothing from now on, so that the clean-up is complete."""
    global _cleaning
    _cleaning = True


def _handle(number: int, frame: FrameType | None) -> None:
    global _received, _on_ctrl_c
    if number == signal.SIGINT and _on_ctrl_c:
        call, _on_ctrl_c = _on_ctrl_c, None
        call()
    elif not _received and not _cleaning:
        if _in_finalizer(frame):
            signal.signal(signal.SIGALRM, lambda _, now: _handle(number, now))
            signal.setitimer(signal.ITIMER_REAL, RETRY_SECONDS)
            return
        _received = number
        raise Interrupted(number)


def _in_finalizer(frame: FrameType | None) -> bool:
    while frame:
        if frame.f_code.co_name == "__del__":
            return True
        frame = frame.f_back
    return False


def _end(number: int, _: FrameType | None) -> None:
    os.write(2, b"interrupted\n")
    os._exit(128 + number)
