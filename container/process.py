"""The process that trains or serves: arguments, SIGTERM, failure file, exit code.

The work is in `train.py`, which is imported inside the guarded part so that even a missing library
ends with a failure file. Neither training nor serving imports what only the other needs.
"""

import os
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from container import termination
from container.errors import InputError
from container.opt_ml import OptMl
from container.resources import memory_limit


def root() -> Path:
    return Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))


def main(argv: Sequence[str], root: Path) -> int:
    """The exit code. For every failure of a training job there is a failure file under `root`."""
    opt_ml = OptMl(root)
    if list(argv) == ["serve"]:
        return _serve(opt_ml)
    # Read by numpy: products of narrow matrices gain nothing from threads, and lose a second where
    # the processors are busy.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        termination.listen()
        if list(argv) not in ([], ["train"]):
            raise InputError(
                f"unknown argument: {' '.join(argv)}",
                "run the image with `train`, with `serve`, or with none, which trains",
            )
        from container.train import train

        train(opt_ml)
    except InputError as error:
        return _fail(opt_ml, str(error), 1)
    except termination.Terminated:
        text = "stopped by SIGTERM before the model was complete"
        return _fail(opt_ml, text, termination.EXIT_CODE)
    except Exception as error:  # noqa: BLE001 - whatever it is, it must reach FailureReason
        message = f"{type(error).__name__}: {error}\n{traceback.format_exc()}"
        return _fail(opt_ml, message, 1)
    return 0


def killed(number: int, root: Path) -> int:
    """The exit code of the process that outlived a training which a signal ended."""
    text, hint = f"training was ended by {signal.Signals(number).name}", "see the end of its log"
    if number == signal.SIGKILL:
        limit = memory_limit()
        text += (
            ", as the kernel does when memory runs out: the limit is "
            f"{limit.mib} MiB ({limit.source})"
        )
        hint = "take an instance type with more memory, or train on less data"
    return _fail(OptMl(root), str(InputError(text, hint)), 128 + number)


def _serve(opt_ml: OptMl) -> int:
    # Until it listens there is nothing to end well, and an exception may be lost inside an import.
    signal.signal(signal.SIGTERM, lambda _signum, _frame: os._exit(0))
    # Read when XGBoost is loaded. Requests run beside each other, each of them on one thread: more
    # for one wait for each other longer than it takes to score.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from container.serve import serve

    return serve(opt_ml.model)


def _fail(opt_ml: OptMl, text: str, exit_code: int) -> int:
    print(f"error: {text}", file=sys.stderr, flush=True)
    try:
        opt_ml.write_failure(text)
    except OSError as error:
        print(f"error: the failure file cannot be written: {error}", file=sys.stderr, flush=True)
    return exit_code
