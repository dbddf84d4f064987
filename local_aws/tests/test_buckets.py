"""Buckets of the configuration: there from the start, with the files of their folders."""

import subprocess
import sys
from pathlib import Path

from local_aws.tests.conftest import clients_of, serving


def test_a_bucket_holds_the_files_of_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "inner"
    folder.mkdir(parents=True)
    (folder / "rows.csv").write_text("1,2\n")
    (tmp_path / "local_aws.yaml").write_text("region: eu-west-1\nbuckets: {of-a-team: data}\n")
    with serving(tmp_path) as environment:
        s3 = clients_of(environment).client("s3")
        content = s3.get_object(Bucket="of-a-team", Key="inner/rows.csv")["Body"].read()
        assert content == b"1,2\n"


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "local_aws.yaml").write_text("buckets: {of-a-team: nowhere}\n")
    done = subprocess.run(
        [sys.executable, "-m", "local_aws", "serve"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert "buckets: of-a-team: " in done.stderr
    assert "nowhere is no folder\nhint: name a folder to fill it" in done.stderr
