"""The training program as a process over an /opt/ml tree: what SageMaker sees of it."""

import json
import re
import shutil
import statistics
from collections.abc import Callable
from pathlib import Path

from container import contract
from container.schema import LABEL

import pandas as pd
import pytest
from conftest import RunJob

ARTIFACT = (*contract.ARTIFACT_FILES, contract.METRICS_FILE)


def give_hyperparameters(root: Path, **values: str) -> None:
    path = root / "input" / "config" / "hyperparameters.json"
    path.write_text(json.dumps(values), encoding="utf-8")


def trained(root: Path, run_job: RunJob, *arguments: str) -> dict[str, bytes]:
    """The model folder of a job that succeeded; it is gone again."""
    job = run_job(root, *arguments)
    assert job.returncode == 0, job.stderr
    files = {path.name: path.read_bytes() for path in (root / "model").iterdir()}
    shutil.rmtree(root / "model")
    return files


def channel_file(root: Path, channel: str = "validation") -> Path:
    return root / "input" / "data" / channel / f"{channel}.csv"


def rewrite(path: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    rows = pd.read_csv(path, dtype=str, keep_default_na=False)
    change(rows).to_csv(path, index=False)


def test_a_job_leaves_a_whole_artifact_and_its_metrics(opt_ml: Path, run_job: RunJob) -> None:
    give_hyperparameters(
        opt_ml, max_depth="3", num_round="80", _tuning_objective_metric="validation:auc"
    )
    job = run_job(opt_ml, "train")
    assert job.returncode == 0, job.stdout + job.stderr
    assert job.stderr == ""
    assert sorted(path.name for path in (opt_ml / "model").iterdir()) == sorted(ARTIFACT)
    assert {path.name for path in opt_ml.iterdir()} == {"input", "model", "output"}
    assert [path.name for path in (opt_ml / "output").iterdir()] == ["data"]

    metrics = json.loads((opt_ml / "model" / contract.METRICS_FILE).read_text(encoding="utf-8"))
    beside = opt_ml / "output" / "data" / contract.METRICS_FILE
    assert json.loads(beside.read_text(encoding="utf-8")) == metrics
    resources = json.loads(beside.with_name(contract.RESOURCES_FILE).read_text(encoding="utf-8"))
    (peak,) = re.findall(r"peak memory (\d+) MiB", job.stdout)
    assert resources == {contract.PEAK_MEMORY: int(peak)}
    assert metrics["auc"] > 0.8
    assert metrics["trees"] == 80
    validation = pd.read_csv(channel_file(opt_ml))
    assert (
        sum(metrics["confusion_matrix"].values()) == metrics["validation_rows"] == len(validation)
    )
    assert "hyperparameter max_depth=3" in job.stdout
    lines = [contract.metric_line(name, metrics[name]) for name in contract.METRICS]
    assert job.stdout.splitlines()[-len(lines) :] == lines
    for name in contract.METRICS:
        found = re.findall(contract.metric_regex(name), job.stdout, re.MULTILINE)
        assert [float(value) for value in found] == [metrics[name]]
    assert "warning" not in job.stdout


def test_the_same_input_gives_the_same_bytes(opt_ml: Path, run_job: RunJob) -> None:
    results = []
    for arguments, threads in ((["train"], "1"), ([], "2")):
        assert run_job(opt_ml, *arguments, environment={"OMP_NUM_THREADS": threads}).returncode == 0
        results.append([(opt_ml / "model" / name).read_bytes() for name in ARTIFACT])
    assert results[0] == results[1]


def test_arguments_go_before_the_file_of_hyperparameters(opt_ml: Path, run_job: RunJob) -> None:
    give_hyperparameters(opt_ml, num_round="7", max_depth="2")
    by_file = trained(opt_ml, run_job)
    assert json.loads(by_file[contract.METRICS_FILE])["trees"] == 7
    job = run_job(opt_ml, "train", "--num_round", "3", "--eta=0.2")
    for line in ("num_round=3", "eta=0.2", "max_depth=2"):
        assert f"hyperparameter {line}\n" in job.stdout
    metrics = json.loads((opt_ml / "model" / contract.METRICS_FILE).read_text())
    assert metrics["trees"] == 3


def test_the_validation_rows_change_nothing_without_early_stopping(
    opt_ml: Path, run_job: RunJob
) -> None:
    whole = trained(opt_ml, run_job)
    rewrite(channel_file(opt_ml), lambda rows: rows[::2])
    half = trained(opt_ml, run_job)
    assert half.pop(contract.METRICS_FILE) != whole.pop(contract.METRICS_FILE)
    assert half == whole


def test_few_validation_rows_are_warned_of(opt_ml: Path, run_job: RunJob) -> None:
    def few(rows: pd.DataFrame) -> pd.DataFrame:
        return rows.sort_values(LABEL).iloc[[0, 1, -2, -1]]

    rewrite(channel_file(opt_ml), few)
    job = run_job(opt_ml, "train", "--num_round", "2")
    warning = f"warning: 4 validation rows prove little: give {contract.FEW_ROWS} or more\n"
    before, found, after = job.stdout.partition(warning)
    assert found
    assert after.startswith("metric ")
    assert "metric " not in before


def test_a_job_with_folds_only_measures_and_needs_no_validation_channel(
    opt_ml: Path, run_job: RunJob
) -> None:
    shutil.rmtree(opt_ml / "input" / "data" / "validation")
    give_hyperparameters(opt_ml, num_round="20", cv_folds="4")
    job = run_job(opt_ml, "train")
    assert job.returncode == 0, job.stderr
    lines = job.stdout.splitlines()
    folds = [line[:11] for line in lines if line.startswith("fold")]
    assert folds == [f"fold {n} of 4" for n in range(1, 5)]
    (path,) = (opt_ml / "output" / "data").iterdir()
    measured = json.loads(path.read_text(encoding="utf-8"))
    aucs = [fold["auc"] for fold in measured["folds"]]
    assert measured["auc"] == pytest.approx(sum(aucs) / 4)
    assert measured[contract.SPREAD] == pytest.approx(statistics.stdev(aucs))
    names = [*contract.METRICS, contract.SPREAD]
    on = contract.CROSS_VALIDATION
    assert lines[-5:] == [contract.metric_line(name, measured[name], on) for name in names]
    for name in names:
        found = re.findall(contract.metric_regex(name, on), job.stdout, re.MULTILINE)
        assert [float(value) for value in found] == [pytest.approx(measured[name], abs=1e-6)]
        assert not re.search(contract.metric_regex(name), job.stdout, re.MULTILINE)
    assert not (opt_ml / "model").exists()
