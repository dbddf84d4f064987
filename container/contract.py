"""What the image and the pipeline must agree on, said once.

Standard library only, because both sides import it: channel and artifact names, the log line of
a metric and the regular expression that finds it, and the hyperparameters.
"""

import argparse
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from container.errors import InputError, did_you_mean

TRAIN_CHANNEL = "train"
VALIDATION_CHANNEL = "validation"

MODEL_FILE = "model.ubj"  # XGBoost's own binary JSON
LINEAR_FILE = "linear.json"
TABLES_FILE = "tables.csv"
ARTIFACT_FILES = (MODEL_FILE, LINEAR_FILE, TABLES_FILE)  # what scoring needs
METRICS_FILE = "metrics.json"
RESOURCES_FILE = "resources.json"  # beside the metrics in the output data, not in the artifact
PEAK_MEMORY = "peak_memory_mib"  # its one key

CONTENT_TYPES = ("text/csv", "application/json", "application/jsonlines")  # of rows to score
CHECKPOINT_PATH = "/opt/ml/checkpoints"  # SageMaker's own default; one S3 prefix for all jobs

FEW_ROWS = 100  # with fewer validation rows, the 95 % interval of an AUC of 0.85 is wider than 0.15
METRICS = ("accuracy", "auc", "f1", "log_loss")  # all on the validation channel
CROSS_VALIDATION = "cross_validation"  # or, with FOLDS, means of folds of the training channel
SPREAD = "auc_spread"  # of them also the standard deviation of the AUC between the folds
CROSS_VALIDATION_FILE = "cross_validation.json"  # in the output data


def metric_name(metric: str, on: str = VALIDATION_CHANNEL) -> str:
    """Return the name under which SageMaker shows a metric, as in `validation:auc`."""
    return f"{on}:{metric}"


def metric_line(metric: str, value: float, on: str = VALIDATION_CHANNEL) -> str:
    """Return the one log line of a final metric, as in `metric validation:auc=0.871658`."""
    return f"metric {metric_name(metric, on)}={value:.6f}"


def metric_regex(metric: str, on: str = VALIDATION_CHANNEL) -> str:
    """Return the expression that finds the value in `metric_line`, and in no other log line."""
    return rf"^metric {metric_name(metric, on)}=([0-9]+\.[0-9]+)$"


EXACT_INTEGERS = 2**53  # below it, a float holds every integer

_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")


def parse_number(value: object) -> int | float:
    """Parse `3`, `0.5` or `1e-3`, to an int where it is whole; raises ValueError, also for nan."""
    text = str(value).strip()
    if isinstance(value, bool) or not _NUMBER.fullmatch(text):
        raise ValueError(f"{value!r} is not a number")
    number = float(text)
    return int(number) if number.is_integer() and abs(number) < EXACT_INTEGERS else number


@dataclass(frozen=True)
class Hyperparameter:
    """A number with an inclusive range; "XGBoost Parameters" in its documentation says more."""

    type: type[int] | type[float]
    default: int | float
    minimum: int | float
    maximum: int | float
    help: str

    @property
    def allowed(self) -> str:
        """Return what a value may be, for an error message."""
        kind = "an integer" if self.type is int else "a number"
        return f"{kind} from {self.minimum} to {self.maximum}"

    def parse(self, value: object) -> int | float:
        """Parse a value, of SageMaker always a string; raises ValueError saying what is allowed."""
        try:
            number = parse_number(value)
        except ValueError:
            number = math.nan
        if not self.minimum <= number <= self.maximum or self.type(number) != number:
            raise ValueError(f"{value!r} is not {self.allowed}")
        return self.type(number)


HYPERPARAMETERS: Mapping[str, Hyperparameter] = {
    "num_round": Hyperparameter(int, 100, 1, 10_000, "boosting rounds (trees)"),
    "early_stopping_rounds": Hyperparameter(
        int, 0, 0, 1_000, "stop after so many rounds without a lower validation log loss; 0: never"
    ),
    "eta": Hyperparameter(float, 0.05, 0.0001, 1.0, "learning rate: the weight of each new tree"),
    "max_depth": Hyperparameter(int, 3, 1, 16, "most levels of a tree"),
    "min_child_weight": Hyperparameter(float, 1.0, 0.0, 1000.0, "least weight of rows in a leaf"),
    "gamma": Hyperparameter(float, 0.0, 0.0, 1000.0, "least loss reduction of a split"),
    "subsample": Hyperparameter(float, 0.8, 0.01, 1.0, "share of the rows drawn for each tree"),
    "colsample_bytree": Hyperparameter(float, 0.5, 0.01, 1.0, "share of the columns for each tree"),
    "reg_lambda": Hyperparameter(float, 1.0, 0.0, 1000.0, "L2 penalty on leaf values"),
    "reg_alpha": Hyperparameter(float, 0.0, 0.0, 1000.0, "L1 penalty on leaf values"),
    "seed": Hyperparameter(int, 42, 0, 2**31 - 1, "seed of the row and feature sampling"),
}


# With it, a job compares hyperparameters by cross-validation inside the training channel; it makes
# no model, and asks for no validation channel.
FOLDS = "cv_folds"
FOLDS_RANGE = Hyperparameter(int, 0, 3, 20, "cross-validate with so many folds, and make no model")
OF_JOB = {**HYPERPARAMETERS, FOLDS: FOLDS_RANGE}


def parse_hyperparameters(
    given: Mapping[str, object], declared: Mapping[str, Hyperparameter] = HYPERPARAMETERS
) -> dict[str, int | float]:
    """Return all that are declared, given or by default; raises InputError naming all mistakes."""
    values: dict[str, int | float] = {name: spec.default for name, spec in declared.items()}
    problems = []
    for name, value in sorted(given.items()):
        try:
            values[name] = declared[name].parse(value)
        except KeyError:
            nearest = did_you_mean(name, declared)
            problems.append(f"unknown hyperparameter {name}{nearest}")
        except ValueError as error:
            problems.append(f"{name}: {error}")
    if problems:
        hint = f"the known ones are {', '.join(declared)}"
        raise InputError(f"hyperparameters: {'; '.join(problems)}", hint)
    return values


def parse_arguments(arguments: Sequence[str]) -> dict[str, str]:
    """Return what is given as `--eta 0.1`; `--help` explains all, and exits. Raises InputError."""
    parser = argparse.ArgumentParser(
        prog="train",
        description="Train on the channels; what is given here goes before hyperparameters.json.",
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
        exit_on_error=False,
    )
    for name, spec in OF_JOB.items():
        text = f"{spec.help}; {spec.allowed} (default: {spec.default})"
        parser.add_argument(f"--{name}", metavar="N", help=text.replace("%", "%%"))
    try:
        known, unknown = parser.parse_known_args(arguments)
    except argparse.ArgumentError as error:
        raise InputError(f"arguments: {error}", "see `train --help`") from None
    if unknown:
        raise InputError(f"unknown arguments: {' '.join(unknown)}", "see `train --help`")
    return vars(known)
