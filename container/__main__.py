"""What SageMaker starts: `python -m container [train] [--eta 0.1 ...]`, or `serve`.

The first process of a container trains in a child and outlives it: the kernel kills the largest
process when memory runs out, and what is killed writes no failure file. To stay small it imports
next to nothing; even a missing library ends with a failure file.
"""

import errno
import functools
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from container.errors import InputError, Terminated, is_terminated, raise_on_sigterm
from container.opt_ml import OptMl

FORWARDED = {signal.SIGTERM, signal.SIGINT}


def main(argv: Sequence[str], root: Path) -> int:
    """Train or serve, and return the exit code; every failure of a training has a failure file."""
    opt_ml = OptMl(root)
    command, *arguments = argv or ["train"]
    if command == "serve" and not arguments:
        return _serve(opt_ml)
    # Products of narrow matrices gain nothing from threads, and lose a second on a busy machine.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        raise_on_sigterm()
        if command != "train":
            raise InputError(
                f"unknown argument: {' '.join(argv)}",
                "run the image with `train`, with `serve`, or with none, which trains",
            )
        from container import train

        train.main(opt_ml, arguments)
    except SystemExit:  # of --help
        return 0
    except (Exception, Terminated) as error:  # noqa: BLE001 - all must reach FailureReason
        if is_terminated():  # inside a callback of XGBoost, Terminated is lost
            text = "stopped by SIGTERM before the model was complete"
            return _fail(opt_ml, text, 128 + signal.SIGTERM)
        return _fail(opt_ml, _describe(error), 1)
    return 0


def _describe(error: BaseException) -> str:
    """Return what the failure file says: for what the user can mend, one line and a hint."""
    if isinstance(error, OSError):
        hint = "make the channels readable, and /opt/ml and the temporary folder writable"
        if error.errno in (errno.ENOSPC, errno.EFBIG):
            hint = "train with a larger volume (VolumeSizeInGB), more memory, or less data"
        place = error.filename2 or error.filename or tempfile.gettempdir()
        error = InputError(f"{place}: {error.strerror or error}", hint)
    if isinstance(error, InputError):
        return str(error)
    return f"{type(error).__name__}: {error}\n{traceback.format_exc()}"


def supervise(program: Callable[[], int], root: Path) -> int:
    """Run a program in a child process, and return its exit code, here and in the child.

    SIGTERM and SIGINT are forwarded; the child has them blocked until `raise_on_sigterm`. A child
    that a signal ended gets a failure file.
    """
    awaited = {*FORWARDED, signal.SIGCHLD}
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
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else _report_killed(-code, root)


def _report_killed(number: int, root: Path) -> int:
    text, hint = f"training was ended by {signal.Signals(number).name}", "see the end of its log"
    if number == signal.SIGKILL:
        from container.hardware import memory_limit

        limit = f"{memory_limit().mib} MiB ({memory_limit().source})"
        text += f", as the kernel does when memory runs out: the limit is {limit}"
        hint = "take an instance type with more memory, or train on less data"
    return _fail(OptMl(root), str(InputError(text, hint)), 128 + number)


def _serve(opt_ml: OptMl) -> int:
    # Until it listens there is nothing to drain, and an exception may be lost inside an import.
    signal.signal(signal.SIGTERM, lambda _signum, _frame: os._exit(0))
    # Requests run beside each other, each on one thread: more would wait for each other.
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


if __name__ == "__main__":
    base = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
    program = functools.partial(main, sys.argv[1:], base)
    # XGBoost imports scikit-learn where it is installed: more than half of the start. The image has
    # none of it, and a rehearsal outside the image needs none.
    sys.modules["sklearn"] = None  # type: ignore[assignment]
    # Another process than the first is seen by whoever started it, and killed by it alone.
    supervised = os.getpid() == 1 and sys.argv[1:2] != ["serve"]
    code = supervise(program, base) if supervised else program()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # at once: XGBoost would wait for hosts that are lost
