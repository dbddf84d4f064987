"""SIGTERM: SageMaker stops the job or takes a spot instance back, and kills 120 seconds later."""

import signal
from types import FrameType

EXIT_CODE = 128 + signal.SIGTERM

_came = False


class Terminated(BaseException):
    """SIGTERM came."""


def listen() -> None:
    """From now on the first SIGTERM raises Terminated in the main thread, here too if it came while
    it was blocked."""
    signal.signal(signal.SIGTERM, _on_sigterm)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGINT})


def check() -> None:
    """Raises Terminated if SIGTERM came. What it raised may be lost: an exception does not leave a
    callback that XGBoost's C code called, such as the `next` of a DataIter."""
    if _came:
        raise Terminated("stopped by SIGTERM")


def _on_sigterm(_signum: int, _frame: FrameType | None) -> None:
    global _came
    _came = True
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # one is enough: the checkpoint is being written
    raise Terminated("stopped by SIGTERM")
