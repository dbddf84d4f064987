"""Draw the pictures of the notebook that the evidence page does not have.

These are the data, precision and recall, and SHAP values, for any schema. Each function draws on
the axes that it is given.
"""

from collections.abc import Callable

from pipeline.evidence.metrics import CLASSES, group_shares
from pipeline.evidence.pictures import COLOR, FEATURES_SHOWN, GREY, GRID, side_by_side
from pipeline.evidence.scoring import Scores

import numpy as np
import pandas as pd
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter
from sklearn.metrics import average_precision_score, precision_recall_curve

MANY = 4  # labels of an axis beside each other; more are turned
COLORS = ("#b5651d", COLOR)  # of the labels 0 and 1; told apart by the colour-blind too


def show(alt: str, *drawings: Callable[[Axes], None]) -> None:
    """Show drawings side by side in a notebook, with an alternative text."""
    figure = side_by_side(*drawings)
    display(figure, metadata={"image/png": {"alt": alt}})  # type: ignore[no-untyped-call]


def label_share(axes: Axes, rows: pd.DataFrame, column: str) -> None:
    """Draw the share of label 1 by the values of a column, with the number of rows."""
    groups = group_shares(rows, column)
    bars = axes.bar(groups.index.astype(str), groups["mean"], color=COLOR)
    texts = [f"{s:.0%}\nof {n}" for s, n in zip(groups["mean"], groups["size"], strict=True)]
    axes.bar_label(bars, labels=texts, padding=2, fontsize=9)
    axes.tick_params(axis="x", labelsize=9, rotation=30 if len(groups) > MANY else 0)
    axes.set_ylim(0, 1.15)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_yticks(np.linspace(0, 1, 6))
    axes.set_title(f"Share of {CLASSES[1]}, by {column}", fontsize=12)
    axes.grid(axis="y", color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def missing_values(axes: Axes, rows: pd.DataFrame) -> None:
    """Draw the share of missing values of each column that has any."""
    shares = (rows.isna() | (rows == "")).mean().sort_values()
    shares = shares[shares > 0]
    bars = axes.barh(shares.index, shares, color=GREY)
    axes.bar_label(bars, labels=[f"{share:.1%}" for share in shares], padding=3, fontsize=9)
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_title("Missing, share of the rows", fontsize=12)
    axes.spines[["top", "right"]].set_visible(False)


def draw_learning_curve(axes: Axes, curve: pd.DataFrame) -> None:
    """Draw the cross-validated AUC over the number of training rows, as `learning_curve` gives."""
    low, high = curve["mean"] - curve["spread"], curve["mean"] + curve["spread"]
    axes.fill_between(curve.index, low, high, color=COLOR, alpha=0.15, label="spread of the folds")
    axes.plot(curve.index, curve["mean"], "o-", color=COLOR, linewidth=2, label="mean")
    for rows, auc in curve["mean"].items():
        axes.annotate(f"{auc:.3f}", (rows, auc), xytext=(0, 8), textcoords="offset points")
    axes.set(xlabel="training rows", ylabel="cross-validated AUC", title="Learning curve")
    axes.set_xlim(0, curve.index.max() * 1.1)
    axes.grid(color=GRID, linewidth=0.6)
    axes.legend(loc="lower right")


def draw_precision_recall(axes: Axes, scores: Scores) -> None:
    """Draw precision over recall, at every threshold."""
    precision, recall, _ = precision_recall_curve(scores.labels, scores.probabilities)
    average = average_precision_score(scores.labels, scores.probabilities)
    rate = scores.labels.mean()
    axes.axhline(rate, color=GREY, linestyle="--", linewidth=1, label=f"chance ({rate:.2f})")
    label = f"model (average precision {average:.4f})"
    axes.step(recall, precision, where="post", color=COLOR, linewidth=2, label=label)
    axes.set_title("Precision and recall on the validation data", fontsize=12)
    axes.set(xlabel=f"recall: found of {CLASSES[1]}", ylabel="precision: right of those found")
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.03))
    axes.grid(color=GRID, linewidth=0.6)
    axes.legend(loc="lower left")


def contribution_points(axes: Axes, contributions: pd.DataFrame, scores: Scores) -> None:
    """Draw a point for each row and column; `contributions` are those of scoring."""
    values = _largest(contributions)
    random = np.random.default_rng(0)
    for place, (_, column) in enumerate(values.items()):
        for label, color in enumerate(COLORS):
            points = column[scores.labels == label]
            heights = place + random.uniform(-0.32, 0.32, len(points))
            axes.scatter(points, heights, s=7, color=color, alpha=0.55, linewidths=0)
    axes.axvline(0, color=GREY, linewidth=1)
    axes.set_yticks(range(values.shape[1]), list(values))
    axes.set_xlabel(f"SHAP value: what it adds to the log odds of {CLASSES[1]}")
    axes.set_title("Each row of the validation data", fontsize=12)
    for name, color in zip(CLASSES, COLORS, strict=True):
        axes.scatter([], [], s=30, color=color, label=name)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2)
    axes.spines[["top", "right"]].set_visible(False)


def contribution_bars(axes: Axes, contributions: pd.DataFrame, title: str = "") -> None:
    """Draw the mean size of each column's SHAP values; of one row, the values."""
    values = _largest(contributions)
    single = len(values) == 1
    sizes = values.iloc[0] if single else values.abs().mean()
    bars = axes.barh(sizes.index, sizes, color=[COLORS[int(size >= 0)] for size in sizes])
    axes.bar_label(bars, fmt="%+.2f" if single else "%.2f", padding=3, fontsize=9)
    axes.margins(x=0.25)
    axes.axvline(0, color=GREY, linewidth=1)
    axes.set_xlabel("SHAP value (log odds)" if single else "mean size of the SHAP values")
    axes.set_title(title or "Feature importance", fontsize=12)
    axes.spines[["top", "right"]].set_visible(False)


def _largest(contributions: pd.DataFrame) -> pd.DataFrame:
    """Return the most important columns in ascending order: plots begin at the bottom."""
    values = contributions.drop(columns="intercept")
    return values[values.abs().mean().sort_values().index[-FEATURES_SHOWN:]]
