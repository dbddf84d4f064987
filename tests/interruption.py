"""The training program, interrupted where a test says.

Run as a program it has imported everything once, and forks for each job: twenty jobs a second.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Interruption:
    """`signal` comes at moment number `moment`, counted from 0: before and after each round of
    boosting, and before and after each checkpoint and file of the artifact gets its name."""

    signal: signal.Signals
    moment: int


class Program:
    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            env={"PATH": os.defpath, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(
        self, root: Path, interruption: Interruption | None = None, seconds: float = 0
    ) -> tuple[int, str]:
        """The exit code of one job, or the negative number of the signal, and what it wrote.
        `seconds` is the least time between its checkpoints."""
        number, moment = (interruption.signal, interruption.moment) if interruption else (0, 0)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(
            json.dumps([str(root), number, moment, seconds]), file=self._process.stdin, flush=True
        )
        code = int(self._process.stdout.readline())
        return code, _log_of(root).read_text(encoding="utf-8")

    def end(self) -> None:
        self._process.communicate(timeout=60)


def _log_of(root: Path) -> Path:
    return root.with_suffix(".log")


def _serve() -> None:
    import container.train  # noqa: F401 - once, for all jobs
    from container.checkpoint import SECONDS_VARIABLE
    from container.process import main

    import xgboost as xgb

    for line in sys.stdin:
        root, number, moment, seconds = json.loads(line)
        child = os.fork()
        if child:
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
            continue
        with _log_of(Path(root)).open("w", encoding="utf-8") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        os.environ[SECONDS_VARIABLE] = str(seconds)
        if number:
            moments = iter(range(10**9))

            def maybe(number: int = number, moment: int = moment, moments: Any = moments) -> None:
                if next(moments) == moment:
                    os.kill(os.getpid(), number)

            for owner, name in ((xgb.Booster, "update"), (Path, "replace")):
                setattr(owner, name, _between(maybe, getattr(owner, name)))
        code = main([], Path(root))
        sys.stdout.flush()
        os._exit(code)


def _between(maybe: Callable[[], None], call: Callable[..., Any]) -> Callable[..., Any]:
    def wrapped(*arguments: Any, **named: Any) -> Any:
        maybe()
        result = call(*arguments, **named)
        maybe()
        return result

    return wrapped


if __name__ == "__main__":
    _serve()
