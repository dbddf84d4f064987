"""The floor: xgb.train on a QuantileDMatrix of arrays that are ready.

`floor_numeric.py CHANNELS ROUNDS DEPTH MODEL`: CHANNELS holds train.npy and validation.npy, float32
with the label in the last column, as `generate.py numeric` writes them.
"""

import sys
from pathlib import Path

import numpy as np
import xgboost as xgb
from xgboost_parameters import parameters


def main(channels: Path, rounds: int, depth: int, model: Path) -> None:
    train, validation = (np.load(channels / f"{name}.npy") for name in ("train", "validation"))
    data = xgb.QuantileDMatrix(train[:, :-1], train[:, -1])
    other = xgb.QuantileDMatrix(validation[:, :-1], validation[:, -1], ref=data)
    evals = [(data, "train"), (other, "validation")]
    booster = xgb.train(parameters(depth), data, rounds, evals=evals, verbose_eval=rounds - 1)
    booster.save_model(model)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
