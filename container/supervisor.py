"""Runs a program in a child process, and outlives it."""

import os
import signal
from collections.abc import Callable

PASSED_ON = {signal.SIGTERM, signal.SIGINT}


def supervised(program: Callable[[], int]) -> int:
    """Its exit code, or the negative number of the signal that ended it.

    In the child, where the program runs, this call returns too. There the signals that are passed
    on are blocked until it listens for them (`termination.listen`), so that none is lost.
    """
    awaited = {*PASSED_ON, signal.SIGCHLD}
    signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
    child = os.fork()
    if not child:
        return program()
    while True:
        number = signal.sigwait(awaited)
        if number != signal.SIGCHLD:
            os.kill(child, number)
            continue
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:  # and not another, which the first process inherits
            return os.waitstatus_to_exitcode(status)
