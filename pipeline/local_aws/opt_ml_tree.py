"""The /opt/ml tree of a training job: filled from the request and S3 before, read into S3 after.

Source: "How Amazon SageMaker AI Provides Training Information", SageMaker developer guide.
"""

import json
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from container.opt_ml import FAILURE_CHARACTERS
from pipeline.data import split_uri

HOST = "algo-1"


class JobFailed(Exception):
    """The reason as DescribeTrainingJob gives it."""


def write_config(request: dict[str, Any], root: Path) -> None:
    resources = request["ResourceConfig"]
    files = {
        "hyperparameters.json": request.get("HyperParameters", {}),
        "inputdataconfig.json": {
            channel["ChannelName"]: {
                "TrainingInputMode": "File",
                "S3DistributionType": channel["DataSource"]["S3DataSource"].get(
                    "S3DataDistributionType", "FullyReplicated"
                ),
                "RecordWrapperType": "None",
                **({"ContentType": channel["ContentType"]} if "ContentType" in channel else {}),
            }
            for channel in request.get("InputDataConfig", [])
        },
        "resourceconfig.json": {
            "current_host": HOST,
            "current_instance_type": resources["InstanceType"],
            "current_group_name": "homogeneousCluster",
            "hosts": [HOST],
            "instance_groups": [
                {
                    "instance_group_name": "homogeneousCluster",
                    "instance_type": resources["InstanceType"],
                    "hosts": [HOST],
                }
            ],
            "network_interface_name": "eth0",
        },
    }
    folder = root / "input" / "config"
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content), encoding="utf-8")


def download(s3: Any, channel: dict[str, Any], folder: Path) -> None:
    """File mode: the objects under the channel's S3 prefix, as files in `folder`."""
    uri = channel["DataSource"]["S3DataSource"]["S3Uri"]
    bucket, prefix = split_uri(uri)
    folder.mkdir(parents=True)
    found = False
    try:
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for item in page.get("Contents", []):
                if item["Key"].endswith("/"):
                    continue
                below = prefix.rstrip("/") + "/"
                if not item["Key"].startswith(below):  # the prefix ends within a name
                    below = prefix.rpartition("/")[0]
                path = folder / item["Key"].removeprefix(below).lstrip("/")
                path.resolve().relative_to(folder.resolve())  # no key leads out of the folder
                path.parent.mkdir(parents=True, exist_ok=True)
                s3.download_file(bucket, item["Key"], str(path))
                found = True
    except s3.exceptions.ClientError as error:
        raise JobFailed(f"ClientError: Data download failed for {uri}: {error}") from None
    if not found:
        raise JobFailed(
            f"ClientError: Data download failed: no S3 objects under {uri} "
            f"(channel {channel['ChannelName']})"
        )


def upload(s3: Any, folder: Path, uri: str) -> bool:
    """The files of `folder` as a tar.gz; nothing when there are none. Whether there were some."""
    if not any(folder.iterdir()):
        return False
    with tempfile.TemporaryFile() as file:
        with tarfile.open(fileobj=file, mode="w:gz", compresslevel=6) as archive:
            for path in sorted(folder.iterdir()):
                archive.add(path, arcname=path.name)
        file.seek(0)
        bucket, key = split_uri(uri)
        s3.put_object(Bucket=bucket, Key=key, Body=file)
    return True


def failure(root: Path) -> str:
    """What the training program says of its failure, as far as SageMaker shows it."""
    path = root / "output" / "failure"
    if not path.is_file():
        return ""
    return path.read_text(encoding="utf-8", errors="replace")[:FAILURE_CHARACTERS].strip()
