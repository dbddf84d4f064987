"""The least memory in which each program still finishes: `smallest.py titanic|numeric FOLDER`.

As in `run.py`, but each runs inside a limit (`limited.py`), which is bisected in steps; the limit
found is tried again, and a larger one where that fails. Prints a table, and on stderr what a
program said last before it was killed. Needs root.
"""

import os
import sys
import tempfile
from pathlib import Path

from limited import limited
from programs import Program, options, programs


def smallest(program: Program, step: int, most: int, seconds: float) -> int | None:
    """MiB; none when it does not finish in the most either."""
    too_small, enough = 0, most // step
    if not _finishes(program, enough * step, seconds):
        return None
    while enough - too_small > 1:
        tried = (too_small + enough) // 2
        if _finishes(program, tried * step, seconds):
            enough = tried
        else:
            too_small = tried
    while enough * step < most and not _finishes(program, enough * step, seconds):
        enough += 1
    return enough * step


def _finishes(program: Program, mib: int, seconds: float) -> bool:
    os.chdir(program.folder)
    variables = [f"{name}={value}" for name, value in program.environment.items()]
    with tempfile.TemporaryFile() as output:
        status, _ = limited(mib, ["env", *variables, *program.command], seconds, output)
        output.seek(0)
        last = output.read().decode(errors="replace").splitlines()[-1:]
    said = "finished" if status == 0 else f"ended with {status} after: {' '.join(last)}"
    print(f"{program.name}: {mib} MiB: {said}", file=sys.stderr, flush=True)
    return status == 0


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--step", type=int, default=8, help="MiB")
    parser.add_argument("--most", type=int, default=2048, help="MiB")
    parser.add_argument("--seconds", type=float, default=600, help="more is not to finish")
    parser.add_argument("--only", default="", help="programs whose name holds this text")
    given = parser.parse_args()
    rows = ["| | smallest MiB | to the first |", "| --- | --- | --- |"]
    first: int | None = None
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        for program in programs(given, Path(folder)):
            if given.only not in program.name:
                continue
            found = smallest(program, given.step, given.most, given.seconds)
            first = first or found
            ratio = f"{found / first:.2f}" if found and first else ""
            rows.append(f"| {program.name} | {found or f'more than {given.most}'} | {ratio} |")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
