"""A pipeline of SDK v3, in its own environment, on local AWS with this project's stack and image.

Skipped where `make .venv-v3/ready` has not run; SDK v2 and v3 cannot share an environment.
"""

import subprocess
import sys
from pathlib import Path

from pipeline.data import prepare
from pipeline.settings import DEFAULT_CONFIG, load_settings

import pytest

ROOT = Path(__file__).parent.parent
PYTHON = ROOT / ".venv-v3" / "bin" / "python"
PROGRAM = Path(__file__).with_name("sdk_v3_program.py")

pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason="SDK v3: make .venv-v3/ready")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for channel, content in prepare(load_settings(DEFAULT_CONFIG)).channels.items():
        (folder / f"{channel}.csv").write_bytes(content)
    return folder


@pytest.mark.parametrize(("lowest", "code"), [("0.5", 0), ("0.999", 1)])
def test_a_pipeline_of_sdk_v3_trains_and_takes_the_branch(
    lowest: str, code: int, data: Path
) -> None:
    command = [sys.executable, "-m", "local_aws", "run", "--"]
    program = [str(PYTHON), str(PROGRAM), str(data), lowest]
    done = subprocess.run(
        [*command, *program], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert ("the AUC is too low" in done.stdout + done.stderr) == bool(code)
    assert "validation:auc=" in done.stdout + done.stderr
