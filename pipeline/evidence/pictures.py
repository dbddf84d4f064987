"""Draws what the evidence page shows: ROC curve, confusion matrix, feature importance."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from container.metrics import DECISION_THRESHOLD

# Told the first time that it looks for the machine's fonts; there is nothing for a user to do.
logging.getLogger("matplotlib").setLevel(logging.ERROR)

from matplotlib.axes import Axes  # noqa: E402 - after it has been quieted
from matplotlib.figure import Figure  # noqa: E402

ROC = "roc-curve.png"
CONFUSION = "confusion-matrix.png"
IMPORTANCE = "feature-importance.png"

INCHES = (6.4, 4.4)
DOTS_PER_INCH = 125  # 800 x 550 pixels
AXES = (0.2, 0.13, 0.74, 0.78)  # left, bottom, width and height, as shares of the picture
WIDE_LABELS = (0.38, 0.13, 0.56, 0.78)
FEATURES_SHOWN = 12
DARK = 0.6  # share of the largest count from which a cell's text is white

COLOR = "#1f5a96"
GREY = "#888888"
GRID = "#dddddd"


def draw(
    folder: Path, metrics: dict[str, Any] | None, importances: dict[str, float] | None
) -> list[str]:
    """Writes the pictures for which there are values (see scoring.py); their names."""
    drawn = []
    if metrics:
        drawn.append(_save(folder / ROC, lambda axes: roc_curve(axes, metrics)))
        drawn.append(_save(folder / CONFUSION, lambda axes: confusion_matrix(axes, metrics)))
    if importances:
        drawn.append(_save(folder / IMPORTANCE, lambda axes: feature_importance(axes, importances)))
    return drawn


def side_by_side(*drawings: Callable[[Axes], None]) -> Figure:
    """One picture of several, for a notebook."""
    figure = Figure(figsize=(2 * INCHES[0], INCHES[1]), layout="constrained")
    for number, drawing in enumerate(drawings, 1):
        drawing(figure.add_subplot(1, len(drawings), number))
    return figure


def roc_curve(axes: Axes, metrics: dict[str, Any]) -> None:
    axes.set_title("ROC curve on the validation data", fontsize=12)
    roc = metrics["roc"]
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label="chance (AUC 0.5)")
    axes.plot(
        roc["false_positive_rate"],
        roc["true_positive_rate"],
        color=COLOR,
        linewidth=2,
        label=f"model (AUC {metrics['auc']:.4f})",
    )
    axes.set(xlabel="false positive rate", ylabel="true positive rate")
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    axes.grid(color=GRID, linewidth=0.6)
    axes.legend(loc="lower right")


def confusion_matrix(axes: Axes, metrics: dict[str, Any]) -> None:
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
    classes = ["died", "survived"]
    axes.set_xticks([0, 1], classes)
    axes.set_yticks([0, 1], classes)
    axes.set(xlabel="predicted", ylabel="actual")


def feature_importance(axes: Axes, importances: dict[str, float]) -> None:
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
