"""The whole command in other regions and partitions, of which local AWS knows no prices."""

import json
import subprocess
import sys
from pathlib import Path

from local_aws.partitions import domain_of, partition_of, sagemaker_regions
from pipeline.settings import load_settings
from pipeline.stack import example_stack

import boto3
import pytest
from conftest import ROOT, WriteConfig


def test_the_settings_take_every_region_of_every_partition(write_config: WriteConfig) -> None:
    for region in sagemaker_regions():
        assert load_settings(write_config(region=region)).region == region


def test_the_example_stack_has_the_names_of_the_partition() -> None:
    session = boto3.Session(region_name="us-east-1")
    for region in sagemaker_regions():
        stack = example_stack("titanic", region)
        partition = session.get_partition_for_region(region)
        assert partition == partition_of(region)
        assert stack.training_role_arn.startswith(f"arn:{partition}:iam::")
        assert stack.repository_uri.endswith(f".dkr.ecr.{region}.{domain_of(region)}/titanic")


@pytest.mark.parametrize(
    ("region", "changes"), [("ap-northeast-2", {"instance_type": "smallest"}), ("cn-north-1", {})]
)
def test_a_run_succeeds_and_says_that_the_ceiling_cannot_be_checked(
    region: str, changes: dict[str, str], here: Path, write_config: WriteConfig
) -> None:
    config = write_config(region=region, **changes)
    done = subprocess.run(
        [sys.executable, ROOT / "pipeline/upsert_and_start.py", "--config", config, "--local"],
        cwd=here,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    note = f"in {region} is unknown, so the limit cannot be checked\n"
    assert note in done.stderr
    (run,) = here.glob("runs/*/run.json")
    record = json.loads(run.read_text("utf-8"))
    assert (record["status"], record["region"]) == ("Succeeded", region)
    assert record["cost_estimate"] is None
    assert record["execution_arn"].startswith(f"arn:{partition_of(region)}:sagemaker:{region}:")
