"""Draw what the evidence page shows: ROC curve, calibration, confusion matrix, importances."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from container.evaluation import DECISION_THRESHOLD
from pipeline.evidence.metrics import CLASSES
from pipeline.evidence.scoring import Scores, Scoring

# Told the first time that it looks for the machine's fonts; there is nothing for a user to do.
logging.getLogger("matplotlib").setLevel(logging.ERROR)

import numpy as np  # noqa: E402 - after it has been quieted
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from sklearn.calibration import calibration_curve  # noqa: E402
from sklearn.metrics import roc_auc_score, roc_curve  # noqa: E402

ROC = "roc-curve.png"
CALIBRATION = "calibration.png"
CONFUSION = "confusion-matrix.png"
IMPORTANCE = "feature-importance.png"

INCHES = (6.4, 4.4)
DOTS_PER_INCH = 125  # 800 x 550 pixels
AXES = (0.2, 0.13, 0.74, 0.78)  # left, bottom, width and height, as shares of the picture
WIDE_LABELS = (0.38, 0.13, 0.56, 0.78)
FEATURES_SHOWN = 12
BINS = 8  # of the calibration curve, of equally many rows
ONE_IN_TWENTY = 1.96  # standard deviations that a normal variable leaves so often
DARK = 0.6  # share of the largest count from which a cell's text is white

COLOR = "#1f5a96"
GREY = "#888888"
GRID = "#dddddd"


def draw(folder: Path, scoring: Scoring) -> list[str]:
    """Write the pictures for which there are values, and return their names."""
    drawn = []
    scores, again, importances = scoring.scores, scoring.again, scoring.importances
    if scores and again:
        drawn.append(_save(folder / ROC, lambda axes: draw_roc(axes, scores)))
        drawn.append(_save(folder / CALIBRATION, lambda axes: draw_calibration(axes, scores)))
        drawn.append(_save(folder / CONFUSION, lambda axes: draw_confusion_matrix(axes, again)))
    if importances:
        drawn.append(_save(folder / IMPORTANCE, lambda axes: draw_importances(axes, importances)))
    return drawn


def side_by_side(*drawings: Callable[[Axes], None]) -> Figure:
    """One picture of several, for a notebook."""
    figure = Figure(figsize=(2 * INCHES[0], INCHES[1]), layout="constrained")
    for number, drawing in enumerate(drawings, 1):
        drawing(figure.add_subplot(1, len(drawings), number))
    return figure


def draw_roc(axes: Axes, scores: Scores) -> None:
    axes.set_title("ROC curve on the validation data", fontsize=12)
    false_positive, true_positive, _ = roc_curve(scores.labels, scores.probabilities)
    auc = roc_auc_score(scores.labels, scores.probabilities)
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label="chance (AUC 0.5)")
    label = f"model (AUC {auc:.4f})"
    axes.plot(false_positive, true_positive, color=COLOR, linewidth=2, label=label)
    axes.set(xlabel="false positive rate", ylabel="true positive rate")
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    axes.grid(color=GRID, linewidth=0.6)
    axes.legend(loc="lower right")


def draw_calibration(axes: Axes, scores: Scores) -> None:
    """Draw the share of label 1 over the mean probability, of bins of equally many rows."""
    share, predicted = calibration_curve(
        scores.labels, scores.probabilities, n_bins=BINS, strategy="quantile"
    )
    rows = len(scores.labels) // BINS
    low, high = wilson_interval(share, rows)
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label="perfect")
    label = f"model: about {rows} rows a point, 95% interval"
    error = [share - low, high - share]
    axes.errorbar(predicted, share, yerr=error, fmt="o", color=COLOR, capsize=3, label=label)
    axes.set_title("Calibration on the validation data", fontsize=12)
    axes.set(xlabel=f"predicted probability of {CLASSES[1]}", ylabel=f"share of {CLASSES[1]}")
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axes.grid(color=GRID, linewidth=0.6)
    axes.legend(loc="upper left", fontsize=9)


def wilson_interval(share: NDArray[Any], rows: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return between which shares the truth lies, 19 times of 20 (Wilson's interval)."""
    n, z = max(rows, 1), ONE_IN_TWENTY
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    # Rounding must not put the end of an interval on the wrong side of its share.
    return np.minimum(middle - half, share), np.maximum(middle + half, share)


def draw_confusion_matrix(axes: Axes, metrics: dict[str, Any]) -> None:
    axes.set_title(f"Confusion matrix at probability {DECISION_THRESHOLD}", fontsize=12)
    counts = metrics["confusion_matrix"]
    cells = [
        [counts["true_negative"], counts["false_positive"]],
        [counts["false_negative"], counts["true_positive"]],
    ]
    largest = max(max(row) for row in cells)
    axes.imshow(cells, cmap="Blues", vmin=0, vmax=largest)
    for y, row in enumerate(cells):
        for x, count in enumerate(row):
            color = "white" if count > DARK * largest else "black"
            axes.text(x, y, str(count), ha="center", va="center", color=color, fontsize=18)
    axes.set_xticks([0, 1], CLASSES)
    axes.set_yticks([0, 1], CLASSES)
    axes.set(xlabel="predicted", ylabel="actual")


def draw_importances(axes: Axes, importances: dict[str, float]) -> None:
    most = sorted(importances.items(), key=lambda each: each[1])[-FEATURES_SHOWN:]
    title = "Feature importance"
    if len(most) < len(importances):
        title += f" (top {len(most)} of {len(importances)})"
    axes.set_title(title, fontsize=12)
    axes.set_position(WIDE_LABELS)
    bars = axes.barh([name for name, _ in most], [value for _, value in most], color=COLOR)
    axes.bar_label(bars, fmt="%.2f", padding=3, fontsize=9)
    axes.set_xlim(0, most[-1][1] * 1.12)
    axes.set(xlabel="mean |SHAP value| in log odds")
    axes.tick_params(axis="y", labelsize=9)
    axes.spines[["top", "right"]].set_visible(False)


def _save(path: Path, drawing: Callable[[Axes], None]) -> str:
    figure = Figure(figsize=INCHES, dpi=DOTS_PER_INCH)
    drawing(figure.add_axes(AXES))
    figure.savefig(path, metadata={"Software": None})  # the same values give the same bytes
    return path.name
