from dataclasses import replace
from pathlib import Path

from container.features import TrainingRows
from container.linear import RIDGE, VECTORS, Linear, fit_linear

import numpy as np


def training_rows(rows: int = 300) -> TrainingRows:
    """Two columns that matter, one of them with missing values, a third that is constant."""
    random = np.random.default_rng(1)
    x = random.normal(3, 2, size=(rows, 3))
    chance = 1 / (1 + np.exp(-(x[:, 0] - 3 - 0.5 * x[:, 1])))
    labels = random.random(rows) < chance
    x[random.random(rows) < np.where(labels, 0.4, 0.1), 1] = np.nan
    x[:, 2] = 7
    weights = random.choice([0.5, 1.0], rows)
    return TrainingRows(*(a.astype(np.float32) for a in (x, labels, weights)))


def part(rows: TrainingRows, of: slice) -> TrainingRows:
    return TrainingRows(rows.matrix[of], rows.labels[of], rows.weights[of])


def penalised_loss(linear: Linear, rows: TrainingRows) -> float:
    """What the fit minimises, from the definition: log loss by weight, and the ridge on the
    coefficients of standardised columns."""
    margin = linear.margin(rows.matrix)
    loss = rows.weights @ (np.logaddexp(0, margin) - rows.labels * margin)
    known = ~np.isnan(rows.matrix)
    of_known = []
    for column in range(rows.matrix.shape[1]):
        x, w = rows.matrix[known[:, column], column], rows.weights[known[:, column]]
        mean = np.average(x, weights=w)
        of_known.append(linear.slope[column] * np.sqrt(np.average((x - mean) ** 2, weights=w)))
    share = 1 - np.average(known, axis=0, weights=rows.weights)
    of_missing = np.where(share > 0, linear.missing / (1 - share), 0)
    return float(loss + RIDGE / 2 * (np.square(of_known).sum() + np.square(of_missing).sum()))


def test_no_other_coefficients_are_better() -> None:
    rows = training_rows()
    linear = fit_linear([rows])
    best = penalised_loss(linear, rows)
    share = 1 - np.average(~np.isnan(rows.matrix), axis=0, weights=rows.weights)
    mean = np.array(
        [np.average(c[~np.isnan(c)], weights=rows.weights[~np.isnan(c)]) for c in rows.matrix.T]
    )
    for step in (-0.01, 0.01):
        assert penalised_loss(replace(linear, intercept=linear.intercept + step), rows) > best
        for column in range(2):
            change = np.eye(3)[column] * step
            slope = linear.slope + change
            offset = linear.offset - change * mean
            moved = replace(linear, slope=slope, offset=offset)
            assert penalised_loss(moved, rows) > best
        change = np.eye(3)[1] * step
        offset, missing = linear.offset - change * share, linear.missing + change * (1 - share)
        moved = replace(linear, offset=offset, missing=missing)
        assert penalised_loss(moved, rows) > best


def test_batches_give_what_all_rows_at_once_give() -> None:
    rows = training_rows()
    at_once = fit_linear([rows])
    batches = fit_linear([part(rows, slice(0, 7)), part(rows, slice(7, None))])
    np.testing.assert_allclose(batches.intercept, at_once.intercept)
    for name in VECTORS:
        one, other = getattr(batches, name), getattr(at_once, name)
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-9, err_msg=name)


def test_the_terms_of_a_column_are_0_on_average_and_a_constant_column_has_none() -> None:
    rows = training_rows()
    terms = fit_linear([rows]).terms(rows.matrix)
    np.testing.assert_allclose(rows.weights @ terms / rows.weights.sum(), 0, atol=1e-6)
    np.testing.assert_allclose(terms[:, 2], 0, atol=1e-9)


def test_what_lies_outside_of_the_training_rows_counts_as_their_end() -> None:
    rows = training_rows()
    linear = fit_linear([rows])
    far = np.array([[1e9, -1e9, 7]], np.float32)
    ends = np.array([[rows.matrix[:, 0].max(), np.nanmin(rows.matrix[:, 1]), 7]], np.float32)
    np.testing.assert_allclose(linear.margin(far), linear.margin(ends), rtol=1e-6)


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    rows = training_rows()
    linear = fit_linear([rows])
    linear.save(tmp_path / "linear.json")
    loaded = Linear.load(tmp_path / "linear.json")
    np.testing.assert_array_equal(loaded.margin(rows.matrix), linear.margin(rows.matrix))
