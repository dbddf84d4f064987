"""Runs trainings side by side, each in a process of its own, and prints a table in Markdown.

    run.py start                    from process start to the saved model on Titanic
    run.py titanic FOLDER           generated passengers (generate.py titanic ROWS FOLDER)
    run.py numeric FOLDER           generated numbers (generate.py numeric ROWS FOLDER)

Every round runs all of them, one after the other; the figures are medians over the rounds, the
ratios are medians of the ratios within a round. `--pandas-python` is an interpreter with pandas,
pyarrow, scikit-learn and xgboost; `--aws-python` one with AWS's sagemaker-xgboost-container.
Without one, its rows are left out.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from container.contract import HYPERPARAMETERS
from pipeline.data import prepare
from pipeline.settings import DEFAULT_CONFIG, load_settings

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
MIB = 2**20
OF_THE_IMAGE = {
    "MALLOC_MMAP_THRESHOLD_": "1048576",
    "MALLOC_TRIM_THRESHOLD_": "1048576",
    "OPENBLAS_NUM_THREADS": "1",
}
# Its entry without sagemaker-containers, which does nothing but set the variables given here.
AWS_PROGRAM = "from sagemaker_xgboost_container.training import run_algorithm_mode as m; m()"


@dataclass(frozen=True)
class Cost:
    wall: float  # seconds
    cpu: float  # seconds of both cores
    memory: float  # MiB, at most


@dataclass(frozen=True)
class Program:
    name: str
    command: list[str]
    environment: dict[str, str]


def cost(program: Program) -> Cost:
    """Of one run, which must succeed."""
    began = time.perf_counter()
    process = subprocess.Popen(
        program.command,
        env={**os.environ, **program.environment},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    if status:
        raise SystemExit(f"{program.name} ended with {status}:\n{output}")
    losses = [line for line in output.splitlines() if "validation" in line or "log_loss" in line]
    print(program.name, f"{wall:.2f} s", losses[-1:] or "", file=sys.stderr, flush=True)
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / MIB)


def compare(programs: list[Program], rounds: int) -> str:
    """A table; ratios are to the first program, and higher is worse."""
    costs = [[cost(program) for program in programs] for _ in range(rounds)]
    lines = [
        "| | wall s | CPU s | peak MiB | wall | CPU | memory |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for place, program in enumerate(programs):
        own, first = [row[place] for row in costs], [row[0] for row in costs]
        figures = [
            statistics.median(getattr(each, key) for each in own)
            for key in ("wall", "cpu", "memory")
        ]
        ratios = [
            statistics.median(
                getattr(a, key) / getattr(b, key) for a, b in zip(own, first, strict=True)
            )
            for key in ("wall", "cpu", "memory")
        ]
        cells = [f"{figures[0]:.2f}", f"{figures[1]:.2f}", f"{figures[2]:.0f}"]
        lines.append(f"| {program.name} | {' | '.join(cells + [f'{r:.2f}' for r in ratios])} |")
    return "\n".join(lines)


def job(name: str, folder: Path, channels: Path, hyperparameters: dict[str, int]) -> Program:
    """The image's program on a tree of /opt/ml with these channels."""
    root = folder / name.replace(" ", "-")
    (root / "input" / "config").mkdir(parents=True)
    (root / "input" / "data").symlink_to(channels.resolve())
    content = json.dumps({key: str(value) for key, value in hyperparameters.items()})
    (root / "input" / "config" / "hyperparameters.json").write_text(content)
    environment = {"SAGEMAKER_BASE_DIR": str(root), **OF_THE_IMAGE}
    return Program(name, [sys.executable, "-m", "container", "train"], environment)


def script(name: str, python: str, file: str, *arguments: object) -> Program:
    command = [python, str(HERE / file), *map(str, arguments)]
    return Program(name, command, {"PYTHONPATH": str(ROOT), **OF_THE_IMAGE})


def aws_job(python: str, folder: Path, csv: Path, rounds: int, depth: int) -> Program:
    """Algorithm mode: CSV without a header, the label first."""
    config = folder / "aws" / "input" / "config"
    config.mkdir(parents=True)
    channels = {}
    for name in ("train", "validation"):
        target = folder / "aws" / "input" / "data" / name
        target.mkdir(parents=True)
        with (csv / name / f"{name}.csv").open("rb") as source:
            source.readline()
            with (target / f"{name}.csv").open("wb") as file:
                shutil.copyfileobj(source, file)
        channels[name] = {"ContentType": "text/csv", "TrainingInputMode": "File"} | {
            "S3DistributionType": "FullyReplicated",
            "RecordWrapperType": "None",
        }
    (folder / "aws" / "model").mkdir()
    hyperparameters = {"objective": "binary:logistic", "num_round": str(rounds)} | {
        "max_depth": str(depth),
        "eta": "0.3",
        "tree_method": "hist",
        "eval_metric": "logloss",
    }
    host = {"current_host": "algo-1", "hosts": ["algo-1"], "network_interface_name": "lo"}
    for file_name, document in (
        ("hyperparameters", hyperparameters),
        ("inputdataconfig", channels),
        ("resourceconfig", host),
    ):
        (config / f"{file_name}.json").write_text(json.dumps(document))
    environment = {
        "SAGEMAKER_BASE_DIR": str(folder / "aws"),
        "SAGEMAKER_TRAINING_MODULE": "sagemaker_xgboost_container.training:main",
        "SAGEMAKER_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "SM_INPUT_TRAINING_CONFIG_FILE": str(config / "hyperparameters.json"),
        "SM_INPUT_DATA_CONFIG_FILE": str(config / "inputdataconfig.json"),
        "SM_CHECKPOINT_CONFIG_FILE": str(config / "checkpointconfig.json"),
        "SM_CHANNEL_TRAIN": str(folder / "aws" / "input" / "data" / "train"),
        "SM_CHANNEL_VALIDATION": str(folder / "aws" / "input" / "data" / "validation"),
        "SM_HOSTS": '["algo-1"]',
        "SM_CURRENT_HOST": "algo-1",
        "SM_MODEL_DIR": str(folder / "aws" / "model"),
    }
    return Program("AWS's container code, CSV", [python, "-c", AWS_PROGRAM], environment)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kind", choices=("start", "titanic", "numeric"))
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--rounds", type=int, default=5, help="how often all are run")
    parser.add_argument("--trees", type=int, default=50)
    parser.add_argument("--depth", type=int, default=6)
    parser.add_argument("--threads", type=int, help="of each program; without it, all cores")
    parser.add_argument("--pandas-python")
    parser.add_argument("--aws-python")
    options = parser.parse_args()
    if options.threads:
        os.environ |= dict.fromkeys(
            ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(options.threads)
        )
    with tempfile.TemporaryDirectory(dir=options.folder) as temporary:
        folder = Path(temporary)
        trained = (options.trees, options.depth, folder / "model.ubj")
        programs = []
        match options.kind:
            case "start":
                for name, content in prepare(load_settings(DEFAULT_CONFIG)).channels.items():
                    (folder / "data" / name).mkdir(parents=True)
                    (folder / "data" / name / f"{name}.csv").write_bytes(content)
                programs.append(job("this program", folder, folder / "data", {}))
                bare = [sys.executable, "-c", "import xgboost"]
                programs.append(Program("import xgboost alone", bare, {}))
                if options.pandas_python:
                    trees, depth = (HYPERPARAMETERS[n].default for n in ("num_round", "max_depth"))
                    peer = (folder / "data", trees, depth, folder / "model.ubj")
                    python = options.pandas_python
                    programs.append(
                        script("pandas, scikit-learn", python, "pandas_titanic.py", *peer)
                    )
            case "titanic":
                settings = {"num_round": options.trees, "max_depth": options.depth}
                for form in ("csv", "parquet"):
                    name = f"this program, {form}"
                    programs.append(job(name, folder, options.folder / form, settings))
                    if python := options.pandas_python:
                        peer = (options.folder / form, *trained)
                        programs.append(
                            script(f"pandas script, {form}", python, "pandas_titanic.py", *peer)
                        )
            case "numeric":
                csv, parquet = options.folder / "csv", options.folder / "parquet"
                own = sys.executable
                if options.aws_python:
                    programs.append(aws_job(options.aws_python, folder, csv, *trained[:2]))
                programs += [
                    script("floor", own, "floor_numeric.py", options.folder, *trained),
                    script("this program's modules, CSV", own, "numeric.py", csv, *trained),
                    script("this program's modules, Parquet", own, "numeric.py", parquet, *trained),
                ]
                if python := options.pandas_python:
                    programs.append(
                        script("pandas, CSV", python, "pandas_numeric.py", csv, *trained)
                    )
        print(compare(programs, options.rounds))


if __name__ == "__main__":
    main()
