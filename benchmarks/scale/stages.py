"""Where a training spends its time and memory: `stages.py CHANNELS --trees 20 --depth 6`.

The stages of the program (container/train.py), one after the other in this process, on channels
such as `generate.py titanic` makes. Prints a table in Markdown; µs are those of CPU time over the
rows of both channels. Set the image's MALLOC_ variables, and OMP_NUM_THREADS for fewer threads.
"""

import argparse
import time
from pathlib import Path

from container.artifact import Artifact
from container.channel import Channel, data_files
from container.checkpoint import Checkpoints
from container.contract import parse_hyperparameters
from container.datasets import datasets
from container.features import Features
from container.linear import fit_linear
from container.resources import held_memory_mib, peak_memory_mib
from container.rounds import boost
from container.spooled import SpooledRows
from container.train import OBJECTIVE, measure


class Stages:
    """A row of the table for each stage that ends."""

    def __init__(self) -> None:
        self._began = time.perf_counter(), time.process_time()
        self.lines: list[tuple[str, float, float, int, int]] = []

    def end(self, name: str) -> None:
        now = time.perf_counter(), time.process_time()
        wall, cpu = (new - old for new, old in zip(now, self._began, strict=True))
        self.lines.append((name, wall, cpu, held_memory_mib(), peak_memory_mib()))
        self._began = now

    def table(self, rows: int) -> str:
        head = ["stage", "wall s", "CPU s", "CPU µs a row", "held MiB", "peak MiB"]
        lines = ["| " + " | ".join(head) + " |", "| --- " * len(head) + "|"]
        for name, wall, cpu, held, peak in self.lines:
            cells = [name, f"{wall:.2f}", f"{cpu:.2f}", f"{cpu / rows * 1e6:.2f}"]
            lines.append(f"| {' | '.join([*cells, str(held), str(peak)])} |")
        return "\n".join(lines)


def run(channels: Path, trees: int, depth: int) -> str:
    """The table."""
    stages = Stages()
    train, validation = (
        Channel(channels / name, data_files(channels / name)) for name in ("train", "validation")
    )
    params = parse_hyperparameters({"num_round": trees, "max_depth": depth})
    for name in ("num_round", "early_stopping_rounds"):
        del params[name]
    with (
        SpooledRows(train, learning=True) as train_rows,
        SpooledRows(validation) as validation_rows,
    ):
        stages.end("read, encode, add up")
        features = Features.from_statistics(train_rows.statistics)
        linear = fit_linear([*train_rows.sample(features)])
        stages.end("regression")
        tables = train_rows.training_table(features), validation_rows.table(features)
        with datasets(*tables) as data:
            stages.end("features, bins")
            stage = Checkpoints().stage("booster")
            booster = boost(params | OBJECTIVE, data, trees, 0, stage)
            stages.end(f"{trees} trees")
    measure(Artifact(booster, linear, features), validation)
    stages.end("evaluation")
    return stages.table((train.rows or 0) + (validation.rows or 0))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("channels", type=Path)
    parser.add_argument("--trees", type=int, default=20)
    parser.add_argument("--depth", type=int, default=6)
    given = parser.parse_args()
    print(run(given.channels, given.trees, given.depth))


if __name__ == "__main__":
    main()
