"""What SageMaker starts: `python -m container [train]`.

Here is the behaviour of the process; the work is in `train.py`, which is imported inside the
guarded part so that even a missing library ends with a failure file.
"""

import os
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from container.errors import InputError
from container.opt_ml import OptMl

SIGTERM_EXIT_CODE = 128 + signal.SIGTERM


class Terminated(BaseException):
    """SIGTERM came: SageMaker stops the job, and kills the container 120 seconds later."""


def main(argv: Sequence[str], root: Path) -> int:
    """The exit code of one job under `root`; for every failure there is a failure file."""
    opt_ml = OptMl(root)
    signal.signal(signal.SIGTERM, _terminate)
    # Read by numpy: products of narrow matrices gain nothing from threads, and lose a second where
    # the processors are busy.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        if list(argv) not in ([], ["train"]):
            raise InputError(
                f"unknown argument: {' '.join(argv)}", "run the image with `train`, or with none"
            )
        from container.train import train

        train(opt_ml)
    except InputError as error:
        return _fail(opt_ml, str(error), 1)
    except Terminated:
        return _fail(opt_ml, "stopped by SIGTERM before the model was complete", SIGTERM_EXIT_CODE)
    except Exception as error:  # noqa: BLE001 - whatever it is, it must reach FailureReason
        message = f"{type(error).__name__}: {error}\n{traceback.format_exc()}"
        return _fail(opt_ml, message, 1)
    return 0


def _terminate(_signum: int, _frame: FrameType | None) -> None:
    raise Terminated


def _fail(opt_ml: OptMl, text: str, exit_code: int) -> int:
    print(f"error: {text}", file=sys.stderr, flush=True)
    try:
        opt_ml.write_failure(text)
    except OSError as error:
        print(f"error: the failure file cannot be written: {error}", file=sys.stderr, flush=True)
    return exit_code


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:], Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))))
