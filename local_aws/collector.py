"""The garbage collector, told that a command imports much and ends soon."""

import atexit
import gc
import threading

FIRST_SECONDS = 60.0


def end_at_once() -> None:
    """Skip garbage collection when the process ends: it takes seconds after many imports."""
    atexit.register(gc.freeze)


def postpone(seconds: float = FIRST_SECONDS) -> None:
    """Collect nothing for some seconds, and nothing at the end of the process.

    Imports make millions of objects that stay: looking for garbage among them takes a third of the
    CPU time of a start.
    """
    gc.disable()
    timer = threading.Timer(seconds, gc.enable)
    timer.daemon = True
    timer.start()
    end_at_once()
