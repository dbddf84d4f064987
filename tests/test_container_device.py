"""The choice of the device, where there is no GPU: device files are all that a test can make."""

from pathlib import Path

from container.device import find_device

import pytest


def test_without_a_gpu_the_cpu_is_taken_without_a_word(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "nvidiactl").touch()
    assert find_device(tmp_path) == "cpu"
    assert capsys.readouterr().out == ""


def test_a_gpu_that_this_build_of_xgboost_cannot_use_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("nvidia0", "nvidia1"):
        (tmp_path / name).touch()
    assert find_device(tmp_path) == "cpu"
    assert capsys.readouterr().out == (
        "device cpu: nvidia0, nvidia1 cannot be used: this image has not XGBoost's CUDA build "
        "(see container/Dockerfile)\n"
    )
