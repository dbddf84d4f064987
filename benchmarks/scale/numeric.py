"""Numeric files through the image's own modules: `numeric.py CHANNELS ROUNDS DEPTH MODEL`.

The label is the first column of CSV with a header, or of Parquet.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from container.arrow import floats, parsed
from container.checkpoint import Checkpoints
from container.csv_blocks import blocks
from container.csv_cells import cells_of
from container.data_file import is_parquet, opened
from container.datasets import Table, datasets
from container.resources import peak_memory_mib
from container.rounds import boost
from container.spool import Spool
from container.tables import parquet_tables

import numpy as np
from numpy.typing import NDArray
from xgboost_parameters import parameters

Matrix = NDArray[np.float32]


def matrices(path: Path) -> Iterator[Matrix]:
    """Batches of rows with all columns."""
    with opened(path) as content:
        if is_parquet(content):
            for table in parquet_tables(content, str(path)):
                matrix = np.empty((table.num_rows, table.num_columns), np.float32)
                for place in range(table.num_columns):
                    matrix[:, place] = floats(table.column(place))[0]
                yield matrix
            return
        width = 0
        for block in blocks(content):
            header = not width
            width = width or block.content.partition(b"\n")[0].count(b",") + 1
            cells = cells_of(block, width, header=header)
            if cells is None:
                raise SystemExit(f"{path}: not plain CSV from line {block.first_line} on")
            yield parsed(cells.data, cells.starts, cells.ends)[0].astype(np.float32)


def spooled(folder: Path) -> Spool:
    spool: Spool | None = None
    for path in sorted(folder.iterdir()):
        for matrix in matrices(path):
            spool = spool or Spool(matrix.shape[1] - 1)
            spool.append(matrix[:, 1:], matrix[:, 0])
    assert spool
    return spool


def main(channels: Path, rounds: int, depth: int, model: Path) -> None:
    train, validation = (
        Table(spool, lambda rows, labels: {"data": rows, "label": labels}, spool.width)
        for spool in map(spooled, (channels / "train", channels / "validation"))
    )
    with datasets(train, validation) as data:
        booster = boost(parameters(depth), data, rounds, 0, Checkpoints().stage("booster"))
    booster.save_model(model)
    print(f"peak memory {peak_memory_mib()} MiB")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
