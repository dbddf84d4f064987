"""The programs that are compared: this one, the usual script, AWS's container code, the floor.

`--image-python` is an interpreter with the image's packages (container/requirements.lock);
`--pandas-python` one with pandas, pyarrow, scikit-learn and xgboost; `--aws-python` one with AWS's
sagemaker-xgboost-container and sagemaker-containers. `--before` is a checkout of another version of
this project with a .venv of its own. Without one of the last three, its rows are left out.
"""

import argparse
import json
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from container.contract import HYPERPARAMETERS
from container.features import CATEGORIES, encode
from container.reading import read_rows
from container.schema import LABEL, NUMBERS
from pipeline.data import prepare
from pipeline.settings import DEFAULT_CONFIG, load_settings

import pandas as pd
from numeric import write_program

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
OF_THE_IMAGE = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "4194304",
    "MALLOC_TRIM_THRESHOLD_": "8388608",
    "OPENBLAS_NUM_THREADS": "1",
}
OF_AWS = {"objective": "binary:logistic", "tree_method": "hist", "eval_metric": "logloss"}


@dataclass(frozen=True)
class Program:
    name: str
    command: list[str]
    environment: dict[str, str]
    folder: Path = ROOT


def options(description: str | None) -> argparse.ArgumentParser:
    """What to run, and with what."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kind", choices=("start", "titanic", "numeric"))
    parser.add_argument("folder", type=absolute, nargs="?", help="of the data, but for `start`")
    parser.add_argument("--trees", type=int, default=50, help="`start` has the defaults")
    parser.add_argument("--depth", type=int, default=6)
    parser.add_argument("--threads", type=int, help="of each program; without it, all cores")
    parser.add_argument("--image-python", metavar="PYTHON", type=absolute, default=sys.executable)
    parser.add_argument("--before", metavar="CHECKOUT", type=absolute)
    parser.add_argument("--pandas-python", metavar="PYTHON", type=absolute)
    parser.add_argument("--aws-python", metavar="PYTHON", type=absolute)
    return parser


def absolute(path: str) -> Path:
    """The programs run in other folders. The link of an environment stays what it is."""
    return Path(path).absolute()


def programs(given: argparse.Namespace, folder: Path) -> list[Program]:
    """Return those of the options; what they need is written into `folder`."""
    if given.threads:
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
        os.environ |= dict.fromkeys(names, str(given.threads))
    match given.kind:
        case "start":
            return _start(given, folder)
        case "titanic":
            return _titanic(given, folder)
        case _:
            return _numeric(given, folder)


def _start(given: argparse.Namespace, folder: Path) -> list[Program]:
    channels, numbers = folder / "data", folder / "numbers"
    _titanic_channels(channels, numbers)
    defaults = {name: each.default for name, each in HYPERPARAMETERS.items()}
    python = given.image_python
    found = [
        *_jobs(given, "this program", folder, channels, {}),
        Program("`import pandas, xgboost`", [python, "-c", "import pandas, xgboost"], {}),
    ]
    if python := given.pandas_python:
        peer = (channels, defaults["num_round"], defaults["max_depth"], folder / "model.ubj")
        found.append(_script("pandas, scikit-learn", python, "pandas_titanic.py", *peer))
    if python := given.aws_python:
        del defaults["early_stopping_rounds"]  # 0 is not among what it takes
        found.append(_aws_job(python, folder, numbers, defaults))
    return found


def _titanic(given: argparse.Namespace, folder: Path) -> list[Program]:
    found = []
    for form in ("csv", "parquet"):
        data = given.folder / form
        settings = {"num_round": given.trees, "max_depth": given.depth}
        found += _jobs(given, f"this program, {form}", folder, data, settings)
        if python := given.pandas_python:
            peer = (data, given.trees, given.depth, folder / "model.ubj")
            found.append(_script(f"pandas script, {form}", python, "pandas_titanic.py", *peer))
    return found


def _numeric(given: argparse.Namespace, folder: Path) -> list[Program]:
    csv, parquet = given.folder / "csv", given.folder / "parquet"
    trained = (given.trees, given.depth, folder / "model.ubj")
    settings = {"num_round": given.trees, "max_depth": given.depth, "eta": 0.3}
    found = []
    if python := given.aws_python:
        found.append(_aws_job(python, folder, csv, settings))
    write_program(folder)
    settings |= {"subsample": 1, "colsample_bytree": 1}  # XGBoost's defaults, as the others have
    for form, data in (("CSV", csv), ("Parquet", parquet)):
        name = f"this program for numbers, {form}"
        found.append(_job(name, given.image_python, folder, folder, data, settings))
    found.append(_script("floor", given.image_python, "floor_numeric.py", given.folder, *trained))
    if python := given.pandas_python:
        found.append(_script("pandas, CSV", python, "pandas_numeric.py", csv, *trained))
    return found


def _titanic_channels(texts: Path, numbers: Path) -> None:
    """Write the pipeline's own channels, and the same rows for what reads numbers only.

    Those hold the label, the numbers, and a number for each value of a category.
    """
    channels = prepare(load_settings(DEFAULT_CONFIG)).channels
    for name, content in channels.items():
        (texts / name).mkdir(parents=True)
        (texts / name / f"{name}.csv").write_bytes(content)
    rows = pd.concat({n: read_rows(c, n, labelled=True) for n, c in channels.items()})
    coded = encode(rows.reset_index(drop=True))[[*NUMBERS, *CATEGORIES]].set_index(rows.index)
    coded.insert(0, LABEL, rows[LABEL])
    for name in CATEGORIES:
        coded[name] = coded[name].cat.codes
    for name in channels:
        (numbers / name).mkdir(parents=True)
        coded.loc[name].to_csv(numbers / name / f"{name}.csv", index=False, float_format="%g")


def _jobs(
    given: argparse.Namespace,
    name: str,
    folder: Path,
    channels: Path,
    hyperparameters: Mapping[str, float],
) -> list[Program]:
    """Return this program, and that of the other checkout."""
    found = [_job(name, given.image_python, ROOT, folder, channels, hyperparameters)]
    if checkout := given.before:
        python, name = str(checkout / ".venv" / "bin" / "python"), name.replace("this", "former")
        found.append(_job(name, python, checkout, folder, channels, hyperparameters))
    return found


def _job(
    name: str,
    python: str,
    checkout: Path,
    folder: Path,
    channels: Path,
    hyperparameters: Mapping[str, float],
) -> Program:
    """Return the image's program on a tree of /opt/ml with these channels."""
    root = folder / name.replace(" ", "-")
    (root / "input" / "config").mkdir(parents=True)
    (root / "input" / "data").symlink_to(channels.resolve())
    content = json.dumps({key: str(value) for key, value in hyperparameters.items()})
    (root / "input" / "config" / "hyperparameters.json").write_text(content)
    environment = {"SAGEMAKER_BASE_DIR": str(root), "PYTHONPATH": str(checkout), **OF_THE_IMAGE}
    return Program(name, [python, "-m", "container", "train"], environment, checkout)


def _script(name: str, python: str, file: str, *arguments: object) -> Program:
    command = [python, str(HERE / file), *map(str, arguments)]
    return Program(name, command, {"PYTHONPATH": str(ROOT), **OF_THE_IMAGE})


def _aws_job(
    python: str, folder: Path, csv: Path, hyperparameters: Mapping[str, int | float]
) -> Program:
    """Algorithm mode, through the entry that its image has as `train`. Its CSV has no header, and
    the label first."""
    root = folder / "aws"
    config = root / "input" / "config"
    config.mkdir(parents=True)
    (root / "model").mkdir()
    channels = {}
    for name in ("train", "validation"):
        target = root / "input" / "data" / name
        target.mkdir(parents=True)
        with (csv / name / f"{name}.csv").open("rb") as source:
            source.readline()
            with (target / f"{name}.csv").open("wb") as file:
                shutil.copyfileobj(source, file)
        channels[name] = {"ContentType": "text/csv", "TrainingInputMode": "File"} | {
            "S3DistributionType": "FullyReplicated",
            "RecordWrapperType": "None",
        }
    for file_name, document in (
        ("hyperparameters", OF_AWS | {key: str(v) for key, v in hyperparameters.items()}),
        ("inputdataconfig", channels),
        (
            "resourceconfig",
            {"current_host": "algo-1", "hosts": ["algo-1"], "network_interface_name": "lo"},
        ),
    ):
        (config / f"{file_name}.json").write_text(json.dumps(document))
    environment = {  # as its image sets them
        "SAGEMAKER_BASE_DIR": str(root),
        "SAGEMAKER_TRAINING_MODULE": "sagemaker_xgboost_container.training:main",
        "SM_INPUT_TRAINING_CONFIG_FILE": str(config / "hyperparameters.json"),
        "SM_INPUT_DATA_CONFIG_FILE": str(config / "inputdataconfig.json"),
        "SM_CHECKPOINT_CONFIG_FILE": str(config / "checkpointconfig.json"),
        "SM_MODEL_DIR": str(root / "model"),
    }
    command = [python, "-m", "sagemaker_containers.cli.train"]
    return Program("AWS's container code, CSV", command, environment)
