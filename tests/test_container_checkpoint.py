"""A training that is interrupted, and finished all the same."""

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

from container import contract
from container.checkpoint import Checkpoint

import pytest
import xgboost as xgb
from conftest import small_file_system
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from interruption import Interruption, Program

ROUNDS = 60


@pytest.fixture
def job(opt_ml: Path, request: pytest.FixtureRequest) -> Path:
    """The root of a job with a CheckpointConfig, its training rows in two files."""
    give(opt_ml, early_stopping_rounds=getattr(request, "param", "20"))
    path = opt_ml / "input" / "data" / "train" / "train.csv"
    header, *lines = path.read_text(encoding="utf-8").splitlines()
    for name, part in (("a.csv", lines[::2]), ("b.csv", lines[1::2])):
        (path.parent / name).write_text("\n".join([header, *part]), encoding="utf-8")
    path.unlink()
    (opt_ml / "checkpoints").mkdir()
    return opt_ml


def give(root: Path, **hyperparameters: str) -> None:
    values = {"num_round": str(ROUNDS), "eta": "0.3"} | hyperparameters
    (root / "input" / "config" / "hyperparameters.json").write_text(json.dumps(values))


def take_artifact(root: Path) -> dict[str, bytes]:
    """Return its files, and remove what the job has left."""
    files = {path.name: path.read_bytes() for path in (root / "model").iterdir()}
    shutil.rmtree(root / "model")
    shutil.rmtree(root / "output")
    return files


def run(program: Program, job: Path, interruption: Interruption | None = None) -> tuple[int, str]:
    """Return the exit code and the log of a job."""
    done = program.run(job, interruption=interruption)
    return done.returncode, done.stdout + done.stderr


def finish(program: Program, job: Path) -> str:
    """Return the log of a job that succeeds."""
    code, log = run(program, job)
    assert code == 0, log
    return log


@pytest.fixture
def artifact(job: Path, program: Program) -> dict[str, bytes]:
    """What a job leaves that is never interrupted."""
    finish(program, job)
    assert not list((job / "checkpoints").iterdir()), "a finished job needs none"
    return take_artifact(job)


interruptions = st.lists(
    st.builds(
        Interruption,
        st.sampled_from([signal.SIGKILL, signal.SIGTERM]),
        st.integers(0, 2 * ROUNDS + 50),
    ),
    min_size=1,
    max_size=4,
)


@pytest.mark.parametrize("job", ["0", "20"], indirect=True)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(interruptions=interruptions)
def test_whenever_it_is_interrupted_the_resumed_job_ends_with_the_same_bytes(
    job: Path,
    program: Program,
    artifact: dict[str, bytes],
    interruptions: list[Interruption],
) -> None:
    for interruption in interruptions:
        code, log = run(program, job, interruption)
        if code == 0:  # it was done before
            break
        assert code in (-signal.SIGKILL, 143), log
        assert "Traceback" not in log
        left = {path.name for path in (job / "model").glob("*")}
        assert contract.MODEL_FILE not in left or left >= artifact.keys(), "a half one looks whole"
        shutil.rmtree(job / "model", ignore_errors=True)  # the next instance is a new one
    else:
        finish(program, job)
    assert take_artifact(job) == artifact
    assert not list((job / "checkpoints").iterdir())


def checkpoint_of(program: Program, job: Path, number: signal.Signals) -> Path:
    """Interrupt a job in its later rounds, and return its checkpoint."""
    code, log = run(program, job, Interruption(number, 2 * ROUNDS))
    assert code, log
    (checkpoint,) = (job / "checkpoints").glob("*.ubj")
    return checkpoint


def test_sigterm_is_told_in_the_failure_file_and_the_next_try_goes_on(
    job: Path, program: Program, artifact: dict[str, bytes]
) -> None:
    checkpoint_of(program, job, signal.SIGTERM)
    assert "stopped by SIGTERM" in (job / "output" / "failure").read_text()
    assert "checkpoint: goes on after round " in finish(program, job)
    assert take_artifact(job) == artifact


@pytest.mark.parametrize("keep", [1, 200, -1])
def test_a_checkpoint_that_is_not_whole_is_skipped_with_a_warning(
    keep: int, job: Path, program: Program, artifact: dict[str, bytes]
) -> None:
    checkpoint = checkpoint_of(program, job, signal.SIGKILL)
    checkpoint.write_bytes(checkpoint.read_bytes()[:keep])
    log = finish(program, job)
    assert f"warning: checkpoints: {checkpoint} is skipped: it is not whole\n" in log
    assert "goes on" not in log
    assert take_artifact(job) == artifact


def change_a_hyperparameter(job: Path) -> None:
    give(job, early_stopping_rounds="20", eta="0.31")


def change_the_last_cell(job: Path) -> None:
    path = job / "input" / "data" / "train" / "b.csv"
    path.write_text(f"{path.read_text()}X")


def rename_a_file(job: Path) -> None:
    path = job / "input" / "data" / "train" / "b.csv"
    path.rename(path.with_name(os.fsdecode(b"caf\xe9.csv")))


def move_a_file_to_the_other_channel(job: Path) -> None:
    path = job / "input" / "data" / "train" / "b.csv"
    path.rename(path.parents[1] / "validation" / "b.csv")


@pytest.mark.parametrize(
    "change",
    [
        change_a_hyperparameter,
        change_the_last_cell,
        rename_a_file,
        move_a_file_to_the_other_channel,
    ],
)
def test_checkpoints_of_another_training_are_left_alone_with_a_warning(
    change: Callable[[Path], None], job: Path, program: Program
) -> None:
    other = checkpoint_of(program, job, signal.SIGKILL)
    change(job)
    log = finish(program, job)
    assert "warning: checkpoints: those found are of other data, hyperparameters or" in log
    assert "goes on" not in log
    assert other.exists(), "its job may still want it"


def test_a_full_disk_is_one_warning_and_the_checkpoint_before_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = xgb.DMatrix([[0.0], [1.0]], [0, 1])
    small, large = (xgb.train({"min_child_weight": 0}, rows, rounds) for rounds in (10, 1000))
    with small_file_system(tmp_path / "small", "64k") as folder:
        checkpoint = Checkpoint(folder / "own.ubj")
        checkpoint.save(small)
        for _ in range(2):
            checkpoint.save(large)
        assert capsys.readouterr().err.count("No space left on device: going on without") == 1
        loaded = checkpoint.load()
        assert loaded
        assert loaded.num_boosted_rounds() == 10


def test_a_job_whose_checkpoints_cannot_be_written_is_trained_all_the_same(
    job: Path, program: Program, artifact: dict[str, bytes]
) -> None:
    shutil.rmtree(job / "checkpoints")
    (job / "checkpoints").symlink_to("/proc/self")  # where nobody can make a folder
    log = finish(program, job)
    assert log.count("cannot be written to") == 1
    assert take_artifact(job) == artifact


def test_a_disk_too_small_for_the_artifact_keeps_no_part_of_it(
    job: Path, program: Program, artifact: dict[str, bytes]
) -> None:
    """There is a failure file, and there are the checkpoints for another try."""
    with small_file_system(job / "model", "8k") as model:
        code, _ = run(program, job)
        assert code == 1
        assert not list(model.iterdir())
    failure = (job / "output" / "failure").read_text()
    assert failure.startswith(f"{job}/model/")
    assert ": No space left on device\nhint: train with a larger volume" in failure
    shutil.rmtree(job / "model")
    assert "checkpoint: goes on after round" in finish(program, job)
    assert take_artifact(job) == artifact
