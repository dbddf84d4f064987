"""`python -m local_aws serve` where it cannot start."""

import os
import subprocess
import sys
from pathlib import Path


def test_without_a_container_engine_the_error_says_so_and_nothing_stays(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "local_aws", "serve", "--containers"],
        env={**os.environ, "DOCKER_HOST": "tcp://127.0.0.1:9", "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    error, hint = done.stderr.splitlines()
    assert error.startswith("error: no container engine answers: ")
    assert hint == "hint: start Docker, or leave out --containers"
    assert list(tmp_path.iterdir()) == []
