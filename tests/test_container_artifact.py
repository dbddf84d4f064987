"""The model as a whole: fitted, saved, loaded and scored in this process."""

import contextlib
import io
import math
from pathlib import Path

from container.artifact import Artifact
from container.contract import parse_hyperparameters
from container.metrics import evaluate
from container.passengers import LARGEST, NUMBERS, TEXTS, Passengers, read_passengers
from container.train import fit
from pipeline.data import Dataset

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

FOLDS = 5


def fitted(train: Passengers, validation: Passengers) -> Artifact:
    with contextlib.redirect_stdout(io.StringIO()):
        return fit(train, validation, parse_hyperparameters({}))


@pytest.fixture(scope="module")
def channels(dataset: Dataset) -> dict[str, Passengers]:
    return {
        name: read_passengers(content, name, labelled=True)
        for name, content in dataset.channels.items()
    }


@pytest.fixture(scope="module")
def artifact(channels: dict[str, Passengers]) -> Artifact:
    return fitted(channels["train"], channels["validation"])


def logit(probabilities: np.ndarray) -> np.ndarray:
    p = probabilities.astype(np.float64)
    return np.log(p / (1 - p))


def test_shuffled_rows_have_the_same_scores(
    artifact: Artifact, channels: dict[str, Passengers]
) -> None:
    rows = channels["validation"]
    order = np.random.default_rng(8).permutation(len(rows)).tolist()
    np.testing.assert_array_equal(artifact.score(rows.take(order)), artifact.score(rows)[order])


def test_one_row_has_the_score_that_it_has_among_all(
    artifact: Artifact, channels: dict[str, Passengers]
) -> None:
    rows = channels["validation"]
    together = artifact.score(rows)
    for row in range(0, len(rows), 29):
        assert artifact.score(rows.take([row]))[0] == together[row]


def test_contributions_add_up_to_the_log_odds(
    artifact: Artifact, channels: dict[str, Passengers]
) -> None:
    contributions = artifact.contributions(channels["validation"])
    assert contributions.shape == (262, len(artifact.features.names) + 1)
    assert contributions.dtype == np.float32
    assert len(set(contributions[:, -1].tolist())) == 1
    scores = artifact.score(channels["validation"])
    np.testing.assert_allclose(contributions.sum(axis=1), logit(scores), atol=1e-4)


def test_what_was_saved_scores_as_before(
    artifact: Artifact, channels: dict[str, Passengers], tmp_path: Path
) -> None:
    artifact.save(tmp_path)
    loaded = Artifact.load(tmp_path)
    rows = channels["validation"]
    np.testing.assert_array_equal(loaded.score(rows), artifact.score(rows))
    np.testing.assert_array_equal(loaded.contributions(rows), artifact.contributions(rows))


def test_labels_that_mean_nothing_cannot_be_predicted(passengers: Passengers) -> None:
    """Everything is learned inside the fold: with permuted labels the AUC of cross-validation is
    0.5, within four of its standard deviations."""
    random = np.random.default_rng(9)
    aucs = []
    for _ in range(3):
        labels = random.permutation(passengers.labels).tolist()
        permuted = Passengers(passengers.numbers, passengers.texts, labels)
        fold = random.permutation(len(passengers)) % FOLDS
        for held_out in range(FOLDS):
            train, test = (
                permuted.take(np.flatnonzero(rows).tolist())
                for rows in (fold != held_out, fold == held_out)
            )
            scores = fitted(train, test).score(test)
            aucs.append(evaluate(np.array(test.labels), scores)["auc"])
    deviation = math.sqrt((1309 + 1) / (12 * 500 * 809)) / math.sqrt(3)
    assert abs(np.mean(aucs) - 0.5) < 4 * deviation


texts = st.text(max_size=12) | st.sampled_from(["", "Ek, Mr. X", "male", "C85", "S"])
numbers = st.floats(0, LARGEST) | st.just(math.nan) | st.integers(0, 9).map(float)
people = st.lists(
    st.tuples(st.tuples(*[numbers] * len(NUMBERS)), st.tuples(*[texts] * len(TEXTS))),
    min_size=1,
    max_size=5,
)


@given(people)
def test_whatever_the_cells_hold_or_lack_there_is_a_probability(
    artifact: Artifact, people: list[tuple[tuple[float, ...], tuple[str, ...]]]
) -> None:
    rows = Passengers()
    for row_numbers, row_texts in people:
        for name, number in zip(NUMBERS, row_numbers, strict=True):
            rows.numbers[name].append(number)
        for name, text in zip(TEXTS, row_texts, strict=True):
            rows.texts[name].append(text)
    scores = artifact.score(rows)
    assert scores.shape == (len(people),)
    assert ((scores >= 0) & (scores <= 1)).all()
    assert np.isfinite(artifact.contributions(rows)).all()
