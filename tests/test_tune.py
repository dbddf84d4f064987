"""The command that searches for hyperparameters, with real training jobs on local AWS."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from container.contract import HYPERPARAMETERS
from pipeline.image import resolve_image
from pipeline.local import ProjectAws
from pipeline.settings import load_settings
from pipeline.tune import main

import pytest
import yaml
from conftest import ROOT, WriteConfig
from present_image import TAG

SCRIPT = ROOT / "pipeline" / "tune.py"
SMALL = {
    "strategy": "Random",
    "jobs": 2,
    "parallel": 2,
    "folds": 3,
    "seed": 1,
    "ranges": {"max_depth": {"min": 1, "max": 6}, "eta": {"min": 0.1, "max": 0.3}},
}
QUICK = {"num_round": 5}

Tune = Callable[..., int]


@pytest.fixture
def tune(here: Path, write_config: WriteConfig, local_aws: ProjectAws) -> Tune:  # noqa: ARG001
    """Calls the command with a pipeline of this test's own on the running local AWS."""

    def call(*arguments: str, tuning: Any = SMALL, **settings: Any) -> int:
        settings = {"hyperparameters": QUICK, "tuning": tuning, **settings}
        name = f"titanic-pipeline-t-{here.parent.name[:40].replace('_', '-')}"
        return main(["--config", str(write_config(pipeline_name=name, **settings)), *arguments])

    return call


def record_of(folder: Path) -> dict[str, Any]:
    (path,) = folder.glob("runs/*/tuning.json")
    record: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return record


def test_a_search_prints_its_jobs_and_what_to_write_into_pipeline_yaml(
    tune: Tune,
    here: Path,
    local_aws: ProjectAws,
    write_config: WriteConfig,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert tune() == 0
    out, err = capsys.readouterr()
    line = r"^[\d:]{8}   ([12])/2 job ([12]): AUC (0\.\d{4})  eta=0\.\d+ max_depth=\d$"
    told = re.findall(line, err, re.MULTILINE)
    assert [done for done, _, _ in told] == ["1", "2"]
    assert "Random search, 2 training jobs on s3://" in err

    record = record_of(here)
    assert record["status"] == "Succeeded"
    assert record["objective"] == {"Type": "Maximize", "MetricName": "cross_validation:auc"}
    ecr = local_aws.clients.client("ecr")
    uri = resolve_image(ecr, local_aws.stack.repository_uri, TAG)
    assert record["image_uri"] == uri
    (data,) = record["data_uris"]
    assert data.endswith("/train/"), "the validation data are for the gate"
    first, second = sorted(record["trials"], key=lambda each: -each["objective"])
    assert record["best_training_job"] == first["training_job_name"]

    lines = out.splitlines()
    assert [line.split() for line in lines[:2]] == [["max_"], ["job", "AUC", "eta", "depth"]]
    assert lines[2].split()[0] == "present"
    shown_jobs = {tuple(line.split()[:2]) for line in lines[3:5]}
    assert {(job, auc) for _, job, auc in told} == shown_jobs, "one number a job"
    present = record["present"]
    shown = [float(line.split()[1]) for line in lines[2:5]]
    objectives = [each["objective"] for each in (present, first, second)]
    assert shown == pytest.approx(objectives, abs=5e-5)
    assert present["hyperparameters"]["num_round"] == 5
    assert 0 < present["spread"] < 0.2
    assert f"within the spread between the folds, {present['spread']:.4f}" in out
    block = yaml.safe_load(out[out.index("hyperparameters:") :])
    settings = load_settings(write_config(**block))
    assert settings.hyperparameters.keys() == HYPERPARAMETERS.keys()
    assert settings.hyperparameters["num_round"] == 5
    assert {n: settings.hyperparameters[n] for n in ("eta", "max_depth")} == first[
        "hyperparameters"
    ]


def test_arguments_come_before_the_file_and_a_grid_is_searched_whole(
    tune: Tune, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grid = SMALL | {"ranges": {"max_depth": [1, 2], "eta": [0.1, 0.3]}}
    assert tune("--strategy", "Grid", "--parallel", "3", tuning=grid) == 0
    assert "Grid search, 4 training jobs" in capsys.readouterr().err
    tried = [tuple(trial["hyperparameters"].values()) for trial in record_of(here)["trials"]]
    assert sorted(tried) == [(0.1, 1), (0.1, 2), (0.3, 1), (0.3, 2)]


def test_a_search_whose_jobs_all_fail_fails_with_the_reasons(
    tune: Tune, here: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """With 20 folds there must be 20 training rows of each label."""
    lines = (ROOT / "pipeline" / "titanic" / "titanic.csv").read_text("utf-8").splitlines()
    few = tmp_path / "few.csv"
    few.write_text("\n".join(lines[:61]) + "\n", encoding="utf-8")
    assert tune("--no-preflight", tuning=SMALL | {"folds": 20}, data_file=str(few)) == 1
    out, err = capsys.readouterr()
    assert re.search("error: execution Failed: .*20 folds: there are only", err)
    assert "\nhint: " in err
    assert "hyperparameters:" not in out
    assert record_of(here)["best_training_job"] is None


@pytest.mark.parametrize(
    ("arguments", "changes", "problem"),
    [
        (["--jobs", "0"], {}, r"tuning.jobs: '0': Input should be greater than or equal to 1"),
        (["--jobs", "many"], {}, r"tuning.jobs: 'many' is not a number"),
        (["--strategy", "Grid"], {}, "Grid takes lists of values, not eta, max_depth"),
        ([], {"tuning": None}, "there is no tuning block"),
        ([], {"max_cost_usd": 0.001}, r"3 x ml\.m5\.large at .* could cost .* more than 0.001 USD"),
    ],
)
def test_what_cannot_be_searched_is_one_error_with_a_hint(
    arguments: list[str],
    changes: dict[str, Any],
    problem: str,
    tune: Tune,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert tune(*arguments, **changes) in (1, 2)
    err = capsys.readouterr().err
    assert re.search(problem, err)
    assert "error: " in err
    assert "hint: " in err
    assert "Traceback" not in err


def test_more_jobs_at_once_than_the_quota_are_not_started(
    tune: Tune, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = {"instance_type": "ml.m5.xlarge", "max_cost_usd": 1000}
    assert tune("--jobs", "40", "--parallel", "31", **changed) == 2
    assert "error: quota: " in capsys.readouterr().err
    assert not (here / "runs").exists()


def test_ctrl_c_stops_the_search_and_its_training_jobs(
    here: Path, write_config: WriteConfig
) -> None:
    config = write_config(tuning=SMALL | {"jobs": 30, "parallel": 1})
    command = [sys.executable, str(SCRIPT), "--local", "--config", str(config)]
    with subprocess.Popen(
        command, cwd=here, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as job:
        assert job.stderr is not None
        for line in job.stderr:
            if " AUC " in line:
                break
        os.kill(job.pid, signal.SIGINT)
        out, err = job.communicate(timeout=60)
    assert job.returncode == 130
    assert "stopping the execution" in err
    assert "step Tune: Stopped" in err
    record = record_of(here)
    assert record["status"] == "Stopped"
    assert len(record["trials"]) < 30
    assert {trial["status"] for trial in record["trials"]} <= {"Completed", "Stopped"}
    assert "hyperparameters:" in out, "what was found so far"
