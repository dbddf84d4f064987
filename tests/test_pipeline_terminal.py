"""What people see of the commands: whole words at 80 columns, colours on a terminal only."""

import io
import sys
from pathlib import Path

from container.errors import InputError
from pipeline import cli, tune
from pipeline.terminal import fit, say, stages

import pytest
from rich.console import Console

ARN = "arn:aws:sagemaker:us-east-1:123456789012:pipeline/titanic-pipeline-survival/execution/" + (
    "3j05j741jbl5"
)
IMAGE = f"123456789012.dkr.ecr.us-east-1.amazonaws.com/titanic-pipeline@sha256:{'0' * 64}"


def printed(line: str, *, terminal: bool) -> str:
    stream = io.StringIO()
    say(line, Console(file=stream, force_terminal=terminal, width=80))
    return stream.getvalue()


@pytest.mark.parametrize(
    "line",
    [
        f"execution {ARN}",
        f"image         {IMAGE}",
        f"ok           image                 {IMAGE}, a single manifest",
        "00:00:01   " + "validation-logloss " * 10,
    ],
)
def test_no_line_is_wider_than_the_terminal(line: str) -> None:
    assert max(map(len, fit(line, 80, 11).splitlines())) <= 80


def test_a_shortened_name_keeps_its_beginning_and_its_end() -> None:
    line = fit(f"execution {ARN}", 80, 10)
    assert line.startswith("execution arn:aws:sagemaker")
    assert line.endswith("execution/3j05j741jbl5")


def test_what_is_to_be_copied_stays_whole() -> None:
    command = f"hint: aws sagemaker describe-pipeline-execution --pipeline-execution-arn {ARN}"
    assert ARN in fit(command, 80)


def test_into_a_pipe_a_line_goes_as_it_is() -> None:
    line = f"error: execution {ARN} Failed: {'word ' * 40}end"
    assert printed(line, terminal=False) == f"{line}\n"


def test_a_line_said_beside_a_spinner_does_not_go_on_in_its_line() -> None:
    """It is printed by the console that knows of the spinner."""
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=80)
    with stages(console) as stage:
        stage("starting")
        say("local AWS: ready")
    assert "local AWS: ready\n" in stream.getvalue()


def test_colours_are_for_a_terminal_and_not_with_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[" in printed("error: no", terminal=True)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[3" not in printed("error: no", terminal=True)


def test_help_begins_with_what_the_command_does_and_fits_into_80_columns(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys, "argv", ["pipeline/tune.py"])
    with pytest.raises(SystemExit):
        tune.main(["--help"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Search for better hyperparameters")
    assert "Usage: .venv/bin/python pipeline/tune.py [OPTIONS]" in lines
    assert max(map(len, lines)) <= 80


def test_a_wrong_argument_is_an_error_with_a_hint(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        tune.main(["--jbs", "3"])
    assert ended.value.code == 2
    error, hint = capsys.readouterr().err.splitlines()
    assert error == "error: unrecognized arguments: --jbs 3"
    assert hint.endswith("--help lists the arguments")


def test_hints_name_the_settings_file_that_was_given(capsys: pytest.CaptureFixture[str]) -> None:
    def command() -> int:
        raise InputError("no stack", ".venv/bin/python build/deploy.py, or correct pipeline.yaml")

    assert cli.run(command) == cli.run(command, Path("our own/pipeline.yaml")) == 2
    assert capsys.readouterr().err.splitlines() == [
        "error: no stack",
        "hint: .venv/bin/python build/deploy.py, or correct pipeline.yaml",
        "error: no stack",
        "hint: .venv/bin/python build/deploy.py --config 'our own/pipeline.yaml', "
        "or correct our own/pipeline.yaml",
    ]
