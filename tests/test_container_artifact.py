"""The model as a whole: fitted, saved, loaded and scored in this process."""

import contextlib
import io
import json
import math
from pathlib import Path
from typing import Any

from container import contract, schema
from container.artifact import Artifact
from container.boosting import LinearModel
from container.errors import InputError
from container.evaluation import evaluate
from container.reading import read_rows
from container.train import fit
from pipeline.data import Dataset
from pipeline.evidence.scoring import contributions

import numpy as np
import pandas as pd
import pytest
import small_program
from conftest import small_file_system
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from pandas.testing import assert_frame_equal

DEFAULTS = contract.parse_hyperparameters({})
FOLDS = 5


def fitted(train: pd.DataFrame, validation: pd.DataFrame) -> Artifact:
    with contextlib.redirect_stdout(io.StringIO()):
        return fit(train, validation, DEFAULTS)


@pytest.fixture(scope="module")
def channels(dataset: Dataset) -> dict[str, pd.DataFrame]:
    return {n: read_rows(content, n, labelled=True) for n, content in dataset.channels.items()}


@pytest.fixture(scope="module")
def artifact(channels: dict[str, pd.DataFrame]) -> Artifact:
    return fitted(channels["train"], channels["validation"])


@pytest.fixture(scope="module")
def validation(channels: dict[str, pd.DataFrame]) -> pd.DataFrame:
    return channels["validation"]


def logit(probabilities: np.ndarray) -> Any:
    p = probabilities.astype(float)
    return np.asarray(np.log(p / (1 - p)))


def test_a_score_depends_on_the_row_alone(artifact: Artifact, validation: pd.DataFrame) -> None:
    scores = artifact.score(validation)
    order = np.random.default_rng(8).permutation(len(validation))
    for rows in (order, *order[:10, np.newaxis]):
        some = validation.iloc[rows].reset_index(drop=True)
        assert_array_equal(artifact.score(some), scores[rows])


def test_contributions_add_up_to_the_log_odds(artifact: Artifact, validation: pd.DataFrame) -> None:
    values = contributions(artifact, validation)
    assert list(values) == [*artifact.columns(validation), "intercept"]
    assert len(values) == len(validation)
    assert values["intercept"].nunique() == 1
    expected = logit(artifact.score(validation))
    np.testing.assert_allclose(values.sum(axis=1), expected, atol=1e-4)


def test_what_was_saved_scores_as_before(
    artifact: Artifact, validation: pd.DataFrame, tmp_path: Path
) -> None:
    artifact.save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {*contract.ARTIFACT_FILES}
    loaded = Artifact.load(tmp_path)
    assert_array_equal(loaded.score(validation), artifact.score(validation))
    assert_frame_equal(contributions(loaded, validation), contributions(artifact, validation))
    again = tmp_path / "again"
    again.mkdir()
    loaded.save(again)
    for name in contract.ARTIFACT_FILES:
        assert (again / name).read_bytes() == (tmp_path / name).read_bytes()


def test_a_full_disk_is_an_error_of_the_system(artifact: Artifact, tmp_path: Path) -> None:
    """So its failure file says what to do, and not where XGBoost met it."""
    small, error = small_file_system(tmp_path / "small", "4k"), "No space left on device"
    with small as folder, pytest.raises(OSError, match=error):
        artifact.save(folder)


def saved(artifact: Any, folder: Path) -> list[bytes]:
    folder.mkdir()
    artifact.save(folder)
    return [(folder / name).read_bytes() for name in contract.ARTIFACT_FILES]


def test_the_same_rows_give_the_same_bytes_in_any_chunks(tmp_path: Path) -> None:
    rows, quick = small_program.make_rows(3000), contract.parse_hyperparameters({"num_round": 20})
    whole = saved(small_program.train.fit(rows, rows, quick), tmp_path / "whole")
    for size in (1, 2999):
        chunks = [rows[n : n + size].reset_index(drop=True) for n in range(0, 3000, size)]
        chunked = small_program.train.fit(chunks, chunks, quick)
        assert saved(chunked, tmp_path / str(size)) == whole


def test_labels_that_mean_nothing_cannot_be_predicted(rows: pd.DataFrame) -> None:
    """Everything is learned inside the fold: with permuted labels the AUC of cross-validation is
    0.5, within four of its standard deviations."""
    random = np.random.default_rng(9)
    aucs = []
    for _ in range(3):
        permuted = rows.assign(**{schema.LABEL: random.permutation(rows[schema.LABEL])})
        fold = random.permutation(len(rows)) % FOLDS
        for held_out in range(FOLDS):
            train, test = (
                permuted[part].reset_index(drop=True)
                for part in (fold != held_out, fold == held_out)
            )
            labels = test[schema.LABEL].to_numpy()
            aucs.append(evaluate(labels, fitted(train, test).score(test))["auc"])
    positive, negative = rows[schema.LABEL].sum(), (rows[schema.LABEL] == 0).sum()
    deviation = math.sqrt((len(rows) + 1) / (12 * positive * negative)) / math.sqrt(3)
    assert abs(np.mean(aucs) - 0.5) < 4 * deviation


texts = st.text(max_size=12) | st.sampled_from(["", "Ek, Mr. X", "C85", "S"])
numbers = st.sampled_from([math.nan, 0.0, 1.0]) | st.floats(0, 1)


@st.composite
def allowed_rows(draw: st.DrawFn) -> pd.DataFrame:
    count = draw(st.integers(1, 5))
    columns: dict[str, Any] = {}
    for name, number in schema.NUMBERS.items():
        shares = draw(st.lists(numbers, min_size=count, max_size=count))
        values = [number.minimum + share * (number.maximum - number.minimum) for share in shares]
        columns[name] = np.round(values) if number.whole else np.array(values)
    for name, text in schema.TEXTS.items():
        cells = st.sampled_from(["", *text.spellings.values()]) if text.spellings else texts
        columns[name] = pd.Series(
            draw(st.lists(cells, min_size=count, max_size=count)), dtype=object
        )
    return pd.DataFrame(columns)


@given(allowed_rows())
@settings(max_examples=50)
def test_whatever_the_cells_hold_or_lack_there_is_a_probability(
    artifact: Artifact, rows: pd.DataFrame
) -> None:
    scores = artifact.score(rows)
    assert scores.shape == (len(rows),)
    assert ((scores >= 0) & (scores <= 1)).all()
    assert np.isfinite(contributions(artifact, rows)).all(axis=None)


def test_a_score_that_is_no_number_is_an_error(
    artifact: Artifact, validation: pd.DataFrame, tmp_path: Path
) -> None:
    artifact.save(tmp_path)
    path = tmp_path / contract.LINEAR_FILE
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "intercept": math.nan}))
    with pytest.raises(InputError, match=r"cannot be read: .* scores that are no num"):
        Artifact.load(tmp_path)
    with pytest.raises(InputError, match="no numbers"):
        Artifact(artifact.booster, LinearModel.load(path), artifact.tables).score(validation)


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("model.ubj", None, "no model.ubj"),
        ("tables.csv", None, "no tables.csv"),
        ("model.ubj", b"", "the artifact cannot be read: .*Invalid model format"),
        ("model.ubj", b"garbage", "the artifact cannot be read: .*Invalid model format"),
        ("linear.json", b"{", "the artifact cannot be read: "),
        ("linear.json", b"{}", "the artifact cannot be read: "),
        ("linear.json", b"[]", "the artifact cannot be read: "),
        ("tables.csv", b"", "the artifact cannot be read: "),
        ("tables.csv", b"a,b\n1,2\n", "the artifact cannot be read: tables.csv has other columns"),
        ("tables.csv", b"\xff", "the artifact cannot be read: "),
        ("tables.csv", b"table,key,hash,count,sum\nx,y,,one,1\n", "the artifact cannot be read: "),
        ("tables.csv", b"table,key,hash,count,sum\n", "the artifact cannot be read: "),
        ("tables.csv", b"table,key,hash,count,sum\nall,,,9,3\n", ".* shape mismatch"),
        ("linear.json", "others", "the artifact cannot be read: .* broadcast together"),
    ],
)
def test_a_broken_artifact_is_one_line_and_a_hint(
    name: str, content: bytes | str | None, problem: str, artifact: Artifact, tmp_path: Path
) -> None:
    artifact.save(tmp_path)
    if content is None:
        (tmp_path / name).unlink()
    elif content == "others":
        rows = small_program.make_rows(200)
        small_program.train.fit(rows, rows, DEFAULTS).linear.save(tmp_path / name)
    else:
        assert isinstance(content, bytes)
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=f"^{tmp_path}: {problem}.*\nhint: .*$"):
        Artifact.load(tmp_path)
