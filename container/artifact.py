"""The artifact: all that is needed to score raw passengers, in one folder."""

from dataclasses import dataclass
from pathlib import Path

from container.contract import FEATURES_FILE, MODEL_FILE
from container.errors import InputError
from container.features import Features
from container.passengers import Passengers

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray


@dataclass(frozen=True)
class Artifact:
    booster: xgb.Booster
    features: Features

    def score(self, passengers: Passengers) -> NDArray[np.float32]:
        """The probability of survival of each passenger, shape (rows,), from 0 to 1."""
        return np.asarray(self.booster.predict(xgb.DMatrix(self.features.matrix(passengers))))

    def contributions(self, passengers: Passengers) -> NDArray[np.float32]:
        """What each feature adds to the margin (the log odds of survival) of each passenger: SHAP
        values, by XGBoost's own `pred_contribs`.

        Shape (rows, len(features.names) + 1). The last column is the base, which is the same for
        all; a row adds up to the passenger's margin.
        """
        matrix = xgb.DMatrix(self.features.matrix(passengers))
        return np.asarray(self.booster.predict(matrix, pred_contribs=True), np.float32)

    def save(self, folder: Path) -> None:
        self.booster.save_model(folder / MODEL_FILE)
        self.features.save(folder / FEATURES_FILE)

    @classmethod
    def load(cls, folder: Path) -> "Artifact":
        """Raises InputError when a file of the artifact is missing or not whole."""
        hint = "give the folder into which model.tar.gz was unpacked"
        for name in (MODEL_FILE, FEATURES_FILE):
            if not (folder / name).is_file():
                raise InputError(f"{folder}: no {name}", hint)
        try:
            booster = xgb.Booster(model_file=folder / MODEL_FILE)
            artifact = cls(booster, Features.load(folder / FEATURES_FILE))
            columns = len(artifact.features.names)
        except (xgb.core.XGBoostError, ValueError, LookupError, TypeError, AttributeError) as error:
            problem = str(error).strip().splitlines()[-1]
            raise InputError(f"{folder}: the artifact cannot be read: {problem}", hint) from None
        if booster.num_features() != columns:
            raise InputError(
                f"{folder}: the model has {booster.num_features()} features, {FEATURES_FILE} "
                f"{columns}",
                hint,
            )
        return artifact
