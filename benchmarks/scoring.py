"""A batch transform job beside `container.predict`: `python benchmarks/scoring.py [ROWS]`.

Runs on the local AWS that the environment names. Trains and approves a version, scores ROWS
passengers with both, and prints a table in Markdown. The scores are checked to be the same.
"""

import argparse
import csv
import itertools
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.settings import DEFAULT_CONFIG, load_settings

ROOT = Path(__file__).parent.parent


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=int, nargs="?", default=1_000_000)
    parser.add_argument("--config", type=Path, default=DEFAULT_CONFIG)
    arguments = parser.parse_args()
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        rows, scored, answers = (folder / name for name in ("rows.csv", "scored.csv", "answers"))
        write_rows(load_settings(arguments.config).data_file, rows, arguments.rows)

        def run(program: str, *given: object) -> float:
            path = [
                sys.executable,
                str(ROOT / program),
                "--config",
                str(arguments.config.resolve()),
            ]
            return timed([*path, *map(str, given)], folder)

        run("build/push_image.py")
        run("pipeline/upsert_and_start.py")
        run("pipeline/approve.py", "1", "--yes", "--reason", "a benchmark")
        job = run("pipeline/score.py", rows, "--output", scored)
        (artifact,) = folder.glob("runs/*/model.tar.gz")
        with tarfile.open(artifact) as archive:
            archive.extractall(folder / "model", filter="data")
        predict = [sys.executable, "-m", "container.predict", str(folder / "model")]
        with rows.open("rb") as given, answers.open("wb") as found:
            begun = time.perf_counter()
            subprocess.run(predict, stdin=given, stdout=found, cwd=ROOT, check=True)  # noqa: S603
            process = time.perf_counter() - begun
        if any(one != other for one, other in zip(last(scored), first(answers), strict=True)):
            raise SystemExit("the scores differ")
    print("| rows | score.py, s | container.predict, s | rows a second | ratio |")
    print("| --- | --- | --- | --- | --- |")
    speed = f"{arguments.rows / job:,.0f}"
    print(f"| {arguments.rows:,} | {job:.1f} | {process:.1f} | {speed} | {job / process:.2f} |")
    return 0


def write_rows(data_file: Path, target: Path, count: int) -> None:
    """Write the passengers of the project over and over, until there are enough."""
    header, *lines = data_file.read_text("utf-8").splitlines(keepends=True)
    with target.open("w", encoding="utf-8", newline="") as file:
        file.write(header)
        file.writelines(itertools.islice(itertools.cycle(lines), count))


def timed(command: list[str], folder: Path) -> float:
    """Run a command, which must succeed, and return its seconds."""
    begun = time.perf_counter()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)  # noqa: S603
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
    return time.perf_counter() - begun


def last(scored: Path) -> Iterator[str]:
    with scored.open(encoding="utf-8", newline="") as file:
        for record in itertools.islice(csv.reader(file), 1, None):
            yield record[-1]


def first(answers: Path) -> Iterator[str]:
    with answers.open(encoding="utf-8") as file:
        for line in itertools.islice(file, 1, None):
            yield line.partition(",")[0]


if __name__ == "__main__":
    raise SystemExit(main())
