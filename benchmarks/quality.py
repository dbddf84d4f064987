"""The model beside others on the 1,309 passengers: `python benchmarks/quality.py`.

Repeated 5-fold cross-validation, everything learned inside the training fold, in two protocols:
stratified (most passengers have companions among the training rows) and grouped by ticket (nobody
on the passenger's ticket is there). Prints a table in Markdown for each. CatBoost is left out where
it is not installed.
"""

import argparse
import contextlib
import io
import os
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # the folds run side by side

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from container.artifact import Artifact  # noqa: E402 - after the path is set
from container.contract import parse_hyperparameters  # noqa: E402
from container.features import title  # noqa: E402
from container.reading import read_rows  # noqa: E402
from container.schema import LABEL, NUMBERS  # noqa: E402
from container.train import fit  # noqa: E402

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import sklearn  # noqa: E402
import xgboost as xgb  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from sklearn.compose import ColumnTransformer  # noqa: E402
from sklearn.impute import SimpleImputer  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.metrics import log_loss, roc_auc_score  # noqa: E402
from sklearn.model_selection import GroupKFold, StratifiedKFold  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import OneHotEncoder, StandardScaler  # noqa: E402

try:
    import catboost
except ImportError:
    catboost = None

FOLDS = 5
INNER_FOLDS = 3
SEEDS = (21, 22, 23, 24, 25)  # none of them was used to choose anything
PROTOCOLS = ("stratified", "grouped by ticket")
COLUMNS = ("model", "AUC", "log loss", "ECE", "AUC - ours", "log loss - ours", "folds behind ours")

Floats = NDArray[np.float64]
Method = Callable[[pd.DataFrame, pd.DataFrame, "Folds"], dict[str, Floats]]


@dataclass(frozen=True)
class Folds:
    """Splits rows by a protocol, the same way for the same seed."""

    protocol: str
    seed: int

    def split(
        self, rows: pd.DataFrame, folds: int = FOLDS
    ) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
        """Yield training and held-out rows."""
        stratified = self.protocol == "stratified"
        kind = StratifiedKFold if stratified else GroupKFold
        splitter = kind(folds, shuffle=True, random_state=self.seed)
        for parts in splitter.split(rows, rows[LABEL], None if stratified else rows["ticket"]):
            train, test = (rows.iloc[part].reset_index(drop=True) for part in parts)
            yield train, test

    def best(self, rows: pd.DataFrame, choices: Sequence[Any], score: Any) -> Any:
        """Return the choice with the least log loss over folds of the training rows alone."""
        losses = np.zeros(len(choices))
        for train, test in self.split(rows, INNER_FOLDS):
            for index, choice in enumerate(choices):
                p = score(train, test, choice)
                losses[index] += log_loss(test[LABEL], p)
        return choices[int(np.argmin(losses))]


def fit_quietly(
    train: pd.DataFrame, test: pd.DataFrame, choice: dict[str, float] | None = None
) -> Artifact:
    """Return what the program makes of the rows, with its defaults but for a choice."""
    with contextlib.redirect_stdout(io.StringIO()):
        return fit(train, test, parse_hyperparameters(choice or {}))


def ours(train: pd.DataFrame, test: pd.DataFrame, _folds: Folds) -> dict[str, Floats]:
    """Score with this project's defaults; and with each of its two boosters alone."""
    artifact = fit_quietly(train, test)
    matrix = artifact.columns(test).to_numpy(np.float32)
    return {
        "**ours**": artifact.score(test),
        "ours, its trees alone": artifact.booster.inplace_predict(matrix),
        "ours, its linear booster alone": 1 / (1 + np.exp(-artifact.linear.margin(matrix))),
    }


def ours_nested(train: pd.DataFrame, test: pd.DataFrame, folds: Folds) -> dict[str, Floats]:
    """Choose this project's hyperparameters by cross-validation inside the training fold."""

    def score(train: pd.DataFrame, test: pd.DataFrame, choice: dict[str, float]) -> Any:
        return fit_quietly(train, test, choice).score(test)

    choices = [
        {"max_depth": depth, "num_round": rounds, "eta": eta}
        for depth in (2, 3, 5)
        for rounds, eta in ((100, 0.05), (150, 0.08))
    ]
    return {"ours, chosen in the fold": score(train, test, folds.best(train, choices, score))}


def columns(numbers: Any, texts: list[str]) -> ColumnTransformer:
    """Return what prepares numbers (all columns but `texts`) and makes texts columns of 0 and 1."""
    encode = OneHotEncoder(handle_unknown="ignore", min_frequency=5, sparse_output=False)
    return ColumnTransformer([("texts", encode, texts)], remainder=numbers)


def basic(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the numbers, sex and port, and the class as a text, too."""
    return rows[[*NUMBERS, "sex", "embarked"]].assign(class_=rows["pclass"].astype(str))


def logistic_regression(
    train: pd.DataFrame, test: pd.DataFrame, _folds: Folds
) -> dict[str, Floats]:
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    prepare = columns(numbers, ["sex", "embarked", "class_"])
    model = make_pipeline(prepare, LogisticRegression(max_iter=1000))
    model.fit(basic(train), train[LABEL])
    return {"logistic regression": model.predict_proba(basic(test))[:, 1]}


def xgboost_defaults(train: pd.DataFrame, test: pd.DataFrame, _folds: Folds) -> dict[str, Floats]:
    prepare = columns("passthrough", ["sex", "embarked", "class_"])
    model = make_pipeline(prepare, xgb.XGBClassifier())
    model.fit(basic(train), train[LABEL])
    return {"XGBoost, defaults": model.predict_proba(basic(test))[:, 1]}


def rich(rows: pd.DataFrame, train: pd.DataFrame) -> pd.DataFrame:
    """Return numbers (with family, and ticket group as far as the training rows tell) and texts."""
    size = rows["ticket"].map(train["ticket"].value_counts()).fillna(0)
    size += rows is not train  # the passenger, too
    return rows[[*NUMBERS, "sex", "embarked"]].assign(
        family=rows["sibsp"] + rows["parch"] + 1,
        group=size,
        fare_per_head=rows["fare"] / size,
        title=rows["name"].map(title),
        deck=rows["cabin"].str[:1],
    )


def xgboost_tuned(train: pd.DataFrame, test: pd.DataFrame, folds: Folds) -> dict[str, Floats]:
    """Search at random inside the training fold."""

    def score(train: pd.DataFrame, test: pd.DataFrame, choice: dict[str, Any]) -> Any:
        prepare = columns("passthrough", ["sex", "embarked", "title", "deck"])
        model = make_pipeline(prepare, xgb.XGBClassifier(**choice))
        model.fit(rich(train, train), train[LABEL])
        return model.predict_proba(rich(test, train))[:, 1]

    random = np.random.default_rng(folds.seed)
    choices = [
        {
            "n_estimators": int(random.choice([100, 150, 250])),
            "learning_rate": float(random.choice([0.03, 0.05, 0.08])),
            "max_depth": int(random.choice([2, 3, 4, 5])),
            "min_child_weight": int(random.choice([1, 2, 4])),
            "subsample": float(random.choice([0.6, 0.8, 1.0])),
            "colsample_bytree": float(random.choice([0.4, 0.6, 0.8])),
            "reg_lambda": float(random.choice([1, 3])),
        }
        for _ in range(8)
    ]
    return {"XGBoost, features, tuned": score(train, test, folds.best(train, choices, score))}


def catboost_(train: pd.DataFrame, test: pd.DataFrame, _folds: Folds) -> dict[str, Floats]:
    """Give it the same features, and ticket and surname, whose survival it learns itself."""

    def table(rows: pd.DataFrame) -> pd.DataFrame:
        surname = rows["name"].str.partition(",")[0]
        return rich(rows, train).assign(ticket=rows["ticket"], surname=surname)

    texts = ["sex", "embarked", "title", "deck", "ticket", "surname"]
    model = catboost.CatBoostClassifier(
        iterations=400,
        learning_rate=0.04,
        depth=5,
        thread_count=1,
        random_seed=1,
        verbose=False,
        allow_writing_files=False,
        cat_features=texts,
    )
    model.fit(table(train), train[LABEL])
    return {"CatBoost, features": model.predict_proba(table(test))[:, 1]}


METHODS: dict[str, Method] = {
    "ours": ours,
    "nested": ours_nested,
    "logistic": logistic_regression,
    "defaults": xgboost_defaults,
    "tuned": xgboost_tuned,
    **({"catboost": catboost_} if catboost else {}),
}


@cache
def titanic() -> pd.DataFrame:
    return read_rows(ROOT / "pipeline" / "titanic" / "titanic.csv", labelled=True)


def predict(task: tuple[str, Folds, int]) -> tuple[NDArray[np.int8], dict[str, Floats]]:
    """Return the labels of the held-out rows of one fold, and their scores by one method."""
    method, folds, index = task
    train, test = list(folds.split(titanic()))[index]
    return test[LABEL].to_numpy(), METHODS[method](train, test, folds)


def calibration_error(labels: NDArray[np.int8], p: Floats) -> float:
    """Return how far share and mean probability are apart, in ten bins of equally many rows."""
    order = np.argsort(p)
    bins = zip(np.array_split(labels[order], 10), np.array_split(p[order], 10), strict=True)
    return float(sum(abs(y.mean() - q.mean()) * len(y) for y, q in bins) / len(p))


def table(protocol: str, seeds: Sequence[int], pool: ProcessPoolExecutor) -> str:
    """Return one row a model: means over all folds, with the standard deviation of the folds.

    Differences are taken fold by fold; ECE is that of all rows of a repetition.
    """
    folds = [(Folds(protocol, seed), index) for seed in seeds for index in range(FOLDS)]
    results: dict[str, list[Floats]] = {}
    for method in METHODS:
        found = list(pool.map(predict, [(method, *fold) for fold in folds]))
        labels = [truth for truth, _ in found]
        results |= {name: [scores[name] for _, scores in found] for name in found[0][1]}
    scores = {
        name: np.array(
            [
                [roc_auc_score(truth, p), log_loss(truth, p)]
                for truth, p in zip(labels, column, strict=True)
            ]
        )
        for name, column in results.items()
    }
    lines = ["| " + " | ".join(COLUMNS) + " |", "| --- " * len(COLUMNS) + "|"]
    for name, score in scores.items():
        difference = score - scores["**ours**"]
        errors = [
            calibration_error(
                np.concatenate(labels[first : first + FOLDS]),
                np.concatenate(results[name][first : first + FOLDS]).astype(np.float64),
            )
            for first in range(0, len(folds), FOLDS)
        ]
        cells = [
            name,
            *(f"{v.mean():.4f} ± {v.std(ddof=1):.4f}" for v in score.T),
            f"{np.mean(errors):.3f}",
            *(f"{v.mean():+.4f} ± {v.std(ddof=1):.4f}" for v in difference.T),
            f"{sum(difference[:, 0] < 0)}, {sum(difference[:, 1] > 0)} of {len(folds)}",
        ]
        lines.append(
            "| " + " | ".join(cells if name != "**ours**" else [*cells[:4], "", "", ""]) + " |"
        )
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS, help="one repetition each")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="folds at a time")
    arguments = parser.parse_args(argv)
    libraries = [np, sklearn, xgb, *([catboost] if catboost else [])]
    versions = ", ".join(f"{module.__name__} {module.__version__}" for module in libraries)
    print(f"{platform.machine()}, Python {platform.python_version()}, {versions}")
    with ProcessPoolExecutor(arguments.processes) as pool:
        for protocol in PROTOCOLS:
            print(f"\n{protocol}, seeds {', '.join(map(str, arguments.seeds))}\n", flush=True)
            print(table(protocol, arguments.seeds, pool), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
