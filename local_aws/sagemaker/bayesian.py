"""Bayesian search: a tree-structured Parzen estimator over the unit cube.

The tried points are split into better and worse ones. Among random points near the better ones, the
search proposes the point with the highest ratio of the density of the better points to the density
of the worse points. Source: Bergstra et al., "Algorithms for Hyper-Parameter Optimization", NeurIPS
2011. AWS uses another method and proposes other values.
"""

import math
import random
from collections.abc import Sequence

FIRST_TRIALS = 3  # drawn at random before anything is proposed
BETTER_SHARE = 0.25
PROPOSALS = 24  # of which the best one is taken
WIDTH = 0.15  # of the kernels, in units of a range

Point = tuple[float, ...]  # a place in each range, from 0 to 1


def propose(tried: Sequence[tuple[Point, float]], source: random.Random, size: int) -> Point:
    """Return the next point to try.

    Args:
        tried: Points with their objectives; the lowest objective is the best.
        source: The random generator.
        size: The number of ranges.
    """
    if len(tried) < FIRST_TRIALS:
        return tuple(source.random() for _ in range(size))
    ordered = [point for point, _ in sorted(tried, key=lambda each: each[1])]
    cut = max(1, round(BETTER_SHARE * len(ordered)))
    better, worse = ordered[:cut], ordered[cut:]
    proposals = [_near(source.choice(better), source) for _ in range(PROPOSALS)]
    return max(proposals, key=lambda point: _density(point, better) / _density(point, worse))


def _near(point: Point, source: random.Random) -> Point:
    return tuple(min(max(source.gauss(each, WIDTH), 0.0), 1.0) for each in point)


def _density(point: Point, centers: Sequence[Point]) -> float:
    """Return the density of Gaussian kernels around `centers`, with a minimum above 0."""
    kernels = (math.exp(-(math.dist(point, each) ** 2) / (2 * WIDTH**2)) for each in centers)
    return 1e-3 + sum(kernels) / len(centers)
