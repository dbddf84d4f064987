"""How far two boosters have the same trees."""

import json
from typing import Any, NamedTuple

import numpy as np
import xgboost as xgb


class Likeness(NamedTuple):
    same: int  # trees with the same features and the same thresholds at the same nodes
    trees: int
    leaves: float  # the largest difference of two leaves of these, in log odds


def likeness(one: xgb.Booster, other: xgb.Booster) -> Likeness:
    """Compare tree by tree. Raises ValueError when they have not equally many."""
    pairs = list(zip(_trees(one), _trees(other), strict=True))
    same = [(a[1], b[1]) for a, b in pairs if a[0] == b[0]]
    differences = [np.abs(a - b).max() for a, b in same]
    return Likeness(len(same), len(pairs), float(max(differences, default=0.0)))


def _trees(booster: xgb.Booster) -> list[tuple[list[Any], Any]]:
    """Return the splits and the leaves of each. Source: "Introduction to Model IO" of XGBoost."""
    model = json.loads(bytes(booster.save_raw("json")))["learner"]["gradient_booster"]["model"]
    trees = []
    for tree in model["trees"]:
        values = np.array(tree["split_conditions"], np.float32)  # of a leaf, its weight
        inner = np.array(tree["left_children"]) != -1
        features = np.array(tree["split_indices"])[inner]
        missing = np.array(tree["default_left"])[inner]
        splits = [tree["left_children"], *(a.tolist() for a in (features, values[inner], missing))]
        trees.append((splits, values[~inner]))
    return trees
