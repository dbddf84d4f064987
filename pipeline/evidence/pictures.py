"""Draw the results of the evidence page: ROC curve, confusion matrix, importances, calibration."""

import functools
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from container.evaluation import DECISION_THRESHOLD
from pipeline.evidence.metrics import CLASSES
from pipeline.evidence.scoring import Scores, Scoring

# Told the first time that it looks for the machine's fonts; there is nothing for a user to do.
logging.getLogger("matplotlib").setLevel(logging.ERROR)

import matplotlib as mpl  # noqa: E402 - after it has been quieted
import numpy as np  # noqa: E402
from matplotlib import font_manager  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from sklearn.calibration import calibration_curve  # noqa: E402
from sklearn.metrics import roc_auc_score, roc_curve  # noqa: E402

PICTURES = {"en": "results.png", "ko": "results.ko.png"}  # the file in each language

INCHES = (9.2, 7.8)
DOTS_PER_INCH = 100  # text is readable, too, where a page of 700 pixels makes the picture smaller
FEATURES_SHOWN = 12
BINS = 8  # of the calibration curve, of equally many rows
ONE_IN_TWENTY = 1.96  # standard deviations that a normal variable leaves so often
DARK = 0.6  # share of the largest count from which a cell's text is white

COLOR = "#1f5a96"
GREY = "#888888"
GRID = "#dddddd"

# Fonts with Hangul, which matplotlib's own has not, by the beginning of their file's name.
KOREAN_FONTS = ("AppleSDGothicNeo", "malgun", "NanumGothic", "NotoSansCJK-Regular", "NotoSansKR")
KOREAN = {
    "ROC curve": "ROC 곡선",
    "false positive rate": "거짓 양성 비율(FPR)",
    "true positive rate": "참 양성 비율(TPR)",
    "chance": "무작위",
    "model": "모델",
    "Calibration": "보정(calibration)",
    "perfect": "완전한 보정",
    "{} rows a point, 95% interval": "점마다 {}행, 95% 구간",
    "predicted probability": "예측 확률",
    "share": "비율",
    "Confusion matrix at probability": "혼동 행렬, 임계값",
    "predicted": "예측",
    "actual": "실제",
    "Feature importance": "특성 중요도",
    "top": "상위",
    "mean |SHAP value| in log odds": "평균 |SHAP 값|(로그 오즈)",
}


Text = Callable[[str], str]  # gives a word of a picture in its language


@functools.cache
def korean_font() -> str | None:
    """Return the name of a font of this machine that has Hangul, or None."""
    files = {Path(path).stem: path for path in font_manager.findSystemFonts()}
    for begin in KOREAN_FONTS:
        for name in sorted(each for each in files if each.startswith(begin)):
            font_manager.fontManager.addfont(files[name])
            return str(font_manager.FontProperties(fname=files[name]).get_name())
    return None


def draw(folder: Path, scoring: Scoring, languages: Iterable[str] = ("en",)) -> list[str]:
    """Draw the results in one picture for each language, and return the names of the files.

    Nothing is drawn without results, and no Korean picture without a Korean font.
    """
    drawn = []
    for language in languages:
        text, font = (KOREAN.__getitem__, korean_font()) if language == "ko" else (str, None)
        drawings = _drawings(scoring, text)
        if not drawings or (language == "ko" and font is None):
            continue
        # A column of the data may be named in Hangul in the English page, too.
        fonts = [font, "sans-serif"] if font else ["sans-serif", *filter(None, [korean_font()])]
        with mpl.rc_context({"font.family": fonts}):
            figure = Figure(figsize=INCHES, dpi=DOTS_PER_INCH, layout="constrained")
            for place, drawing in drawings.items():
                drawing(figure.add_subplot(2, 2, place))
            # Without a version of matplotlib: the same values give the same bytes.
            figure.savefig(folder / PICTURES[language], metadata={"Software": None})
        drawn.append(PICTURES[language])
    return drawn


def _drawings(scoring: Scoring, text: Text) -> dict[int, Callable[[Axes], None]]:
    """Return what can be drawn, by its place: 1 and 2 in the upper row, 3 and 4 below."""
    scores, again, importances = scoring.scores, scoring.again, scoring.importances
    drawings: dict[int, Callable[[Axes], None]] = {}
    if scores and again:
        drawings[1] = functools.partial(draw_roc, scores=scores, text=text)
        drawings[2] = functools.partial(draw_confusion_matrix, metrics=again, text=text)
        drawings[4] = functools.partial(draw_calibration, scores=scores, text=text)
    if importances:
        drawings[3] = functools.partial(draw_importances, importances=importances, text=text)
    return drawings


def side_by_side(*drawings: Callable[[Axes], None]) -> Figure:
    """Return one picture of several, for a notebook."""
    figure = Figure(figsize=(5.6 * len(drawings), 4.2), layout="constrained")
    for number, drawing in enumerate(drawings, 1):
        drawing(figure.add_subplot(1, len(drawings), number))
    return figure


def draw_roc(axes: Axes, scores: Scores, text: Text = str) -> None:
    """Draw the ROC curve."""
    axes.set_title(text("ROC curve"), fontsize=12)
    false_positive, true_positive, _ = roc_curve(scores.labels, scores.probabilities)
    auc = roc_auc_score(scores.labels, scores.probabilities)
    label = f"{text('chance')} (AUC 0.5)"
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label=label)
    label = f"{text('model')} (AUC {auc:.4f})"
    axes.plot(false_positive, true_positive, color=COLOR, linewidth=2, label=label)
    axes.set(xlabel=text("false positive rate"), ylabel=text("true positive rate"))
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    axes.grid(color=GRID, linewidth=0.6)
    axes.legend(loc="lower right")


def draw_calibration(axes: Axes, scores: Scores, text: Text = str) -> None:
    """Draw the share of label 1 over the mean probability, of bins of equally many rows."""
    share, predicted = calibration_curve(
        scores.labels, scores.probabilities, n_bins=BINS, strategy="quantile"
    )
    rows = len(scores.labels) // BINS
    low, high = wilson_interval(share, rows)
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label=text("perfect"))
    label = text("{} rows a point, 95% interval").format(rows)
    error = [share - low, high - share]
    axes.errorbar(predicted, share, yerr=error, fmt="o", color=COLOR, capsize=3, label=label)
    axes.set_title(text("Calibration"), fontsize=12)
    axes.set(xlabel=f"{text('predicted probability')}: {CLASSES[1]}")
    axes.set(ylabel=f"{text('share')}: {CLASSES[1]}")
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    axes.grid(color=GRID, linewidth=0.6)
    axes.legend(loc="upper left", fontsize=9)


def wilson_interval(share: NDArray[Any], rows: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the 95 % confidence interval of a share (Wilson score interval)."""
    n, z = max(rows, 1), ONE_IN_TWENTY
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    # Rounding must not put the end of an interval on the wrong side of its share.
    return np.minimum(middle - half, share), np.maximum(middle + half, share)


def draw_confusion_matrix(axes: Axes, metrics: dict[str, Any], text: Text = str) -> None:
    """Draw the confusion matrix with its counts."""
    title = f"{text('Confusion matrix at probability')} {DECISION_THRESHOLD}"
    axes.set_title(title, fontsize=12)
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
    axes.set_yticks([0, 1], CLASSES, rotation=90, va="center")
    axes.set(xlabel=text("predicted"), ylabel=text("actual"))


def draw_importances(axes: Axes, importances: dict[str, float], text: Text = str) -> None:
    """Draw the columns that matter most, by their mean absolute SHAP value."""
    most = sorted(importances.items(), key=lambda each: each[1])[-FEATURES_SHOWN:]
    title = text("Feature importance")
    if len(most) < len(importances):
        title += f" ({text('top')} {len(most)}/{len(importances)})"
    axes.set_title(title, fontsize=12, loc="right")
    bars = axes.barh([name for name, _ in most], [value for _, value in most], color=COLOR)
    axes.bar_label(bars, fmt="%.2f", padding=3, fontsize=9)
    axes.set_xlim(0, most[-1][1] * 1.18)
    axes.set_xlabel(text("mean |SHAP value| in log odds"), loc="right")
    axes.tick_params(axis="y", labelsize=9)
    axes.spines[["top", "right"]].set_visible(False)
