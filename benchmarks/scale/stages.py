"""Time and memory of each stage of a training: `stages.py CHANNELS --trees 20 --depth 6`.

The stages of `container.train.fit`, one after the other in this process, on channels such as
`generate.py titanic` makes. Prints a table in Markdown; µs are CPU time over the rows of both
channels. Set the image's MALLOC_ variables, and OMP_NUM_THREADS for fewer threads.
"""

import argparse
import time
from pathlib import Path

from container.artifact import Artifact
from container.boosting import LINEAR_ROWS, train_linear, train_trees
from container.channel import Channel
from container.contract import parse_hyperparameters
from container.dataset import EncodedDataset, Matrix, quantile_matrices
from container.evaluation import measure
from container.hardware import peak_memory_mib, rss_mib
from container.opt_ml import data_files

import numpy as np


class Stages:
    """Collects a row of the table for each stage that ends."""

    def __init__(self) -> None:
        self._began = time.perf_counter(), time.process_time()
        self.lines: list[tuple[str, float, float, int, int]] = []

    def end(self, name: str) -> None:
        now = time.perf_counter(), time.process_time()
        wall, cpu = (new - old for new, old in zip(now, self._began, strict=True))
        self.lines.append((name, wall, cpu, rss_mib(), peak_memory_mib()))
        self._began = now

    def table(self, rows: int) -> str:
        head = ["stage", "wall s", "CPU s", "CPU µs a row", "held MiB", "peak MiB"]
        lines = ["| " + " | ".join(head) + " |", "| --- " * len(head) + "|"]
        for name, wall, cpu, held, peak in self.lines:
            cells = [name, f"{wall:.2f}", f"{cpu:.2f}", f"{cpu / rows * 1e6:.2f}"]
            lines.append(f"| {' | '.join([*cells, str(held), str(peak)])} |")
        return "\n".join(lines)


def run(channels: Path, trees: int, depth: int) -> str:
    """Return the table."""
    stages = Stages()
    train, validation = (
        Channel(channels / name, data_files(channels / name)) for name in ("train", "validation")
    )
    params = parse_hyperparameters({"max_depth": depth})
    del params["num_round"], params["early_stopping_rounds"]
    train_data, validation_data = EncodedDataset(train), EncodedDataset(validation)
    tables = train_data.learn()
    stages.end("read, check, encode, learn tables")
    train_matrix = Matrix(train_data, tables, training=True)
    validation_matrix = Matrix(validation_data, tables, training=False)
    stages.end("columns")
    rows = train_matrix.rows
    sample = np.concatenate([*train_matrix.pages(max(1, rows // LINEAR_ROWS))])
    linear = train_linear(sample)
    stages.end("linear booster")
    with quantile_matrices(train_matrix, validation_matrix) as matrices:
        stages.end("bins")
        booster = train_trees(params, matrices, trees)
        stages.end(f"{trees} trees")
    measure(Artifact(booster, linear, tables), validation)
    stages.end("evaluation")
    return stages.table(rows + validation_matrix.rows)


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
