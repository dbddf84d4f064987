"""The model beside others on the 1,309 passengers: `python benchmarks/quality.py`.

Repeated 5-fold cross-validation, everything learned inside the training fold, in three protocols:
stratified (a passenger's mates are mostly among the training rows), grouped by ticket (nobody on
the passenger's ticket is) and grouped by party (no family with other tickets is, either). Prints a
table in Markdown for each. The peers need scikit-learn; CatBoost is left out where it is not
installed.
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

from container.contract import parse_hyperparameters  # noqa: E402 - after the path is set
from container.encoded import title  # noqa: E402
from container.metrics import calibration_error, evaluate  # noqa: E402
from container.passengers import Passengers, read_passengers  # noqa: E402
from container.train import fit  # noqa: E402

import numpy as np  # noqa: E402
import sklearn  # noqa: E402
import xgboost as xgb  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from sklearn.impute import SimpleImputer  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.model_selection import GroupKFold, StratifiedKFold  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import OneHotEncoder, StandardScaler  # noqa: E402

try:
    import catboost
except ImportError:
    catboost = None

FOLDS = 5
INNER_FOLDS = 3
SEEDS = (11, 12, 13, 14, 15)  # none of them was used to choose anything
PROTOCOLS = ("stratified", "grouped by ticket", "grouped by party")
COLUMNS = ("model", "AUC", "log loss", "ECE", "AUC - ours", "log loss - ours", "folds behind ours")

Floats = NDArray[np.float64]
Method = Callable[[Passengers, Passengers, "Folds"], dict[str, Floats]]


@dataclass(frozen=True)
class Folds:
    protocol: str
    seed: int

    def split(self, rows: Passengers, folds: int = FOLDS) -> Iterator[tuple[list[int], list[int]]]:
        groups = {
            "stratified": lambda _: None,
            "grouped by ticket": lambda rows: rows.texts["ticket"],
            "grouped by party": parties,
        }[self.protocol](rows)
        kind = GroupKFold if groups else StratifiedKFold
        splitter = kind(folds, shuffle=True, random_state=self.seed)
        for train, test in splitter.split(rows.labels, rows.labels, groups):
            yield train.tolist(), test.tolist()

    def best(self, rows: Passengers, choices: Sequence[Any], score: Any) -> Any:
        """The choice with the least log loss over folds of the training rows alone."""
        losses = np.zeros(len(choices))
        for train, test in self.split(rows, INNER_FOLDS):
            held_out = rows.take(test)
            for index, choice in enumerate(choices):
                p = score(rows.take(train), held_out, choice)
                losses[index] += evaluate(np.array(held_out.labels), p)["log_loss"]
        return choices[int(np.argmin(losses))]


def parties(rows: Passengers) -> list[int]:
    """A number for each party: all who are connected by a ticket, or by surname and fare."""
    surnames = [name.partition(",")[0] for name in rows.texts["name"]]
    families = list(zip(surnames, rows.numbers["fare"], strict=True))
    before: list[int] = []
    party = list(range(len(rows)))
    while party != before:
        before = party
        for groups in (rows.texts["ticket"], families):
            least: dict[Any, int] = {}
            for group, number in zip(groups, party, strict=True):
                least[group] = min(number, least.get(group, number))
            party = [least[group] for group in groups]
    return party


def ours(train: Passengers, test: Passengers, _folds: Folds) -> dict[str, Floats]:
    """This project, with its defaults; and its two parts, each on its own."""
    with contextlib.redirect_stdout(io.StringIO()):
        artifact = fit(train, test, parse_hyperparameters({}))
    matrix = artifact.features.matrix(test)
    return {
        "**ours**": artifact.score(test),
        "ours, its XGBoost alone": artifact.booster.predict(xgb.DMatrix(matrix)),
        "ours, its regression alone": 1 / (1 + np.exp(-artifact.linear.margin(matrix))),
    }


def ours_nested(train: Passengers, test: Passengers, folds: Folds) -> dict[str, Floats]:
    """This project, its hyperparameters chosen by cross-validation inside the training fold."""

    def score(train: Passengers, test: Passengers, choice: dict[str, float]) -> Floats:
        with contextlib.redirect_stdout(io.StringIO()):
            return np.asarray(fit(train, test, parse_hyperparameters(choice)).score(test))

    choices = [
        {"max_depth": depth, "num_round": rounds, "eta": eta}
        for depth in (2, 3, 5)
        for rounds, eta in ((100, 0.05), (150, 0.08))
    ]
    return {"ours, chosen in the fold": score(train, test, folds.best(train, choices, score))}


def basic_columns(rows: Passengers) -> tuple[Floats, list[list[str]]]:
    """pclass, age, sibsp, parch and fare, shape (rows, 5), and as texts sex, port and pclass."""
    numbers = np.column_stack([np.array(column) for column in rows.numbers.values()])
    classes = [str(number) for number in rows.numbers["pclass"]]
    return numbers, [rows.texts["sex"], rows.texts["embarked"], classes]


def one_hot(there: list[list[str]], here: list[list[str]]) -> tuple[Floats, Floats]:
    """Texts of the training rows and of those to be predicted, as columns of 0 and 1."""
    encoder = OneHotEncoder(handle_unknown="ignore", min_frequency=5, sparse_output=False)
    learned = encoder.fit_transform(np.array(there, object).T)
    return learned, encoder.transform(np.array(here, object).T)


def logistic_regression(train: Passengers, test: Passengers, _folds: Folds) -> dict[str, Floats]:
    (there, texts), (here, other_texts) = basic_columns(train), basic_columns(test)
    prepare = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    learned, applied = one_hot(texts, other_texts)
    model = LogisticRegression(max_iter=1000)
    model.fit(np.column_stack([prepare.fit_transform(there), learned]), train.labels)
    scores = model.predict_proba(np.column_stack([prepare.transform(here), applied]))
    return {"logistic regression": scores[:, 1]}


def xgboost_defaults(train: Passengers, test: Passengers, _folds: Folds) -> dict[str, Floats]:
    (there, texts), (here, other_texts) = basic_columns(train), basic_columns(test)
    learned, applied = one_hot(texts, other_texts)
    model = xgb.XGBClassifier()
    model.fit(np.column_stack([there, learned]), train.labels)
    return {"XGBoost, defaults": model.predict_proba(np.column_stack([here, applied]))[:, 1]}


def rich_columns(rows: Passengers, train: Passengers) -> tuple[Floats, list[list[str]]]:
    """Numbers (with family and ticket group, its size known from the training rows) and texts."""
    numbers = [np.array(column) for column in rows.numbers.values()]
    size = np.array(
        [train.texts["ticket"].count(ticket) for ticket in rows.texts["ticket"]], np.float64
    )
    size += rows is not train  # the passenger, too
    family = np.array(rows.numbers["sibsp"]) + rows.numbers["parch"] + 1
    fare = np.array(rows.numbers["fare"]) / size
    texts = [
        rows.texts["sex"],
        rows.texts["embarked"],
        [title(name) for name in rows.texts["name"]],
        [cabin[:1] for cabin in rows.texts["cabin"]],
    ]
    return np.column_stack([*numbers, family, size, fare]), texts


def xgboost_tuned(train: Passengers, test: Passengers, folds: Folds) -> dict[str, Floats]:
    """A random search inside the training fold."""

    def score(train: Passengers, test: Passengers, choice: dict[str, Any]) -> Floats:
        (there, texts), (here, other_texts) = rich_columns(train, train), rich_columns(test, train)
        learned, applied = one_hot(texts, other_texts)
        model = xgb.XGBClassifier(**choice)
        model.fit(np.column_stack([there, learned]), train.labels)
        return np.asarray(model.predict_proba(np.column_stack([here, applied]))[:, 1])

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


def catboost_(train: Passengers, test: Passengers, _folds: Folds) -> dict[str, Floats]:
    """The same features, and ticket and surname as categories, whose survival it learns itself."""

    def table(rows: Passengers) -> list[list[Any]]:
        numbers, texts = rich_columns(rows, train)
        surnames = [name.partition(",")[0] for name in rows.texts["name"]]
        texts = [*texts, rows.texts["ticket"], surnames]
        return [[*row, *words] for row, *words in zip(numbers.tolist(), *texts, strict=True)]

    rows = table(train)
    texts = list(range(len(rows[0]) - 6, len(rows[0])))
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
    model.fit(rows, train.labels)
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
def titanic() -> Passengers:
    path = ROOT / "pipeline" / "titanic" / "titanic.csv"
    return read_passengers(path.read_bytes(), path.name, labelled=True)


def predict(task: tuple[str, Folds, int]) -> dict[str, Floats]:
    """Of the held-out rows of one fold, by one method."""
    method, folds, index = task
    train, test = list(folds.split(titanic()))[index]
    return METHODS[method](titanic().take(train), titanic().take(test), folds)


def table(protocol: str, seeds: Sequence[int], pool: ProcessPoolExecutor) -> str:
    """One row a model: means over all folds, with the standard deviation of the folds; of the
    differences, too, which are taken fold by fold. ECE is that of all rows of a repetition."""
    folds = [(Folds(protocol, seed), index) for seed in seeds for index in range(FOLDS)]
    results = {
        name: column
        for method in METHODS
        for name, column in _by_name(pool.map(predict, [(method, *fold) for fold in folds])).items()
    }
    held_out = [list(each.split(titanic()))[index][1] for each, index in folds]
    labels = [np.array(titanic().take(rows).labels) for rows in held_out]
    scores = {
        name: np.array(
            [
                [evaluate(truth, p)[metric] for metric in ("auc", "log_loss")]
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


def _by_name(predicted: Iterator[dict[str, Floats]]) -> dict[str, list[Floats]]:
    columns: dict[str, list[Floats]] = {}
    for fold in predicted:
        for name, p in fold.items():
            columns.setdefault(name, []).append(p)
    return columns


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
