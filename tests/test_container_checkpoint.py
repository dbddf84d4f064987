"""A training that is interrupted, and finished all the same."""

import json
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

from container import contract
from container.checkpoint import Checkpoints, Progress, fingerprint

import pytest
from conftest import small_file_system
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from interruption import Interruption, Program

ROUNDS = 60
FIRST = Progress(10, b"model\nof 10", {"losses": [0.5] * 10})
SECOND = Progress(20, b"model of 20")


@pytest.fixture(scope="module")
def program() -> Iterator[Program]:
    program = Program()
    yield program
    program.end()


@pytest.fixture
def job(opt_ml: Path) -> Path:
    """The root of a job with a CheckpointConfig."""
    hyperparameters = {"num_round": str(ROUNDS), "early_stopping_rounds": "20", "eta": "0.3"}
    config = opt_ml / "input" / "config" / "hyperparameters.json"
    config.write_text(json.dumps(hyperparameters))
    (opt_ml / "checkpoints").mkdir()
    return opt_ml


def take_artifact(root: Path) -> dict[str, bytes]:
    """Its files, gone from the tree of the job that left them."""
    files = {path.name: path.read_bytes() for path in (root / "model").iterdir()}
    shutil.rmtree(root / "model")
    shutil.rmtree(root / "output")
    return files


def run(program: Program, job: Path, seconds: float = 0) -> str:
    """The log of a job that succeeds."""
    code, log = program.run(job, seconds=seconds)
    assert code == 0, log
    return log


@pytest.fixture
def artifact(job: Path, program: Program) -> dict[str, bytes]:
    """What a job that is never interrupted leaves."""
    assert run(program, job)
    assert not list((job / "checkpoints").iterdir()), "a finished job needs none"
    return take_artifact(job)


interruptions = st.lists(
    st.builds(
        Interruption,
        st.sampled_from([signal.SIGKILL, signal.SIGTERM]),
        st.integers(0, 2 * ROUNDS + 20),
    ),
    min_size=1,
    max_size=4,
)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(interruptions, st.sampled_from([0.0, 0.02, 1000.0]))
def test_whenever_it_is_interrupted_the_resumed_job_ends_with_the_same_bytes(
    job: Path,
    program: Program,
    artifact: dict[str, bytes],
    interruptions: list[Interruption],
    seconds: float,
) -> None:
    for interruption in interruptions:
        if program.run(job, interruption, seconds)[0] == 0:  # it was done before
            break
        left = {path.name for path in (job / "model").glob("*")}
        assert contract.MODEL_FILE not in left or left >= artifact.keys(), "a half one looks whole"
        shutil.rmtree(job / "model", ignore_errors=True)  # the next instance is a new one
    else:
        run(program, job, seconds)
    assert take_artifact(job) == artifact
    assert not list((job / "checkpoints").iterdir())


def test_sigterm_leaves_a_checkpoint_however_new_the_last_one_is(
    job: Path, program: Program, artifact: dict[str, bytes]
) -> None:
    code, _ = program.run(job, Interruption(signal.SIGTERM, 51), seconds=1000)
    assert code == 143
    assert "stopped by SIGTERM" in (job / "output" / "failure").read_text()
    log = run(program, job)
    assert "checkpoint: booster goes on after round 20\n" in log
    assert take_artifact(job) == artifact


def killed_after_two_checkpoints(program: Program, job: Path) -> list[Path]:
    """Their paths, the newest last."""
    code, _ = program.run(job, Interruption(signal.SIGKILL, 51))
    assert code == -signal.SIGKILL
    return sorted(path for path in (job / "checkpoints").rglob("booster.*"))


@pytest.mark.parametrize("keep", [0, 1, 64, 65, 200, -1])
def test_a_truncated_checkpoint_is_skipped_with_a_warning(
    keep: int, job: Path, program: Program, artifact: dict[str, bytes]
) -> None:
    older, newest = killed_after_two_checkpoints(program, job)
    newest.write_bytes(newest.read_bytes()[:keep])
    log = run(program, job)
    assert f"warning: checkpoints: {newest.name} is skipped: it is not whole\n" in log
    assert f"goes on after round {int(older.suffix[1:])}\n" in log
    assert take_artifact(job) == artifact


def test_no_whole_checkpoint_means_to_begin_anew(
    job: Path, program: Program, artifact: dict[str, bytes]
) -> None:
    for path in killed_after_two_checkpoints(program, job):
        path.write_bytes(b"")
    log = run(program, job)
    assert log.count("is skipped") == 2
    assert "goes on" not in log
    assert take_artifact(job) == artifact


def change_a_hyperparameter(job: Path) -> None:
    path = job / "input" / "config" / "hyperparameters.json"
    path.write_text(path.read_text().replace('"0.3"', '"0.31"'))


def change_a_cell(job: Path) -> None:
    path = job / "input" / "data" / "train" / "train.csv"
    path.write_text(path.read_text().replace(",male,", ",female,", 1))


@pytest.mark.parametrize("change", [change_a_hyperparameter, change_a_cell])
def test_a_checkpoint_of_another_training_is_left_alone_with_a_warning(
    change: Callable[[Path], None], job: Path, program: Program
) -> None:
    foreign = killed_after_two_checkpoints(program, job)
    change(job)
    log = run(program, job)
    assert "warning: checkpoints: only those of other data, hyperparameters or" in log
    assert "goes on" not in log
    assert all(path.exists() for path in foreign), "its job may still want them"


def test_a_checkpoint_in_the_folder_of_another_training_is_skipped(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, "a" * 64)
    checkpoints.stage("booster").save(FIRST)
    (tmp_path / ("a" * 16)).rename(tmp_path / ("b" * 16))
    assert Checkpoints(tmp_path, "b" * 64).stage("booster").resume() is None


def test_the_newest_two_of_each_stage_are_kept_and_of_a_finished_one_the_last(
    tmp_path: Path,
) -> None:
    checkpoints = Checkpoints(tmp_path, "a" * 64)
    one, two = checkpoints.stage("one"), checkpoints.stage("two")
    for rounds in range(4):
        one.save(Progress(rounds, b""))
        two.save(Progress(rounds, b""))
    two.save(Progress(9, b"done", finished=True))
    names = sorted(path.name for path in tmp_path.glob("*/*"))
    assert names == ["one.000002", "one.000003", "two.000009"]
    assert one.resume() == Progress(3, b"")
    assert two.resume() == Progress(9, b"done", finished=True)


def test_a_checkpoint_is_due_when_time_has_passed(tmp_path: Path) -> None:
    now = 0.0
    checkpoints = Checkpoints(tmp_path, "a" * 64, seconds=30, clock=lambda: now)
    stage = checkpoints.stage("booster")
    assert not stage.due
    now = 30.0
    assert stage.due
    stage.save(FIRST)
    assert not stage.due
    assert not Checkpoints(None, clock=lambda: now).due


def test_without_a_folder_nothing_is_written(tmp_path: Path) -> None:
    checkpoints = Checkpoints.of_job(tmp_path / "checkpoints", lambda: "a" * 64)
    checkpoints.stage("booster").save(FIRST)
    assert checkpoints.stage("booster").resume() is None
    checkpoints.remove()
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_one_warning_and_the_checkpoint_before_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with small_file_system(tmp_path / "small", "64k") as folder:
        stage = Checkpoints(folder, "a" * 64).stage("booster")
        stage.save(FIRST)
        for rounds in (20, 30):
            stage.save(Progress(rounds, b"x" * 2**20))
        assert capsys.readouterr().err.count("No space left on device: going on without") == 1
        assert stage.resume() == FIRST
        stage.save(SECOND)
        assert stage.resume() == SECOND, "there is room again"


def test_a_job_whose_checkpoints_cannot_be_written_is_trained_all_the_same(
    job: Path, program: Program, artifact: dict[str, bytes]
) -> None:
    shutil.rmtree(job / "checkpoints")
    (job / "checkpoints").symlink_to("/proc/self")  # where nobody can make a folder
    log = run(program, job)
    assert log.count("cannot be written to") == 1
    assert take_artifact(job) == artifact


def test_a_disk_too_small_for_the_artifact_keeps_no_part_of_it(
    job: Path, program: Program, artifact: dict[str, bytes]
) -> None:
    """The features fit, the model does not: a failure file, and the checkpoints for another try."""
    with small_file_system(job / "model", "8k") as model:
        code, _ = program.run(job)
        assert code == 1
        assert not list(model.iterdir())
    failure = (job / "output" / "failure").read_text()
    assert failure.startswith(f"{job}/model: cannot be written to: No space left on device\nhint: ")
    shutil.rmtree(job / "model")
    assert "checkpoint: booster is finished after round" in run(program, job)
    assert take_artifact(job)[contract.MODEL_FILE] == artifact[contract.MODEL_FILE]


def test_the_fingerprint_sees_names_sizes_and_content(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"1" * 1000)
    seen = {fingerprint([path]), fingerprint([path], {"eta": 0.3}), fingerprint([])}
    path.write_bytes(b"1" * 999 + b"2")
    seen.add(fingerprint([path]))
    path.write_bytes(b"1" * 999)
    seen.add(fingerprint([path]))
    path = path.rename(tmp_path / "b.csv")
    seen.add(fingerprint([path]))
    assert len(seen) == 6


def test_of_a_large_file_a_part_is_read(tmp_path: Path) -> None:
    """Its beginning and its end are."""
    path = tmp_path / "large"
    seen = set()
    for changed in (0, 2**20 + 1, 2**30 - 1):
        with path.open("wb") as file:
            file.truncate(2**30)
            file.seek(changed)
            file.write(b"x")
        seen.add(fingerprint([path]))
    assert len(seen) == 3
    with path.open("r+b") as file:
        file.truncate(2**30 - 1)
    assert fingerprint([path]) not in seen
