"""Settings of the garbage collector for commands with many imports and a short run."""

import atexit
import gc
import threading

FIRST_SECONDS = 60.0


def end_at_once() -> None:
    """Skip garbage collection at the end of the process, which takes seconds after many imports."""
    atexit.register(gc.freeze)


def postpone(seconds: float = FIRST_SECONDS) -> None:
    """Collect no garbage in the first seconds and at the end of the process.

    Imports create millions of objects that stay; a search for garbage among them takes a third of
    the CPU time of a start.
    """
    gc.disable()
    timer = threading.Timer(seconds, gc.enable)
    timer.daemon = True
    timer.start()
    end_at_once()
