"""What a local AWS that was killed leaves behind is gone after the next start."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from local_aws.tests.conftest import clients_of, serving
from local_aws.tests.jobs import CONFIG, Jobs
from local_aws.tests.waiting import wait_for
from local_aws.workspace import LOCK, PROCESSES, open_workspace

import pytest
import yaml


def alive(pid: int) -> bool:
    """Whether a process is there and has not ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where local AWS is started; the folder for temporary files, too."""
    (tmp_path / "local_aws.yaml").write_text(yaml.safe_dump(CONFIG))
    return tmp_path


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_after_kill_9_the_next_start_ends_its_jobs_and_removes_its_folders(folder: Path) -> None:
    with serving(folder, code=-signal.SIGKILL) as environment:
        jobs = Jobs(clients_of(environment))
        jobs.start("import time; time.sleep(600)")
        (left,) = folder.glob(f"local-aws-*/{LOCK}")
        notes = wait_for(lambda: list((left.parent / PROCESSES).iterdir()))
        (child,) = (int(note.name) for note in notes)
        os.kill(int(left.read_text()), signal.SIGKILL)
    assert alive(child)
    with serving(folder):
        wait_for(lambda: not alive(child))
        assert not left.parent.exists()
    assert [path.name for path in folder.iterdir()] == ["local_aws.yaml"]


def test_what_belongs_to_a_running_one_is_left_alone(folder: Path) -> None:
    with serving(folder):
        (lock,) = folder.glob(f"local-aws-*/{LOCK}")
        with serving(folder):
            assert lock.exists()
        assert lock.exists()


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as process:
        yield process
        process.kill()


def killed(folder: Path, child: subprocess.Popen[bytes], *, started: str | None) -> Path:
    """The workspace of a local AWS that was killed and that had, or might have had, a child."""
    root = folder / "local-aws-killed"
    (root / PROCESSES).mkdir(parents=True)
    (root / LOCK).write_text("4000000\n")
    (root / PROCESSES / str(child.pid)).write_text(started or "")
    return root


def test_another_process_that_got_the_id_of_a_child_is_left_alone(
    child: subprocess.Popen[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    root = killed(tmp_path, child, started="long ago")
    with open_workspace(lambda _: None):
        assert not root.exists()
    assert child.poll() is None


def test_while_no_engine_answers_the_record_of_its_containers_stays(
    child: subprocess.Popen[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    root = killed(tmp_path, child, started=None)
    (root / "containers").touch()
    asked = []

    def no_engine(name: str) -> None:
        asked.append(name)
        raise ConnectionRefusedError

    with open_workspace(no_engine):
        assert root.exists()
    with open_workspace(asked.append):
        assert not root.exists()
    assert asked == ["local-aws-killed"] * 2
