"""The samples of output in README.md and docs/ are what the commands print today."""

import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

from pipeline import preflight, smallest_instance, tune, upsert_and_start
from pipeline.evidence.pictures import PICTURES
from pipeline.local import ProjectAws

import pytest
from conftest import ROOT
from generated import assert_sample_current
from model_server import running
from program import ENVIRONMENT

TERMINAL = {"COLUMNS": "80", "TERM": "xterm", "NO_COLOR": "1"}
TERMINAL |= {"TTY_COMPATIBLE": "1", "TTY_INTERACTIVE": "0"}  # without the spinner
PAGES = {
    "run": ["README.md", "README.ko.md"],
    "failure": ["README.md", "README.ko.md"],
    "preflight": ["docs/preflight.md"],
    "smallest": ["docs/smallest-instance.md"],
    "tune": ["docs/tuning.md"],
    "predict": ["docs/model-and-registry.md"],
    "package": ["docs/model-and-registry.md"],
    "serve": ["docs/serving.md"],
    "refused": ["docs/serving.md"],
}


def call(main: Callable[[list[str]], int], *arguments: str) -> tuple[str, str]:
    """Return what a command prints on a terminal of 80 columns: standard output and error."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in TERMINAL.items():
            patch.setenv(name, value)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main(list(arguments))
    return plain(out), plain(err)


def plain(stream: io.StringIO) -> str:
    lines = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\r", "", stream.getvalue()).splitlines()
    return "\n".join(line.rstrip() for line in lines).strip("\n")


def chosen(text: str, *patterns: str) -> str:
    """Return the lines in which one of the patterns is found."""
    return "\n".join(line for line in text.splitlines() if re.search("|".join(patterns), line))


@pytest.fixture(scope="module")
def samples(local_aws: ProjectAws, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("samples")
    changed = folder / "pipeline.yaml"
    text = (ROOT / "pipeline.yaml").read_text("utf-8").replace("_seconds: 900", "_seconds: 600")
    changed.write_text(text.replace(" pipeline/titanic/", f" {ROOT}/pipeline/titanic/"), "utf-8")
    with contextlib.chdir(folder):
        out, err = call(upsert_and_start.main, "--no-cache")
        told = chosen(err, "^preflight", "Train: Exec", r"\[99\]", "metric .*auc", "Auc: Succeeded")
        (record,) = (json.loads(path.read_text()) for path in folder.glob("runs/*/run.json"))
        _, failed = call(upsert_and_start.main, "--parameter", "MinValidationAuc=0.95")
        checks, _ = call(preflight.main, "--config", changed.name)
        checks = re.sub(r"\s+--config\s+pipeline\.yaml", "", checks)  # the page has the project's
        smallest, _ = call(smallest_instance.main)
        table, searched = call(tune.main, "--jobs", "3", "--parallel", "1")
    if "REGENERATE" in os.environ:
        for picture in PICTURES.values():
            shutil.copy(folder / "runs" / record["execution_arn"][-12:] / picture, ROOT / "docs")
    model = folder / "model"
    with tarfile.open(
        next(folder.glob(f"runs/{record['execution_arn'][-12:]}/*.tar.gz"))
    ) as archive:
        archive.extractall(model, filter="data")
    package = local_aws.clients.client("sagemaker").describe_model_package(
        ModelPackageName=record["model_package_arn"]
    )
    return {
        "run": f"{told}\n{out}",
        "failure": failed[failed.index("error: ") :],
        "preflight": checks,
        "smallest": smallest,
        "tune": searched[searched.index("00:00:00") :] + "\n" + table,
        "predict": predicted(model),
        "package": json.dumps(package["CustomerMetadataProperties"], indent=1)[2:-2],
        **served(folder),
    }


def predicted(model: Path) -> str:
    """Return the first lines of what container.predict prints for titanic.csv."""
    with (ROOT / "pipeline" / "titanic" / "titanic.csv").open("rb") as rows:
        done = subprocess.run(
            [sys.executable, "-m", "container.predict", str(model)],
            stdin=rows,
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            check=True,
        )
    return "\n".join(done.stdout.splitlines()[:3])


def served(root: Path) -> dict[str, str]:
    """Return the answer to the request of docs/serving.md, and to one with a cell that is wrong."""
    page = (ROOT / "docs" / "serving.md").read_text("utf-8")
    (body,) = re.findall("--data '({.*?})'", page, re.DOTALL)
    with running(root) as server:
        answer = server.invoke(body.encode(), "application/json").text
        wrong = body.replace('"age": 29', '"age": "old"').encode()
        refused = server.invoke(wrong, "application/json").text.rstrip()
    return {
        "serve": f"model of model\nserving on http://127.0.0.1:8080\n{answer}",
        "refused": refused,
    }


@pytest.mark.generated
@pytest.mark.parametrize(("name", "page"), [(n, p) for n, pages in PAGES.items() for p in pages])
def test_a_sample_is_what_the_command_prints(name: str, page: str, samples: dict[str, str]) -> None:
    assert_sample_current(ROOT / page, name, samples[name])
