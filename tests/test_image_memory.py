"""The image in little memory: data that do not fit are kept on disk, and what is killed says so."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from container import contract

import pytest
from container_engine import NEEDS_ENGINE, Image, docker

pytestmark = NEEDS_ENGINE

SCARCE = 102  # MiB: less than the data need, and enough to read them

TrainIn: TypeAlias = Callable[..., tuple[int, str]]


@pytest.fixture
def train_in(image: Image, opt_ml: Path) -> TrainIn:
    """Trains ten times the Titanic's rows in so many MiB, with other options of `docker run`; the
    exit code and the log."""
    name = image.pull()
    config = opt_ml / "input" / "config" / "hyperparameters.json"
    config.write_text(json.dumps({"num_round": "5"}))
    path = opt_ml / "input" / "data" / "train" / "train.csv"
    header, *lines = path.read_text("utf-8").splitlines()
    path.write_text("\n".join([header, *lines * 10]), encoding="utf-8")

    def run(mib: int, *options: str) -> tuple[int, str]:
        limits = (f"--memory={mib}m", f"--memory-swap={mib}m", "--network=none")
        volume = f"--volume={opt_ml}:/opt/ml"
        container = docker("run", "--detach", *limits, volume, *options, name, "train")
        try:
            return int(docker("wait", container)), docker("logs", container)
        finally:
            docker("rm", "--force", container)

    return run


def test_on_disk_the_image_makes_the_artifact_that_it_makes_in_memory(train_in: TrainIn) -> None:
    hashes = []
    for mib, on_disk in ((SCARCE, True), (500, False)):
        code, log = train_in(mib)
        assert code == 0, log
        said = re.search(rf"^data on disk: about \d+ of {SCARCE} MiB$", log, re.MULTILINE)
        assert bool(said) == on_disk, log
        hashes += re.findall(r"^model sha256 (\w+)$", log, re.MULTILINE)
    assert len(hashes) == 2
    assert hashes[0] == hashes[1]


def test_what_is_killed_for_memory_leaves_a_failure_file_and_no_model(
    train_in: TrainIn, opt_ml: Path
) -> None:
    code, _ = train_in(50)
    assert code == 137
    first, second = (opt_ml / "output" / "failure").read_text("utf-8").splitlines()
    assert re.fullmatch(
        r"training was ended by SIGKILL, as the kernel does when memory runs out: "
        "the limit is 50 MiB",
        first,
    )
    assert second == "hint: take an instance type with more memory, or train on less data"
    assert not (opt_ml / "model" / contract.MODEL_FILE).exists()


def test_a_disk_too_small_for_the_data_is_named_and_no_model_is_left(
    train_in: TrainIn, opt_ml: Path
) -> None:
    code, log = train_in(SCARCE, "--tmpfs=/tmp:size=128k")
    assert code == 1, log
    first, second = (opt_ml / "output" / "failure").read_text("utf-8").splitlines()
    assert re.match(r"/tmp.*: No space left on device$", first)
    assert second.startswith("hint: train with a larger volume")
    assert not (opt_ml / "model" / contract.MODEL_FILE).exists()
