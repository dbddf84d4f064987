"""Logistic regression with a ridge penalty, by Newton's method, from sums over batches of rows."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from container.cluster import ALONE, Cluster
from container.features import TrainingRows

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

RIDGE = 5.0  # on the coefficients of standardised columns, not on the intercept
MOST_PASSES = 25
TOLERANCE = 1e-6  # the largest change of a coefficient in the last pass
VECTORS = ("slope", "offset", "missing", "lowest", "highest")
SIGNIFICANT_DIGITS = 9  # kept: the last ones differ by the processor


@dataclass(frozen=True)
class Linear:
    """Adds `slope * x + offset` for each column, or `missing` where it is NaN, to the intercept.

    What lies outside of the training rows, from `lowest` to `highest`, counts as the nearest of
    them. The sum of a column's terms over the training rows is 0.
    """

    intercept: float
    slope: Floats
    offset: Floats
    missing: Floats
    lowest: Floats
    highest: Floats

    def terms(self, matrix: NDArray[np.float32]) -> Floats:
        """Log odds by column, shape (rows, features)."""
        known = self.slope * np.clip(matrix, self.lowest, self.highest) + self.offset
        terms: Floats = np.where(np.isnan(matrix), self.missing, known)
        return terms

    def margin(self, matrix: NDArray[np.float32]) -> Floats:
        """Log odds, shape (rows,)."""
        margin: Floats = self.intercept + self.terms(matrix).sum(axis=1)
        return margin

    def save(self, path: Path) -> None:
        content = {"intercept": self.intercept} | {
            name: getattr(self, name).tolist() for name in VECTORS
        }
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "Linear":
        content = json.loads(path.read_text(encoding="utf-8"))
        return cls(
            float(content["intercept"]),
            *(np.array(content[name], np.float64) for name in VECTORS),
        )


def fit_linear(batches: Sequence[TrainingRows], hosts: Cluster = ALONE) -> Linear:
    """`batches` are the training rows of this host, which are walked about ten times.

    Each column is standardised, its missing values are 0, and where there are any a second column
    says so.
    """
    scale = _Scale.of(batches, hosts)
    ridge = np.append(np.full(len(scale.mean) + np.count_nonzero(scale.missing), RIDGE), 0.0)
    beta = np.zeros(len(ridge))
    for _ in range(MOST_PASSES):
        gradient, curvature = np.zeros(len(beta)), np.zeros((len(beta), len(beta)))
        for rows in batches:
            x, weights = scale.apply(rows.matrix), rows.weights.astype(np.float64)
            p = 1 / (1 + np.exp(-(x @ beta)))
            gradient += x.T @ (weights * (rows.labels - p))
            curvature += x.T @ (x * (weights * p * (1 - p))[:, np.newaxis])
        gradient = hosts.total(gradient) - ridge * beta
        curvature = hosts.total(curvature) + np.diag(ridge)
        step = np.linalg.solve(curvature, gradient)
        beta += step
        if np.abs(step).max() < TOLERANCE:
            break
    return scale.undo(beta)


@dataclass(frozen=True)
class _Scale:
    mean: Floats
    deviation: Floats
    missing: Floats  # share of the rows
    lowest: Floats
    highest: Floats

    @classmethod
    def of(cls, batches: Iterable[TrainingRows], hosts: Cluster = ALONE) -> "_Scale":
        total, (count, first, second) = 0.0, np.zeros((3, 1))
        lowest, highest = np.full((2, 1), np.nan)
        for rows in batches:
            known = ~np.isnan(rows.matrix)
            x = np.where(known, rows.matrix, np.float64(0))
            weights = rows.weights.astype(np.float64)
            total += weights.sum()
            count = count + weights @ known
            first = first + weights @ x
            second = second + weights @ x**2
            lowest = np.fmin(lowest, np.fmin.reduce(rows.matrix))
            highest = np.fmax(highest, np.fmax.reduce(rows.matrix))
        total, count = hosts.total(total), hosts.total(count)
        first, second = hosts.total(first), hosts.total(second)
        lowest, highest = (
            np.fmin.reduce(hosts.merge(lowest)),
            np.fmax.reduce(hosts.merge(highest)),
        )
        mean = first / np.maximum(count, 1)
        variance = np.maximum(second / np.maximum(count, 1) - mean**2, 0)
        deviation = np.sqrt(variance) + (variance == 0)
        ends = np.nan_to_num(lowest), np.nan_to_num(highest)  # of a column without any value
        return cls(mean, deviation, 1 - count / total, *ends)

    def apply(self, matrix: NDArray[np.float32]) -> Floats:
        """Shape (rows, len(beta)); the last column is the intercept's."""
        unknown, some = np.isnan(matrix), self.missing > 0
        standard = np.where(unknown, 0, (matrix - self.mean) / self.deviation)
        second = unknown[:, some] - self.missing[some]
        return np.column_stack([standard, second, np.ones(len(matrix))])

    def undo(self, beta: Floats) -> Linear:
        """The same model on the columns as they are."""
        of_known, of_missing = beta[: len(self.mean)], np.zeros(len(self.mean))
        of_missing[self.missing > 0] = beta[len(self.mean) : -1]
        slope = of_known / self.deviation
        offset = -slope * self.mean - of_missing * self.missing
        missing = of_missing * (1 - self.missing)
        vectors = (slope, offset, missing, self.lowest, self.highest)
        return Linear(float(_rounded(beta[-1:])[0]), *map(_rounded, vectors))


def _rounded(values: Floats) -> Floats:
    return np.array([float(f"{value:.{SIGNIFICANT_DIGITS}g}") for value in values.tolist()])
