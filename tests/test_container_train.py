"""The training program as a process over an /opt/ml tree: what SageMaker sees of it."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from container import contract
from container.linear import VECTORS
from container.passengers import NUMBERS

import pytest
from conftest import ROOT, SLOW, RunJob

ARTIFACT = (*contract.ARTIFACT_FILES, contract.METRICS_FILE)


def give_hyperparameters(root: Path, **values: str) -> None:
    path = root / "input" / "config" / "hyperparameters.json"
    path.write_text(json.dumps(values), encoding="utf-8")


def failure(root: Path) -> str:
    return (root / "output" / "failure").read_text(encoding="utf-8")


def trained_model(root: Path, run_job: RunJob) -> bytes:
    """The model of a job that succeeded; the model folder is gone again."""
    job = run_job(root)
    assert job.returncode == 0, job.stderr
    content = (root / "model" / contract.MODEL_FILE).read_bytes()
    shutil.rmtree(root / "model")
    return content


def validation_file(root: Path) -> Path:
    return root / "input" / "data" / "validation" / "validation.csv"


def test_a_job_leaves_a_whole_artifact_and_its_metrics(opt_ml: Path, run_job: RunJob) -> None:
    give_hyperparameters(
        opt_ml, max_depth="3", num_round="80", _tuning_objective_metric="validation:auc"
    )
    job = run_job(opt_ml, "train")
    assert job.returncode == 0, job.stdout + job.stderr
    assert sorted(path.name for path in (opt_ml / "model").iterdir()) == sorted(ARTIFACT)
    assert not (opt_ml / "output" / "failure").exists()

    metrics = json.loads((opt_ml / "model" / contract.METRICS_FILE).read_text(encoding="utf-8"))
    beside = opt_ml / "output" / "data" / contract.METRICS_FILE
    assert json.loads(beside.read_text(encoding="utf-8")) == metrics
    resources = json.loads(beside.with_name(contract.RESOURCES_FILE).read_text(encoding="utf-8"))
    assert resources == {
        contract.PEAK_MEMORY: int(re.findall(r"peak memory (\d+) MiB", job.stdout)[0])
    }
    assert metrics["auc"] > 0.8
    assert sum(metrics["confusion_matrix"].values()) == metrics["validation_rows"] == 262
    assert "hyperparameter max_depth=3" in job.stdout
    for metric in contract.METRICS:
        found = re.findall(contract.metric_regex(metric), job.stdout, re.MULTILINE)
        assert [float(value) for value in found] == [metrics[metric]]


def test_the_same_input_gives_the_same_bytes(opt_ml: Path, run_job: RunJob) -> None:
    results = []
    for arguments, threads in ((["train"], "1"), ([], "2")):
        assert run_job(opt_ml, *arguments, environment={"OMP_NUM_THREADS": threads}).returncode == 0
        results.append([(opt_ml / "model" / name).read_bytes() for name in ARTIFACT])
    assert results[0] == results[1]


def test_the_columns_recorded_after_the_sinking_change_nothing(
    opt_ml: Path, run_job: RunJob
) -> None:
    """Even a column that gives the label away, in the channel itself, is not seen."""
    without = trained_model(opt_ml, run_job)
    for channel in ("train", "validation"):
        path = opt_ml / "input" / "data" / channel / f"{channel}.csv"
        header, *lines = path.read_text(encoding="utf-8").splitlines()
        leaking = [f"{line},{line[0]},{line[0]}" for line in lines]
        path.write_text("\n".join([f"{header},boat,body", *leaking]), encoding="utf-8")
    assert trained_model(opt_ml, run_job) == without


def test_early_stopping_keeps_the_best_trees_only(opt_ml: Path, run_job: RunJob) -> None:
    give_hyperparameters(opt_ml, num_round="2000", early_stopping_rounds="5", eta="0.3")
    job = run_job(opt_ml)
    best, boosted = map(int, re.findall(r"best round (\d+) of (\d+)", job.stdout)[0])
    assert boosted == best + 5
    metrics = json.loads((opt_ml / "model" / contract.METRICS_FILE).read_text(encoding="utf-8"))
    assert metrics["trees"] == best


def test_all_rounds_are_boosted_and_the_validation_rows_change_nothing(
    opt_ml: Path, run_job: RunJob
) -> None:
    job = run_job(opt_ml)
    metrics = json.loads((opt_ml / "model" / contract.METRICS_FILE).read_text(encoding="utf-8"))
    assert metrics["trees"] == contract.HYPERPARAMETERS["num_round"].default
    assert "best round" not in job.stdout
    models = [(opt_ml / "model" / name).read_bytes() for name in contract.ARTIFACT_FILES]
    header, *lines = validation_file(opt_ml).read_text(encoding="utf-8").splitlines()
    validation_file(opt_ml).write_text("\n".join([header, *lines[::2]]), encoding="utf-8")
    assert run_job(opt_ml).returncode == 0
    assert models == [(opt_ml / "model" / name).read_bytes() for name in contract.ARTIFACT_FILES]


def test_several_files_of_a_channel_are_one_data_set(opt_ml: Path, run_job: RunJob) -> None:
    whole = trained_model(opt_ml, run_job)
    path = opt_ml / "input" / "data" / "train" / "train.csv"
    header, *lines = path.read_text(encoding="utf-8").splitlines()
    for name, part in (("a.csv", lines[:500]), ("b.csv", lines[500:])):
        (path.parent / name).write_text("\n".join([header, *part]), encoding="utf-8")
    path.unlink()
    (path.parent / "_SUCCESS").write_bytes(b"")
    assert "1047 rows from 2 file(s)" in run_job(opt_ml).stdout
    assert trained_model(opt_ml, run_job) == whole


def break_nothing_but(kind: str, root: Path) -> None:
    """Damages one thing in the tree."""
    path = validation_file(root)
    config = root / "input" / "config"
    match kind:
        case "missing channel":
            path.unlink()
            path.parent.rename(path.parent.with_name("test"))
        case "empty channel":
            path.unlink()
        case "empty file":
            path.write_bytes(b"")
        case "no header":
            path.write_text("\n".join(path.read_text().splitlines()[1:]))
        case "missing columns":
            path.write_text(path.read_text().replace(",fare,", ",price,", 1))
        case "bad label":
            path.write_text(path.read_text().replace("\n1,", "\nyes,", 1))
        case "not UTF-8":
            path.write_bytes(path.read_bytes() + b"\xff\xfe\n")
        case "one class":
            header, *lines = path.read_text().splitlines()
            path.write_text("\n".join([header, *(line for line in lines if line[0] == "1")]))
        case "not JSON":
            (config / "hyperparameters.json").write_text("{")
        case "unknown hyperparameter":
            (config / "hyperparameters.json").write_text('{"depth": "3"}')
        case "model folder is a file":
            (root / "model").write_text("")


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing channel", r"channel validation: .* is not there \(channels found: test, train\)"),
        ("empty channel", r"channel validation: no file in .*/validation"),
        ("empty file", r"validation\.csv: the file is empty"),
        ("no header", r"validation\.csv: no header"),
        ("missing columns", r"validation\.csv: missing columns: fare"),
        ("bad label", r"validation\.csv: rows with a label that is not 0 or 1"),
        ("not UTF-8", r"validation\.csv: not UTF-8 \(line 264"),
        ("one class", r"channel validation: every row of .* has the same label"),
        ("not JSON", r"hyperparameters\.json: not JSON"),
        ("unknown hyperparameter", r"hyperparameters: unknown hyperparameter depth"),
        ("model folder is a file", r"/model: cannot be written to"),
    ],
)
def test_every_failure_has_its_own_line_and_a_hint(
    kind: str, message: str, opt_ml: Path, run_job: RunJob
) -> None:
    break_nothing_but(kind, opt_ml)
    job = run_job(opt_ml, "train")
    assert job.returncode == 1
    first, second = failure(opt_ml).splitlines()
    assert re.search(message, first), first
    assert second.startswith("hint: ")
    assert f"error: {first}\n{second}\n" in job.stderr
    assert "Traceback" not in job.stderr
    assert not list(opt_ml.glob("model/*"))


def test_an_unknown_argument_is_refused(opt_ml: Path, run_job: RunJob) -> None:
    job = run_job(opt_ml, "predict")
    assert job.returncode == 1
    assert failure(opt_ml).startswith("unknown argument: predict\nhint: ")


def test_a_library_that_is_missing_still_ends_with_a_failure_file(
    opt_ml: Path, run_job: RunJob, tmp_path: Path
) -> None:
    (tmp_path / "xgboost.py").write_text("raise ImportError('libgomp.so.1: cannot open')")
    job = run_job(opt_ml, "train", environment={"PYTHONPATH": f"{tmp_path}:{ROOT}"})
    assert job.returncode == 1
    assert failure(opt_ml).startswith("ImportError: libgomp.so.1: cannot open\n")
    assert "Traceback" in failure(opt_ml)


def test_a_long_failure_is_cut_to_what_sagemaker_shows(opt_ml: Path, run_job: RunJob) -> None:
    give_hyperparameters(opt_ml, **{f"unknown_{n}": "1" for n in range(200)})
    run_job(opt_ml)
    assert len(failure(opt_ml)) == 1024
    assert failure(opt_ml).startswith("hyperparameters: unknown hyperparameter unknown_0;")


def test_sigterm_ends_the_job_at_once_and_says_so(opt_ml: Path) -> None:
    give_hyperparameters(opt_ml, **{name: str(value) for name, value in SLOW.items()})
    environment = {
        "PATH": os.defpath,
        "PYTHONPATH": str(ROOT),
        "SAGEMAKER_BASE_DIR": str(opt_ml),
    }
    with subprocess.Popen(
        [sys.executable, "-m", "container", "train"],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as job:
        assert job.stdout is not None
        while not job.stdout.readline().startswith("[50]"):
            pass
        began = time.monotonic()
        job.send_signal(signal.SIGTERM)
        job.stdout.read()
        assert job.wait(timeout=60) == 143
    assert time.monotonic() - began < 30, "SageMaker kills after 120 seconds"
    assert failure(opt_ml).startswith("stopped by SIGTERM")
    assert not list(opt_ml.glob("model/*"))


def predict(model: Path, rows: str) -> subprocess.CompletedProcess[str]:
    """Scores rows as a user would, with nothing but the model folder."""
    return subprocess.run(
        [sys.executable, "-m", "container.predict", str(model)],
        input=rows,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_artifact_alone_scores_raw_rows(opt_ml: Path, run_job: RunJob, tmp_path: Path) -> None:
    assert run_job(opt_ml).returncode == 0
    model = (opt_ml / "model").rename(tmp_path / "elsewhere")
    rows = validation_file(opt_ml).read_text(encoding="utf-8")
    scored = predict(model, rows).stdout.splitlines()
    assert scored[0] == "probability,survived"
    labels = [int(line[0]) for line in rows.splitlines()[1:]]
    predicted = [int(line.split(",")[1]) for line in scored[1:]]
    metrics = json.loads((model / contract.METRICS_FILE).read_text(encoding="utf-8"))
    right = sum(label == guess for label, guess in zip(labels, predicted, strict=True))
    assert right / len(labels) == pytest.approx(metrics["accuracy"], abs=1e-6)

    header, first, *_ = rows.splitlines()
    unlabelled = f"{header.partition(',')[2]}\n{first.partition(',')[2]}\n"
    assert predict(model, unlabelled).stdout.splitlines()[1] == scored[1]


NOTHING_LEARNED = {"categories": {}, "ages": {}, "means": dict.fromkeys(NUMBERS, 0)}


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("model.ubj", b"", "the artifact cannot be read"),
        ("model.ubj", b"garbage", "the artifact cannot be read"),
        ("features.json", b"{", "the artifact cannot be read"),
        ("features.json", b"{}", "the artifact cannot be read"),
        (
            "features.json",
            json.dumps({**NOTHING_LEARNED, "categories": {"shoe": {"41": 1}}}).encode(),
            "the artifact cannot be read",
        ),
        ("features.json", json.dumps(NOTHING_LEARNED).encode(), r"model\.ubj has \d+ features, "),
        ("linear.json", b"{", "the artifact cannot be read"),
        ("linear.json", b"{}", "the artifact cannot be read"),
        (
            "linear.json",
            json.dumps({"intercept": 0} | {name: [] for name in VECTORS}).encode(),
            r"linear\.json has 0 features, ",
        ),
        ("parties.npy", b"", "the artifact cannot be read"),
        ("parties.npy", b"garbage", "the artifact cannot be read"),
        ("parties.npy", b"\x93NUMPY\x01\x00", "the artifact cannot be read"),
    ],
)
def test_a_broken_artifact_is_one_line_and_a_hint(
    name: str, content: bytes, problem: str, opt_ml: Path, run_job: RunJob
) -> None:
    give_hyperparameters(opt_ml, num_round="2")
    assert run_job(opt_ml).returncode == 0
    (opt_ml / "model" / name).write_bytes(content)
    job = predict(opt_ml / "model", validation_file(opt_ml).read_text(encoding="utf-8"))
    assert job.returncode == 2
    assert re.match(f"error: .*/model: {problem}.*\nhint: .*\n$", job.stderr), job.stderr


def test_odd_texts_in_the_data_are_trained_on(opt_ml: Path, run_job: RunJob) -> None:
    """XGBoost itself refuses brackets in the names of features."""
    path = opt_ml / "input" / "data" / "train" / "train.csv"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(",male,", ",[male]<,"), encoding="utf-8")
    job = run_job(opt_ml)
    assert job.returncode == 0, job.stderr


def test_scoring_without_an_artifact_or_without_columns_says_what_is_missing(
    opt_ml: Path, run_job: RunJob, tmp_path: Path
) -> None:
    job = predict(tmp_path, "")
    assert job.returncode == 2
    assert f"error: {tmp_path}: no model.ubj\nhint: " in job.stderr
    run_job(opt_ml)
    job = predict(opt_ml / "model", "age\n3\n")
    assert job.returncode == 2
    assert "standard input: missing columns: pclass" in job.stderr
    assert job.stdout == ""
