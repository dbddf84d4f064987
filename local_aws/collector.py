"""The garbage collector, told that a command imports much and ends soon."""

import atexit
import gc
import threading

FIRST_SECONDS = 60.0


def end_at_once() -> None:
    """Skip garbage collection when the process ends: it takes seconds after many imports."""
    atexit.register(gc.freeze)


def postpone() -> None:
    """Collect nothing for FIRST_SECONDS, and nothing at the end of the process.

    Imports make millions of objects that stay: looking for garbage among them takes a third of the
    CPU time of a start.
    """
    gc.disable()
    timer = threading.Timer(FIRST_SECONDS, gc.enable)
    timer.daemon = True
    timer.start()
    end_at_once()
