"""The training program, interrupted where a test says.

Run as a program it imports everything once, and forks for each job: several a second.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from program import ENVIRONMENT

OUTPUTS = (".stdout", ".stderr")


@dataclass(frozen=True)
class Interruption:
    """A signal at moment number `moment`, counted from 0.

    There is a moment before and one after each of these: a file is parsed, stored rows are read
    again, a boosting round is evaluated, a checkpoint or a file of the artifact gets its name.
    """

    signal: signal.Signals
    moment: int


class Program:
    """Runs jobs, each in a process that need not import anything."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            env=ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(
        self, root: Path, *arguments: str, interruption: Interruption | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run one job; its exit code is negative for a signal."""
        number, moment = (interruption.signal, interruption.moment) if interruption else (0, 0)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        job = json.dumps([str(root), arguments, number, moment])
        print(job, file=self._process.stdin, flush=True)
        code = int(self._process.stdout.readline())
        texts = [root.with_suffix(suffix).read_text("utf-8") for suffix in OUTPUTS]
        return subprocess.CompletedProcess(arguments, code, *texts)

    def end(self) -> None:
        self._process.communicate(timeout=60)


def _run_jobs() -> None:
    import tempfile

    import container.train  # noqa: F401 - once, for all jobs
    from container.__main__ import main

    import pandas as pd
    import xgboost as xgb

    for line in sys.stdin:
        root, arguments, number, moment = json.loads(line)
        child = os.fork()
        if child:
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
            continue
        for stream, suffix in enumerate(OUTPUTS, start=1):
            with Path(root).with_suffix(suffix).open("w", encoding="utf-8") as file:
                os.dup2(file.fileno(), stream)
        if number:
            moments = iter(range(10**9))
            for owner, name in (
                (pd, "read_csv"),
                (tempfile.SpooledTemporaryFile, "seek"),
                (tempfile.SpooledTemporaryFile, "readinto"),
                (xgb.Booster, "eval_set"),
                (Path, "replace"),
            ):
                wrapped = _interrupted(getattr(owner, name), number, moment, moments)
                setattr(owner, name, wrapped)
        code = main(arguments, Path(root))
        sys.stdout.flush()
        os._exit(code)


def _interrupted(
    call: Callable[..., Any], number: int, moment: int, moments: Iterator[int]
) -> Callable[..., Any]:
    def wrapped(*arguments: Any, **named: Any) -> Any:
        if arguments[1:2] == ([],):  # a round that nothing is evaluated after, of the linear model
            return call(*arguments, **named)
        if next(moments) == moment:
            os.kill(os.getpid(), number)
        result = call(*arguments, **named)
        if next(moments) == moment:
            os.kill(os.getpid(), number)
        return result

    return wrapped


if __name__ == "__main__":
    _run_jobs()
