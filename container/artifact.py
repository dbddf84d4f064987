"""The artifact: all that is needed to score raw rows, in one folder, and nothing pickled.

The log odds of a row are the mean of those of the trees and of the linear model.
"""

from dataclasses import dataclass
from pathlib import Path

from container import features
from container.boosting import LinearModel
from container.contract import ARTIFACT_FILES, LINEAR_FILE, MODEL_FILE, TABLES_FILE
from container.errors import InputError
from container.target_encoding import Tables, load_tables, save_tables

import numpy as np
import pandas as pd
import xgboost as xgb
from numpy.typing import NDArray

TREES_SHARE = 0.5  # of the log odds; the rest is the linear model's


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
        """Return the probability of label 1 of each checked row, shape (rows,), from 0 to 1.

        Raises InputError when a probability is not finite.
        """
        matrix = self.columns(rows).to_numpy(np.float32)
        trees = self.booster.inplace_predict(matrix, predict_type="margin").reshape(len(matrix))
        margin = TREES_SHARE * trees + (1 - TREES_SHARE) * self.linear.margin(matrix)
        probability = (1 / (1 + np.exp(-margin))).astype(np.float32)
        if not np.isfinite(probability).all():
            raise InputError("the model gives scores that are no numbers", "train again")
        return probability

    def contributions(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return what each column adds to the log odds of each row, and last the same for all.

        A row's sum is the logit of its score, but for rounding: the SHAP values of trees (TreeSHAP)
        and of a linear model (weight times distance from the mean) are additive, and so is their
        mean.
        """
        columns = self.columns(rows)
        matrix = columns.to_numpy(np.float32)
        trees = self.booster.predict(xgb.DMatrix(matrix), pred_contribs=True)
        linear = np.column_stack(
            [self.linear.contributions(matrix), np.full(len(matrix), self.linear.intercept)]
        )
        mean = TREES_SHARE * trees + (1 - TREES_SHARE) * linear
        return pd.DataFrame(mean, columns=[*columns, "intercept"])

    def save(self, folder: Path) -> None:
        """Write the files of the artifact into a folder."""
        self.booster.save_model(folder / MODEL_FILE)
        self.linear.save(folder / LINEAR_FILE, list(self.booster.feature_names or []))
        save_tables(self.tables, folder / TABLES_FILE)

    @classmethod
    def load(cls, folder: Path) -> "Artifact":
        """Read the files of the artifact.

        Raises InputError when one is missing or not whole, or they do not belong together.
        """
        hint = "give the folder into which model.tar.gz was unpacked"
        for name in ARTIFACT_FILES:
            if not (folder / name).is_file():
                raise InputError(f"{folder}: no {name}", hint)
        try:
            booster = xgb.Booster(model_file=folder / MODEL_FILE)
            linear = LinearModel.load(folder / LINEAR_FILE)
            artifact = cls(booster, linear, load_tables(folder / TABLES_FILE))
        except (xgb.core.XGBoostError, ValueError, LookupError, TypeError, AttributeError) as error:
            problem = str(error).strip().splitlines()[-1]
            raise InputError(f"{folder}: the artifact cannot be read: {problem}", hint) from None
        if booster.num_features() != len(linear.weight):
            raise InputError(
                f"{folder}: {MODEL_FILE} has {booster.num_features()} columns, "
                f"{LINEAR_FILE} {len(linear.weight)}",
                hint,
            )
        return artifact
