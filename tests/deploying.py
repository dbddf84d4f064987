"""A local AWS whose stack deploys approved versions: its configuration and its builds."""

import os
import sys
import time
from pathlib import Path
from typing import Any

from local_aws.clients import Clients
from pipeline.settings import load_settings
from pipeline.stack import read_stack

import project_archive
import yaml
from container_engine import ROOT

PROJECT, ENDPOINT, GROUP = (
    "titanic-pipeline-deploy",
    "titanic-pipeline-endpoint",
    "titanic-pipeline",
)
# In place of the one that installs the locked requirements: it takes those of this environment.
MAKE = """#!/bin/sh
[ "$*" = .venv/ready ] || exit 2
mkdir -p .venv/bin
printf '#!/bin/sh\\nPYTHONPATH="%s" exec "{python}" "$@"\\n' "$PWD" > .venv/bin/python
chmod +x .venv/bin/python
"""


def serve_options(folder: Path) -> tuple[list[str], dict[str, str]]:
    """Return the arguments and the environment of `python -m local_aws serve`."""
    config = yaml.safe_load((ROOT / "local_aws.yaml").read_text(encoding="utf-8"))
    config["stack"] |= {
        "template": str(ROOT / config["stack"]["template"]),
        "parameters": {"DeployOnApproval": "true"},
    }
    for image in config["images"]:
        image["source"] = str(ROOT / image["source"])
    (folder / "local_aws.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    make = folder / "bin" / "make"
    make.parent.mkdir()
    make.write_text(MAKE.replace("{python}", sys.executable), encoding="utf-8")
    make.chmod(0o755)
    path = f"{make.parent}{os.pathsep}{os.environ['PATH']}"
    return ["--config", str(folder / "local_aws.yaml")], {"PATH": path}


def upload_project(clients: Clients, settings: Path) -> None:
    """Upload the packed sources, as build/deploy.py does."""
    bucket = read_stack(clients.client("cloudformation"), GROUP).bucket
    packed = project_archive.pack_project(settings, load_settings(settings).data_file)
    clients.client("s3").put_object(Bucket=bucket, Key=project_archive.KEY, Body=packed)


def wait_for_execution(sagemaker: Any, arn: str) -> None:
    """Wait until an execution of a pipeline has succeeded."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        execution = sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)
        if execution["PipelineExecutionStatus"] != "Executing":
            assert execution["PipelineExecutionStatus"] == "Succeeded", execution
            return
        time.sleep(0.1)
    raise AssertionError(f"still executing: {arn}")


def wait_for_build(clients: Clients, number: int = 1) -> dict[str, Any]:
    """Return a build of the project, counted from 1, at its end: a rule starts it."""
    codebuild, deadline = clients.client("codebuild"), time.monotonic() + 120
    while time.monotonic() < deadline:
        ids = codebuild.list_builds_for_project(projectName=PROJECT)["ids"]
        builds = codebuild.batch_get_builds(ids=ids)["builds"] if ids else []
        if len(builds) >= number and all(each["buildComplete"] for each in builds):
            newest: dict[str, Any] = max(builds, key=lambda each: each["startTime"])
            return newest
        time.sleep(0.1)
    raise AssertionError("the build does not end")


def log_of(clients: Clients, build: dict[str, Any]) -> str:
    """Return the log of a build."""
    place = build["logs"]
    answer = clients.client("logs").get_log_events(
        logGroupName=place["groupName"], logStreamName=place["streamName"]
    )
    return "\n".join(event["message"] for event in answer["events"])
