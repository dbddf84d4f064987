"""The commands that only look, with --local: no account, and nothing of the user's is used."""

import os
import subprocess
import sys
from pathlib import Path

from pipeline import report
from pipeline.data import prepare
from pipeline.runs import RUNS
from pipeline.settings import Settings

import pytest
from conftest import ROOT


def run(folder: Path, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, str(ROOT / "pipeline" / command), "--local", *arguments],
        cwd=folder,
        env={"PATH": os.defpath, "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "run as child processes" in done.stderr
    return done


def test_data_are_uploaded_to_local_aws_and_written_beside_it(
    tmp_path: Path, settings: Settings
) -> None:
    done = run(tmp_path, "data.py", "--output", "channels")
    assert [line.rpartition("/data/")[0] for line in done.stdout.splitlines()] == [
        "s3://titanic-pipeline-123456789012-us-east-1"
    ] * 2
    written = {path.stem: path.read_bytes() for path in (tmp_path / "channels").iterdir()}
    assert written == prepare(settings).channels


def test_the_preflight_looks_at_local_aws(tmp_path: Path) -> None:
    assert "0 failure" not in (done := run(tmp_path, "preflight.py")).stderr
    assert "failure" not in done.stdout
    assert done.stdout.startswith("ok ")


def test_the_smallest_instance_is_found_on_local_aws(tmp_path: Path) -> None:
    assert "ml.m5.large" in run(tmp_path, "smallest_instance.py").stdout
    assert (tmp_path / "smallest-instance.json").exists()


def test_a_local_aws_with_a_stack_of_another_name_says_what_must_agree(tmp_path: Path) -> None:
    """`stack_name` of pipeline.yaml was changed, as docs/own-data.md says."""
    text = (ROOT / "local_aws.yaml").read_text().replace("name: titanic-pipeline", "name: other")
    text = text.replace("build/", f"{ROOT}/build/").replace("source: ", f"source: {ROOT}/")
    (tmp_path / "local_aws.yaml").write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "local_aws", "run", "--quiet", "--", "true"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    error, hint = done.stderr.splitlines()[1:3]
    assert error == "error: stack titanic-pipeline: not in region us-east-1"
    assert hint.startswith("hint: region and stack in local_aws.yaml must be region and stack_name")


@pytest.mark.usefixtures("here")
def test_the_report_of_a_local_run_that_was_never_made_is_one_line_and_a_hint(
    capsys: pytest.CaptureFixture[str],
) -> None:
    RUNS.mkdir()
    assert report.main(["--local"]) == 2
    assert capsys.readouterr().err == (
        "error: execution latest: no run of titanic-pipeline-survival with --local is in runs/\n"
        "hint: .venv/bin/python pipeline/upsert_and_start.py --local starts one and writes its "
        "pages\n"
    )
