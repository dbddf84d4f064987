"""Numeric files through the image's own modules: `numeric.py CHANNELS ROUNDS DEPTH MODEL`.

The label is the first column of CSV with a header, or of Parquet.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from container.arrow import floats
from container.csv_blocks import blocks
from container.data_file import is_parquet, opened
from container.datasets import Table, datasets
from container.resources import peak_memory_mib
from container.spool import Spool
from container.tables import csv_table, parquet_tables

import arro3.core as arrow
import numpy as np
import xgboost as xgb
from xgboost_parameters import parameters


def tables(path: Path) -> Iterator[arrow.RecordBatch]:
    with opened(path) as content:
        if is_parquet(content):
            yield from parquet_tables(content, str(path))
            return
        names: list[bytes] = []
        for block in blocks(content):
            first = not names
            names = names or block.content.partition(b"\n")[0].split(b",")
            table = csv_table(block.content, len(names), header=first)
            if table is None:
                raise SystemExit(f"{path}: not plain numeric CSV from line {block.first_line} on")
            yield table


def spooled(folder: Path) -> Spool:
    spool: Spool | None = None
    for path in sorted(folder.iterdir()):
        for table in tables(path):
            rows = np.empty((table.num_rows, table.num_columns - 1), np.float32)
            for place in range(rows.shape[1]):
                rows[:, place] = floats(table.column(place + 1))[0]
            spool = spool or Spool(rows.shape[1])
            spool.append(rows, floats(table.column(0))[0].astype(np.float32))
    assert spool
    return spool


def main(channels: Path, rounds: int, depth: int, model: Path) -> None:
    train, validation = (
        Table(spool, lambda rows, labels: {"data": rows, "label": labels}, spool.width)
        for spool in map(spooled, (channels / "train", channels / "validation"))
    )
    with datasets(train, validation) as data:
        booster = xgb.train(
            parameters(depth),
            data["train"],
            rounds,
            evals=[(each, name) for name, each in data.items()],
            verbose_eval=rounds - 1,
        )
    booster.save_model(model)
    print(f"peak memory {peak_memory_mib()} MiB")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
