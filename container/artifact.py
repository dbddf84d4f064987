"""The artifact: all that is needed to score raw passengers, in one folder.

The model is XGBoost and a logistic regression over the same features; the log odds are the mean of
the two.
"""

from dataclasses import dataclass
from pathlib import Path

from container.contract import (
    ARTIFACT_FILES,
    FEATURES_FILE,
    LINEAR_FILE,
    MODEL_FILE,
    PARTIES_FILE,
)
from container.errors import InputError
from container.features import Features
from container.linear import Linear
from container.passengers import Passengers

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray

BOOSTER_SHARE = 0.5  # of the log odds; the rest is the logistic regression's


@dataclass(frozen=True)
class Artifact:
    booster: xgb.Booster
    linear: Linear
    features: Features

    def score(self, passengers: Passengers) -> NDArray[np.float32]:
        """The probability of survival of each passenger, shape (rows,), from 0 to 1."""
        matrix = self.features.matrix(passengers)
        boosted = self.booster.predict(xgb.DMatrix(matrix), output_margin=True)
        margin = BOOSTER_SHARE * boosted + (1 - BOOSTER_SHARE) * self.linear.margin(matrix)
        return (1 / (1 + np.exp(-margin))).astype(np.float32)

    def contributions(self, passengers: Passengers) -> NDArray[np.float32]:
        """What each feature adds to the log odds of each passenger, shape (rows, features + 1).

        The last column is the same for all: the log odds of nobody in particular. A row's sum is
        the logit of its score, exactly but for rounding: the SHAP values of XGBoost (TreeSHAP) and
        of the logistic regression (slope times distance from the mean) are additive, and so is
        their mean.
        """
        matrix = self.features.matrix(passengers)
        boosted = self.booster.predict(xgb.DMatrix(matrix), pred_contribs=True)
        linear = np.column_stack(
            [self.linear.terms(matrix), np.full(len(matrix), self.linear.intercept)]
        )
        return (BOOSTER_SHARE * boosted + (1 - BOOSTER_SHARE) * linear).astype(np.float32)

    def save(self, folder: Path) -> None:
        self.booster.save_model(folder / MODEL_FILE)
        self.linear.save(folder / LINEAR_FILE)
        self.features.save(folder / FEATURES_FILE, folder / PARTIES_FILE)

    @classmethod
    def load(cls, folder: Path) -> "Artifact":
        """Raises InputError when a file of the artifact is missing or not whole."""
        hint = "give the folder into which model.tar.gz was unpacked"
        for name in ARTIFACT_FILES:
            if not (folder / name).is_file():
                raise InputError(f"{folder}: no {name}", hint)
        try:
            booster = xgb.Booster(model_file=folder / MODEL_FILE)
            linear = Linear.load(folder / LINEAR_FILE)
            features = Features.load(folder / FEATURES_FILE, folder / PARTIES_FILE)
            columns = len(features.names)
        except (
            xgb.core.XGBoostError,
            ValueError,
            LookupError,
            TypeError,
            AttributeError,
            EOFError,
        ) as error:
            problem = str(error).strip().splitlines()[-1]
            raise InputError(f"{folder}: the artifact cannot be read: {problem}", hint) from None
        for name, found in (
            (MODEL_FILE, booster.num_features()),
            (LINEAR_FILE, len(linear.slope)),
        ):
            if found != columns:
                raise InputError(
                    f"{folder}: {name} has {found} features, {FEATURES_FILE} {columns}", hint
                )
        return cls(booster, linear, features)
