"""The usual script for numeric files, as a peer: pandas and xgb.train. No header is skipped twice:
the label is the first column. `pandas_numeric.py CHANNELS ROUNDS DEPTH MODEL`."""

import sys
from pathlib import Path

import pandas as pd
import xgboost as xgb
from xgboost_parameters import parameters


def read(folder: Path) -> xgb.DMatrix:
    rows = pd.concat(
        pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
        for path in sorted(folder.iterdir())
    )
    return xgb.DMatrix(rows.iloc[:, 1:], rows.iloc[:, 0])


def main(channels: Path, rounds: int, depth: int, model: Path) -> None:
    train, validation = read(channels / "train"), read(channels / "validation")
    booster = xgb.train(
        parameters(depth),
        train,
        rounds,
        evals=[(train, "train"), (validation, "validation")],
        verbose_eval=rounds - 1,
    )
    booster.save_model(model)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
