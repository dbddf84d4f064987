"""The choice of the device, where there is no GPU: device files are all that a test can make."""

from pathlib import Path
from typing import Any

from container.cluster import Cluster
from container.device import common_device, device_for, find_device

import numpy as np
import pytest
import xgboost as xgb

ROWS = np.arange(8, dtype=np.float32).reshape(-1, 2)


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
        "device cpu: nvidia0, nvidia1 cannot be used: this image is not made for a GPU "
        "(see accelerator in pipeline.yaml)\n"
    )


def test_an_image_for_a_gpu_says_that_there_is_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert find_device(tmp_path, for_gpu=True) == "cpu"
    assert capsys.readouterr().out == (
        "device cpu: there is no GPU here, for which this image is made\n"
    )


def test_a_gpu_whose_driver_does_not_answer_is_not_taken_for_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "nvidia0").touch()
    assert find_device(tmp_path, for_gpu=True) == "cpu"
    assert capsys.readouterr().out == (
        "device cpu: nvidia0 cannot be used: XGBoost finds none that its driver offers\n"
    )


class WithOneOnTheCpu(Cluster):
    def merge(self, value: Any) -> list[Any]:
        return [value, "cpu"]


@pytest.mark.parametrize(
    ("own", "said"), [("cuda", "device cpu: no usable GPU on algo-2\n"), ("cpu", "")]
)
def test_hosts_use_their_gpus_only_when_each_has_one(
    own: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert common_device(own, WithOneOnTheCpu(("algo-1", "algo-2"))) == "cpu"
    assert capsys.readouterr().out == said


def test_data_on_disk_are_trained_on_by_the_cpu(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Rows(xgb.DataIter):
        def __init__(self) -> None:
            super().__init__(cache_prefix=str(tmp_path / "cache"))
            self.left = 1

        def next(self, input_data: Any) -> bool:
            self.left -= 1
            if self.left == 0:
                input_data(data=ROWS, label=ROWS[:, 0])
            return self.left == 0

        def reset(self) -> None:
            self.left = 1

    assert device_for(xgb.QuantileDMatrix(ROWS, ROWS[:, 0]), "cuda") == "cuda"
    assert capsys.readouterr().out == ""
    assert device_for(xgb.ExtMemQuantileDMatrix(Rows()), "cuda") == "cpu"
    assert capsys.readouterr().out == "device cpu: a GPU does not train on data on disk\n"
