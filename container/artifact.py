"""The artifact: all that is needed to score raw rows, in one folder, and nothing pickled.

The log odds of a row are a weighted mean of those of the trees and of the linear model.
"""

from dataclasses import dataclass
from pathlib import Path

from container import features
from container.boosting import LinearModel
from container.contract import ARTIFACT_FILES, LINEAR_FILE, MODEL_FILE, TABLES_FILE
from container.errors import InputError
from container.schema import NUMBERS, TEXTS
from container.target_encoding import Tables, load_tables, save_tables
from container.validation import check_rows

import numpy as np
import pandas as pd
import xgboost as xgb
from numpy.typing import NDArray


@dataclass(frozen=True)
class Artifact:
    """Trees, linear model, and what the features were learned from."""

    booster: xgb.Booster
    linear: LinearModel
    tables: Tables

    def columns(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return the columns that the model sees, of checked rows (see `reading`)."""
        return features.transform(features.encode(rows), self.tables)

    def score(self, rows: pd.DataFrame) -> NDArray[np.float32]:
        """Return the probability of label 1, shape (rows,); raises InputError if not finite."""
        matrix = self.columns(rows).to_numpy(np.float32)
        trees = self.booster.inplace_predict(matrix, predict_type="margin").reshape(len(matrix))
        linear = self.linear.margin(matrix)
        margin = features.TREES_SHARE * trees + (1 - features.TREES_SHARE) * linear
        probability: NDArray[np.float32] = (1 / (1 + np.exp(-margin))).astype(np.float32)
        if not np.isfinite(probability).all():
            raise InputError("the model gives scores that are no numbers", "train again")
        return probability

    def save(self, folder: Path) -> None:
        """Write the files of the artifact into a folder."""
        (folder / MODEL_FILE).write_bytes(self.booster.save_raw("ubj"))
        self.linear.save(folder / LINEAR_FILE)
        save_tables(self.tables, folder / TABLES_FILE)

    @classmethod
    def load(cls, folder: Path) -> "Artifact":
        """Read an artifact, and score a row of nothing. Raises InputError if it cannot score."""
        hint = "give the folder into which model.tar.gz was unpacked"
        for name in ARTIFACT_FILES:
            if not (folder / name).is_file():
                raise InputError(f"{folder}: no {name}", hint)
        try:
            booster = xgb.Booster(model_file=folder / MODEL_FILE)
            linear = LinearModel.load(folder / LINEAR_FILE)
            artifact = cls(booster, linear, load_tables(folder / TABLES_FILE))
            nothing = pd.DataFrame([dict.fromkeys([*NUMBERS, *TEXTS])], dtype=object)
            artifact.score(check_rows(nothing, "model"))
        except Exception as error:  # noqa: BLE001 - anyone may have written the files
            problem = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise InputError(f"{folder}: the artifact cannot be read: {problem}", hint) from None
        return artifact
