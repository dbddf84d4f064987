"""Draws what the notebook shows beside the pictures of the evidence page: the passengers, how good
the probabilities are, and what they come from. Each function draws on the axes that it is given."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.evidence.pictures import COLOR, FEATURES_SHOWN, GREY, GRID
from pipeline.local_fit.curves import calibration, precision_recall

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

DIED, SURVIVED = "#b5651d", COLOR  # told apart by the colour-blind too
AGES = np.arange(0, 90, 10)
FEWEST = 5  # passengers of which a share is shown


def survival_by_class(axes: Axes, passengers: Any) -> None:
    """`passengers` is a table with the columns sex, pclass and survived."""
    shares = passengers.groupby(["pclass", "sex"])["survived"].agg(["mean", "size"])
    sexes = sorted(passengers["sex"].unique())
    for place, sex in zip(np.linspace(-0.2, 0.2, len(sexes)), sexes, strict=True):
        of_sex = shares.xs(sex, level="sex")
        color = SURVIVED if sex == "female" else DIED
        bars = axes.bar(of_sex.index + place, of_sex["mean"], width=0.38, label=sex, color=color)
        texts = [f"{s:.0%}\nof {n}" for s, n in zip(of_sex["mean"], of_sex["size"], strict=True)]
        axes.bar_label(bars, labels=texts, padding=2, fontsize=9)
    classes = sorted(passengers["pclass"].unique())
    axes.set_xticks(classes, [f"class {number:.0f}" for number in classes])
    _shares(axes, "Survived, by class and sex")
    axes.legend(loc="upper right", title="sex")


def survival_by_age(axes: Axes, passengers: Any) -> None:
    """With the columns sex, age and survived; those of unknown age are left out."""
    known = passengers[passengers["age"].notna()]
    for sex, color in (("female", SURVIVED), ("male", DIED)):
        of_sex = known[known["sex"] == sex]
        groups = of_sex.groupby(np.digitize(of_sex["age"], AGES))["survived"].agg(["mean", "size"])
        enough = groups[groups["size"] >= FEWEST]
        middles = AGES[enough.index - 1] + 5
        axes.plot(middles, enough["mean"], color=color, marker="o", label=sex)
    axes.set_xticks(AGES)
    axes.set_xlabel("age, in tens of years")
    _shares(axes, f"Survived, by age ({len(known)} of known age)")
    axes.legend(loc="center right", title="sex")


def missing_values(axes: Axes, passengers: Any) -> None:
    """How many of the passengers lack each column; those that nobody lacks are left out."""
    shares = (passengers.isna() | (passengers == "")).mean().sort_values()
    shares = shares[shares > 0]
    bars = axes.barh(shares.index, shares, color=GREY)
    axes.bar_label(bars, labels=[f"{share:.1%}" for share in shares], padding=3, fontsize=9)
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_title("Not known, share of the passengers", fontsize=12)
    axes.spines[["top", "right"]].set_visible(False)


def precision_recall_curve(axes: Axes, metrics: Mapping[str, Any]) -> None:
    recall, precision, average = precision_recall(dict(metrics))
    counts = metrics["confusion_matrix"]
    rate = (counts["true_positive"] + counts["false_negative"]) / sum(counts.values())
    axes.axhline(rate, color=GREY, linestyle="--", linewidth=1, label=f"chance ({rate:.2f})")
    label = f"model (average precision {average:.4f})"
    axes.step(recall, precision, where="post", color=COLOR, linewidth=2, label=label)
    axes.set_title("Precision and recall on the validation data", fontsize=12)
    axes.set(xlabel="recall: found of those who survived", ylabel="precision: right of those found")
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.03))
    axes.grid(color=GRID, linewidth=0.6)
    axes.legend(loc="lower left")


def calibration_curve(
    axes: Axes, labels: NDArray[np.int64], probabilities: NDArray[np.float32]
) -> None:
    bins = calibration(labels, probabilities)
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label="perfect")
    axes.errorbar(
        [each.predicted for each in bins],
        [each.survived for each in bins],
        yerr=[
            [each.survived - each.low for each in bins],
            [each.high - each.survived for each in bins],
        ],
        fmt="o",
        color=COLOR,
        capsize=3,
        label=f"model: {min(each.count for each in bins)} passengers or more a point, 95% interval",
    )
    axes.set_title("Calibration on the validation data", fontsize=12)
    axes.set(xlabel="predicted probability of survival", ylabel="share that survived")
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axes.grid(color=GRID, linewidth=0.6)
    axes.legend(loc="upper left", fontsize=9)


def contribution_points(
    axes: Axes,
    names: Sequence[str],
    contributions: NDArray[np.float32],
    labels: NDArray[np.int64],
) -> None:
    """A point for each passenger and feature; `contributions` are those of Artifact."""
    shown = _largest(contributions[:, : len(names)])
    random = np.random.default_rng(0)
    for place, column in enumerate(shown):
        for label, color in ((0, DIED), (1, SURVIVED)):
            values = contributions[labels == label, column]
            heights = place + random.uniform(-0.32, 0.32, len(values))
            axes.scatter(values, heights, s=7, color=color, alpha=0.55, linewidths=0)
    axes.axvline(0, color=GREY, linewidth=1)
    axes.set_yticks(range(len(shown)), [names[column] for column in shown])
    axes.set_xlabel("SHAP value: what it adds to the log odds of survival")
    axes.set_title("Each passenger of the validation data", fontsize=12)
    for outcome, color in (("died", DIED), ("survived", SURVIVED)):
        axes.scatter([], [], s=30, color=color, label=outcome)
    axes.legend(loc="lower right")
    axes.spines[["top", "right"]].set_visible(False)


def contribution_bars(
    axes: Axes, names: Sequence[str], contributions: NDArray[np.float32], title: str = ""
) -> None:
    """The mean size of each feature's SHAP values; of one passenger (one row), the values."""
    values = contributions[:, : len(names)]
    shown = _largest(values)
    sizes = values[0, shown] if len(values) == 1 else np.abs(values).mean(axis=0)[shown]
    colors = [DIED if size < 0 else SURVIVED for size in sizes]
    bars = axes.barh([names[column] for column in shown], sizes, color=colors)
    axes.bar_label(bars, fmt="%.2f" if len(values) > 1 else "%+.2f", padding=3, fontsize=9)
    axes.margins(x=0.18)
    axes.axvline(0, color=GREY, linewidth=1)
    axes.set_xlabel("SHAP value (log odds)" if len(values) == 1 else "mean size of the SHAP values")
    axes.set_title(title or "Feature importance", fontsize=12)
    axes.spines[["top", "right"]].set_visible(False)


def _largest(values: NDArray[np.float32]) -> list[int]:
    """The columns that matter most, the most important one last: a plot begins at the bottom."""
    order: list[int] = np.argsort(np.abs(values).mean(axis=0))[-FEATURES_SHOWN:].tolist()
    return order


def _shares(axes: Axes, title: str) -> None:
    axes.set_ylim(0, 1.15)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_yticks(np.linspace(0, 1, 6))
    axes.set_title(title, fontsize=12)
    axes.grid(axis="y", color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
