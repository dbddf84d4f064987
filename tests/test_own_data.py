"""Another data set in three edits: those of docs/own-data.md, made in a copy of the project."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import ROOT
from test_one_schema import WORDS

DOC = (ROOT / "docs" / "own-data.md").read_text(encoding="utf-8")
MAX_LINES = 60


def block(language: str) -> str:
    """Return the code block that begins with this line."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", DOC, re.DOTALL | re.MULTILINE)
    return str(found)


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(folder)}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    done = run(folder, "git", *identity, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with the edits of the page, and nothing else changed."""
    folder = tmp_path_factory.mktemp("own-data") / "project"
    for name in ("container", "pipeline", "build"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pipeline.yaml", "local_aws.yaml"):
        shutil.copy(ROOT / name, folder)
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "before")

    schema = folder / "container" / "schema.py"
    kept, _, _ = schema.read_text("utf-8").partition("LABEL = ")
    schema.write_text(kept + block("python schema.py"), encoding="utf-8")
    features = folder / "container" / "features.py"
    features.write_text(block("python features.py"), encoding="utf-8")
    settings = (folder / "pipeline.yaml").read_text("utf-8")
    for line in block("yaml pipeline.yaml").splitlines():
        settings, count = re.subn(rf"^{line.partition(':')[0]}: .*$", line, settings, flags=re.M)
        assert count == 1, line
    (folder / "pipeline.yaml").write_text(settings, encoding="utf-8")
    done = run(folder, sys.executable, "-c", block("python"))
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def finished(copy: Path) -> subprocess.CompletedProcess[str]:
    return run(copy, sys.executable, "pipeline/upsert_and_start.py", "--local")


def results(copy: Path) -> Path:
    (folder,) = (copy / "runs").iterdir()
    return folder


def test_three_files_change_by_few_lines(copy: Path) -> None:
    changes = [line.split() for line in git(copy, "diff", "--numstat").splitlines()]
    assert [name for *_, name in changes] == [
        "container/features.py",
        "container/schema.py",
        "pipeline.yaml",
    ]
    assert sum(int(added) for added, *_ in changes) <= MAX_LINES


def test_the_pipeline_trains_on_them(
    copy: Path, finished: subprocess.CompletedProcess[str]
) -> None:
    assert finished.returncode == 0, finished.stderr
    metrics = json.loads((results(copy) / "metrics.json").read_text("utf-8"))
    assert metrics["auc"] >= 0.98
    record = json.loads((results(copy) / "run.json").read_text("utf-8"))
    assert record["status"] == "Succeeded"


@pytest.mark.usefixtures("finished")
def test_the_page_is_about_them_alone(copy: Path) -> None:
    label = block("python schema.py").partition('"')[2].partition('"')[0]
    for name in ("report.md", "report.ko.md"):
        page = (results(copy) / name).read_text("utf-8")
        text = page.replace(str(copy), "")
        assert re.findall(rf"{WORDS}|titanic", text, re.IGNORECASE) == []
        assert f"`s3://{yaml.safe_load(block('yaml pipeline.yaml'))['stack_name']}-" in page
    assert label in (copy / "breast-cancer.csv").read_text("utf-8").splitlines()[0]
    assert "`breast-cancer.csv`" in (results(copy) / "report.md").read_text("utf-8")


@pytest.mark.usefixtures("finished")
def test_what_it_prints_is_about_them_alone(
    finished: subprocess.CompletedProcess[str], copy: Path
) -> None:
    said = (finished.stdout + finished.stderr).replace(str(copy), "")
    assert re.findall(rf"{WORDS}|titanic", said, re.IGNORECASE) == []


@pytest.mark.usefixtures("finished")
def test_the_artifact_scores_a_row_without_label(copy: Path) -> None:
    folder = copy / "model"
    shutil.unpack_archive(results(copy) / "model.tar.gz", folder)
    lines = (copy / "breast-cancer.csv").read_text("utf-8").splitlines()
    rows = "\n".join(line.rpartition(",")[0] for line in lines[:3])
    (copy / "rows.csv").write_text(rows + "\n", encoding="utf-8")
    done = run(copy, "sh", "-c", f"{sys.executable} -m container.predict model < rows.csv")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "probability,Benign"
    assert len(done.stdout.splitlines()) == 3
