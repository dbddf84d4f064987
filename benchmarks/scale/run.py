"""Runs trainings side by side, each in a process of its own, and prints a table in Markdown.

    run.py start                    from process start to the saved model on Titanic
    run.py titanic FOLDER           generated passengers (generate.py titanic ROWS FOLDER)
    run.py numeric FOLDER           generated numbers (generate.py numeric ROWS FOLDER)

Every round runs all of them, one after the other; the figures are medians over the rounds, the
ratios are medians of the ratios within a round, to the first program.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from programs import HERE, Program, options, programs

FIGURES = ("wall", "cpu", "memory")


def cost(program: Program) -> dict[str, float]:
    """FIGURES of one run, which must succeed."""
    process = subprocess.run(
        [sys.executable, "-S", HERE / "cost.py", *program.command],
        env={**os.environ, **program.environment},
        cwd=program.folder,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if process.returncode:
        raise SystemExit(f"{program.name} ended with {process.returncode}:\n{process.stdout}")
    *output, last = process.stdout.splitlines()
    found: dict[str, float] = json.loads(last)
    losses = [line for line in output if "validation" in line or "log_loss" in line]
    print(program.name, f"{found['wall']:.2f} s", losses[-1:] or "", file=sys.stderr, flush=True)
    return found


def compare(compared: list[Program], rounds: int) -> str:
    """A table; ratios are to the first program, and higher is worse."""
    costs = [[cost(program) for program in compared] for _ in range(rounds)]
    lines = [
        "| | wall s | CPU s | peak MiB | wall | CPU | memory |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for place, program in enumerate(compared):
        own, first = [row[place] for row in costs], [row[0] for row in costs]
        figures = [statistics.median(each[key] for each in own) for key in FIGURES]
        ratios = [
            statistics.median(a[key] / b[key] for a, b in zip(own, first, strict=True))
            for key in FIGURES
        ]
        cells = [f"{figures[0]:.2f}", f"{figures[1]:.2f}", f"{figures[2]:.0f}"]
        lines.append(f"| {program.name} | {' | '.join(cells + [f'{r:.2f}' for r in ratios])} |")
    return "\n".join(lines)


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often all are run")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        print(compare(programs(given, Path(folder)), given.rounds))


if __name__ == "__main__":
    main()
