"""What all commands do when a signal, the machine or the credentials get in their way."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline import cli
from pipeline.diagnosis import redacted
from pipeline.local import ProjectAws
from pipeline.upsert_and_start import main

import pytest
from conftest import ROOT, SLOW, WriteConfig, small_file_system

START = ROOT / "pipeline" / "upsert_and_start.py"
GLOSSARY = ROOT / "pipeline" / "glossary.py"  # the command that ends soonest
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

COMMANDS = [
    path
    for folder in ("pipeline", "build")
    for path in sorted((ROOT / folder).glob("*.py"))
    if "raise SystemExit(main())" in path.read_text(encoding="utf-8")
    and path.name != "sbom.py"  # which runs in the image, and needs no packages
]

SIGNAL_AT_IMPORT = "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n"
SIGNALS_AT_EXIT = """
import atexit, os, signal
def signals():
    for number in (signal.SIGINT, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(os.getpid(), number)
atexit.register(signals)
"""
SIGNAL_IN_FINALIZER = """
import os, signal, time
from pipeline import cli
class Slow:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.2)
def command():
    Slow()
    time.sleep(60)
    return 0
raise SystemExit(cli.run(command))
"""


def run(
    script: Path, *arguments: str, environment: dict[str, str] | None = None, shell: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a command as a user without a terminal does; `shell` comes after it."""
    command: Sequence[str] = [sys.executable, str(script), *arguments]
    if shell:
        command = ["/bin/sh", "-c", f"{' '.join(command)} {shell}"]
    return subprocess.run(
        command,
        env={"PATH": os.defpath, "HOME": "/nonexistent", "AWS_EC2_METADATA_DISABLED": "true"}
        | (environment or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        start_new_session=True,
    )


@pytest.mark.parametrize("command", COMMANDS, ids=lambda path: path.name)
def test_a_python_without_the_packages_is_one_line_and_a_hint(command: Path) -> None:
    """It is what a user meets who has forgotten the virtual environment."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", command], capture_output=True, text=True, check=False
    )
    error, hint = done.stderr.splitlines()
    assert error.startswith("error: No module named ")
    assert hint == "hint: make .venv/ready, then use .venv/bin/python"


def test_the_python_of_another_copy_of_the_project_is_refused(tmp_path: Path) -> None:
    """Its packages would be used, and a change in this copy would have no effect."""
    copy = tmp_path / "pipeline" / GLOSSARY.name
    copy.parent.mkdir()
    copy.write_bytes(GLOSSARY.read_bytes())
    done = run(copy, environment={"PYTHONPATH": str(ROOT)})
    error, hint = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (2, "")
    assert error.endswith(
        f"{copy}: this Python has the packages of another copy of the project, {ROOT}"
    )
    assert hint == f"hint: cd {tmp_path} && make .venv/ready, then use its .venv/bin/python"


@pytest.mark.parametrize(("made_in", "commands"), [("this folder", 0), ("elsewhere", 1)])
def test_make_sets_up_again_what_was_moved_or_copied(
    made_in: str, commands: int, tmp_path: Path
) -> None:
    (tmp_path / ".venv").mkdir()
    (tmp_path / "local_aws").mkdir()
    for name in ("requirements.lock", "pyproject.toml", "local_aws/pyproject.toml"):
        (tmp_path / name).touch()
    place = tmp_path.resolve() if made_in == "this folder" else "/home/someone/project, a copy"
    (tmp_path / ".venv" / "ready").write_text(f"{place}\n")
    done = subprocess.run(
        ["make", "--dry-run", f"--file={ROOT / 'Makefile'}", ".venv/ready"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.count("-m venv --clear .venv") == commands


def test_ctrl_c_during_the_imports_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "yaml.py").write_text(SIGNAL_AT_IMPORT)
    for script in (START, ROOT / "build" / "deploy.py"):
        done = run(script, environment={"PYTHONPATH": str(tmp_path)})
        assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")


def test_signals_after_the_output_are_quiet(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(SIGNALS_AT_EXIT)
    done = run(GLOSSARY, environment={"PYTHONPATH": str(tmp_path)})
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


def test_ctrl_c_inside_a_finalizer_is_not_lost() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SIGNAL_IN_FINALIZER],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (130, "interrupted\n")


@pytest.mark.parametrize(
    ("first", "others"),
    [(signal.SIGHUP, ()), (signal.SIGTERM, (signal.SIGINT, signal.SIGINT, signal.SIGHUP))],
)
def test_a_signal_ends_a_rehearsal_and_leaves_nothing(
    first: signal.Signals,
    others: Sequence[signal.Signals],
    tmp_path: Path,
    write_config: WriteConfig,
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    with subprocess.Popen(
        [sys.executable, START, "--local", f"--config={write_config(hyperparameters=SLOW)}"],
        env={"PATH": os.defpath, "HOME": str(tmp_path), "TMPDIR": str(temporary)},
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        while "[50]" not in process.stderr.readline():
            assert process.poll() is None
        for number in (first, *others):
            process.send_signal(number)
            time.sleep(0.05)
        rest = process.stderr.read()
    assert process.returncode == 128 + first
    assert rest.splitlines()[-1] == "interrupted"
    assert "Traceback" not in rest
    assert "Exception ignored" not in rest
    assert [path.name for path in temporary.iterdir()] == []


def test_a_reader_that_has_seen_enough_ends_a_command_quietly() -> None:
    done = run(GLOSSARY, shell="| head -1")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 1
    with subprocess.Popen(
        [sys.executable, GLOSSARY], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == cli.READER_GONE


def test_an_output_that_is_closed_is_no_error() -> None:
    done = run(GLOSSARY, shell=">&-")
    assert (done.returncode, done.stderr) == (0, "")


def test_an_output_that_is_full_is_one_line_and_a_hint() -> None:
    done = run(GLOSSARY, shell="> /dev/full")
    assert done.returncode == cli.WRONG_INPUT
    error, hint = done.stderr.splitlines()
    assert error == "error: a file or the output: No space left on device"
    assert hint.startswith("hint: ")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with small_file_system(tmp_path / "small", "32k") as folder:
        yield folder


def test_a_folder_for_temporary_files_that_is_full_is_one_line_and_a_hint(
    small_disk: Path, tmp_path: Path
) -> None:
    environment = {"TMPDIR": str(small_disk), "HOME": str(tmp_path)}
    done = run(START, "--local", environment=environment)
    assert done.returncode == cli.WRONG_INPUT
    assert "Traceback" not in done.stderr
    error, hint = done.stderr.splitlines()[-2:]
    assert error.startswith("error: ")
    assert "No space left on device" in error
    assert hint.startswith("hint: ")


def test_a_full_disk_keeps_the_record_of_what_was_trained(
    local_aws: ProjectAws,  # noqa: ARG001
    small_disk: Path,
    here: Path,
    write_config: WriteConfig,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (here / "runs").symlink_to(small_disk)
    config = write_config(pipeline_name="titanic-pipeline-full-disk")
    assert main(["--config", str(config)]) == cli.WRONG_INPUT
    out, err = capsys.readouterr()
    (record,) = small_disk.glob("*/run.json")
    assert json.loads(record.read_text())["training_job_status"] == "Completed"
    assert [path.name for path in record.parent.iterdir()] == ["run.json"]
    assert "auc=" in out, "the summary"
    error, hint = err.splitlines()[-2:]
    assert error.endswith("model.tar.gz: No space left on device")
    assert re.fullmatch("hint: free disk space there; the artifact is s3://.*/model.tar.gz", hint)


BASE = (
    f"[profile base]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = {SECRET}\n"
)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("[default]\ncredential_process = /no/such/program\n", "No such file or directory"),
        ("[default]\ncredential_process = /bin/echo no-json\n", "credentials: "),
        (
            "[default]\nrole_arn = arn:aws:iam::111122223333:role/r\nsource_profile = base\n"
            f"mfa_serial = arn:aws:iam::111122223333:mfa/me\n{BASE}",
            "credentials: ",
        ),
        ("[default\nregion", "Unable to parse config file"),
    ],
)
def test_credentials_that_cannot_be_had_are_one_line_and_its_cause(
    config: str, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "config"
    path.write_text(config)
    done = run(START, environment={"AWS_CONFIG_FILE": str(path)})
    assert done.returncode == cli.AWS_REFUSED
    assert "Traceback" not in done.stderr
    error = next(line for line in done.stderr.splitlines() if line.startswith("error: "))
    assert said in error
    assert "\nhint: " in done.stderr
    assert SECRET not in done.stderr


@pytest.mark.parametrize("key", ["AKIA IOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE\n"])
def test_a_key_with_a_blank_is_one_line_without_a_signature(key: str) -> None:
    environment = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": SECRET}
    endpoint = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"}
    done = run(START, environment=environment | endpoint)
    assert done.returncode in (cli.WRONG_INPUT, cli.AWS_REFUSED)
    assert "Traceback" not in done.stderr
    assert "\nhint: " in done.stderr
    assert "Signature=" not in done.stderr.replace("Signature=(hidden)", "")
    assert SECRET not in done.stderr


def test_a_fault_of_the_program_is_not_hidden() -> None:
    def command() -> int:
        raise KeyError("a fault")

    with pytest.raises(KeyError):
        cli.run(command)


@pytest.mark.parametrize(
    "text",
    [
        "Invalid header value b'AWS4-HMAC-SHA256 Credential=AKIA/20260101/x, Signature=0123abcd'",
        "https://s3/k?X-Amz-Credential=AKIA%2F1&X-Amz-Signature=0123abcd&X-Amz-Security-Token=AKIA",
        "aws_secret_access_key = 0123abcd\naws_session_token=AKIA",
    ],
)
def test_signatures_and_keys_are_not_printed(text: str) -> None:
    assert "0123abcd" not in redacted(text)
    assert "AKIA" not in redacted(text)
    assert "(hidden)" in redacted(text)
