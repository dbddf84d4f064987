"""A disk that fills while XGBoost writes the data there that do not fit in memory."""

import subprocess
import sys
from pathlib import Path

from container.disk import need
from container.errors import InputError

import pytest
from conftest import ROOT, small_file_system

# In a process of its own: XGBoost ends the process when it cannot write.
TRAIN = """
import sys
sys.path.insert(0, "tests")
from test_container_scale import SAMPLE_ROWS, Memory, table, trained
trained(table(6 * SAMPLE_ROWS, 1), table(1000, 2), Memory(100, "test"))
"""


def test_a_disk_that_xgboost_would_fill_is_named_before(tmp_path: Path) -> None:
    """The rows themselves, 12 MiB, are on it already."""
    with small_file_system(tmp_path / "small", "20m") as folder:
        done = subprocess.run(
            [sys.executable, "-c", TRAIN],
            cwd=ROOT,
            env={"PYTHONPATH": str(ROOT), "TMPDIR": str(folder)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert list(folder.iterdir()) == []
    assert done.returncode == 1
    *_, first, second = done.stderr.splitlines()
    assert f"InputError: {folder}/" in first
    assert "No space left on device: 8 MiB are free, the next data" in first
    assert second.startswith("hint: train with a larger volume")


def test_room_that_is_there_is_no_error(tmp_path: Path) -> None:
    need(tmp_path, 1)
    with pytest.raises(InputError, match="No space left on device"):
        need(tmp_path, 2**60)
