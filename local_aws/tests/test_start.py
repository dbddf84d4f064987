"""`python -m local_aws serve` where it cannot start."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("host", "cause"),
    [
        ("tcp://127.0.0.1:9", "Connection refused"),
        ("ssh://me@127.0.0.1:9", "Install paramiko package to enable ssh:// support"),
    ],
)
def test_without_a_container_engine_the_error_says_so_and_nothing_stays(
    host: str, cause: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "local_aws", "serve", "--containers"],
        env={**os.environ, "DOCKER_HOST": host, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    error, hint = done.stderr.splitlines()
    assert error == f"error: no container engine answers: {cause}"
    assert hint == "hint: start Docker, or leave out --containers"
    assert list(tmp_path.iterdir()) == []


def test_a_python_without_the_packages_is_one_line_and_a_hint() -> None:
    done = subprocess.run(
        [sys.executable, "-S", "-m", "local_aws", "serve"],
        env={"PATH": os.defpath, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    error, hint = done.stderr.splitlines()
    assert error.startswith("error: No module named ")
    assert hint.startswith("hint: pip install ./local_aws")
