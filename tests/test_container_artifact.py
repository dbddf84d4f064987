from container.contract import parse_hyperparameters
from container.passengers import Passengers
from container.train import fit

import numpy as np


def test_the_contributions_of_a_passenger_add_up_to_the_log_odds(passengers: Passengers) -> None:
    rows = passengers.take(list(range(0, len(passengers), 2)))
    others = passengers.take(list(range(1, len(passengers), 2)))
    artifact = fit(rows, others, parse_hyperparameters({"num_round": 20}))
    contributions = artifact.contributions(others)
    assert contributions.dtype == np.float32
    assert contributions.shape == (len(others), len(artifact.features.names) + 1)
    margins = contributions.sum(axis=1)
    np.testing.assert_allclose(1 / (1 + np.exp(-margins)), artifact.score(others), atol=1e-5)
    base = contributions[:, -1]
    assert base.min() == base.max()
