"""What SageMaker starts: `python -m container [train] [--eta 0.1 ...]`, or `serve`.

The first process of a container trains in a child and outlives it: the kernel kills the largest
process when memory runs out, and what is killed writes no failure file. To stay small it imports
next to nothing; even a missing library ends with a failure file.
"""

import contextlib
import errno
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from container.errors import InputError, Terminated, raise_on_sigterm, terminated
from container.opt_ml import OptMl


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
            problem = f"unknown argument: {' '.join(argv)}"
            raise InputError(problem, "run the image with `train`, `serve`, or none, which trains")
        from container import train

        train.main(opt_ml, arguments)
    except SystemExit:  # of --help
        return 0
    except (Exception, Terminated) as error:  # noqa: BLE001 - all must reach FailureReason
        if terminated.is_set():
            opt_ml.write_failure("stopped by SIGTERM before the model was complete")
            return 128 + signal.SIGTERM
        opt_ml.write_failure(_describe(error))
        return 1
    return 0


def _serve(opt_ml: OptMl) -> int:
    # Until it listens there is nothing to drain, and an exception may be lost inside an import.
    signal.signal(signal.SIGTERM, lambda _signum, _frame: os._exit(0))
    # Requests run beside each other, each on one thread: more would wait for each other.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from container.serve import serve

    return serve(opt_ml.model)


def _describe(error: BaseException) -> str:
    """Return what the failure file says: for what the user can mend, one line and a hint."""
    if isinstance(error, OSError):
        hint = "make the channels readable, and /opt/ml and the temporary folder writable"
        if error.errno in (errno.ENOSPC, errno.EFBIG):
            hint = "train with a larger volume (VolumeSizeInGB), more memory, or less data"
        place = error.filename2 or error.filename or os.environ.get("TMPDIR", "/tmp")  # noqa: S108
        error = InputError(f"{place}: {error.strerror or error}", hint)
    if isinstance(error, InputError):
        return str(error)
    return f"{type(error).__name__}: {error}\n{traceback.format_exc()}"


def supervise(program: Callable[[], int], root: Path) -> int:
    """Run a program in a child process, and return its exit code, here and in the child.

    SIGTERM and SIGINT are forwarded; the child has them blocked until `raise_on_sigterm`. A child
    that a signal ended gets a failure file.
    """
    forwarded = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, forwarded)
    child = os.fork()
    if not child:
        return program()

    def forward(number: int, _frame: object) -> None:
        with contextlib.suppress(ProcessLookupError):  # it has just ended
            os.kill(child, number)

    for each in forwarded:
        signal.signal(each, forward)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, forwarded)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code >= 0:
        return code
    text, hint = f"training was ended by {signal.Signals(-code).name}", "see the end of its log"
    if -code == signal.SIGKILL:
        from container.hardware import memory_limit

        text += f", as the kernel does when memory runs out: the limit is {memory_limit()} MiB"
        hint = "take an instance type with more memory, or train on less data"
    OptMl(root).write_failure(str(InputError(text, hint)))
    return 128 - code


if __name__ == "__main__":
    base = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
    # XGBoost imports scikit-learn where it is installed: more than half of the start. The image has
    # none of it, and a rehearsal outside the image needs none.
    sys.modules["sklearn"] = None  # type: ignore[assignment]
    # Another process than the first is seen by whoever started it, and killed by it alone.
    if os.getpid() == 1 and sys.argv[1:2] != ["serve"]:
        code = supervise(lambda: main(sys.argv[1:], base), base)
    else:
        code = main(sys.argv[1:], base)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # at once: XGBoost would wait for hosts that are lost
