"""A program of the SageMaker SDK, unmodified, on local AWS: nothing leaves this machine."""

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import pathlib
import sagemaker

session = sagemaker.Session()
pathlib.Path("rows.csv").write_text("1,2")
print(session.default_bucket())
print(session.upload_data("rows.csv", key_prefix="data"))
print(sagemaker.get_execution_role())
"""


def test_a_plain_session_finds_its_bucket_and_its_role(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, "-m", "local_aws", "run", "--", sys.executable, "program.py"],
        env={**os.environ, "TMPDIR": str(tmp_path), "https_proxy": "http://127.0.0.1:9"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-3:] == [
        "sagemaker-us-east-1-123456789012",
        "s3://sagemaker-us-east-1-123456789012/data/rows.csv",
        "arn:aws:iam::123456789012:role/service-role/AmazonSageMaker-ExecutionRole",
    ]
    assert "refused: " not in done.stderr
