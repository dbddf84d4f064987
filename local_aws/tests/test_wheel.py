"""What `pip install ./local_aws` brings."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

PACKAGE = Path(__file__).parent.parent
LEFT_OUT = {"tests", "build", "__pycache__"}


def test_the_wheel_has_every_module_and_data_file_and_no_tests(tmp_path: Path) -> None:
    source = tmp_path / "local_aws"
    shutil.copytree(PACKAGE, source, ignore=shutil.ignore_patterns(*LEFT_OUT, "*.egg-info"))
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--wheel-dir", tmp_path, source], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    paths = [*source.rglob("*.py"), *source.rglob("*.yaml")]
    inside = [path.relative_to(tmp_path) for path in paths]
    assert names == {path.as_posix() for path in inside if not LEFT_OUT & set(path.parts)}
