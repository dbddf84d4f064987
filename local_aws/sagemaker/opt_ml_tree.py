"""The /opt/ml tree of a training job: filled from the request and S3, then stored in S3.

Source: "How Amazon SageMaker AI Provides Training Information", SageMaker developer guide.
"""

import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

from local_aws.errors import JobFailed
from local_aws.sagemaker.instances import host_names, resource_config, selected
from local_aws.sagemaker.s3 import is_inside
from local_aws.sagemaker.transfer import download_prefix, unpack_source, upload, upload_files

CHECKPOINT_PATH = "/opt/ml/checkpoints"  # SageMaker's default
FAILURE_CHARACTERS = 1024  # of the failure file, in a FailureReason


def fill_trees(s3: Any, request: dict[str, Any], folder: Path) -> dict[str, Path]:
    """Create and fill the tree of each host as a new folder in `folder`. Raises JobFailed."""
    roots = {host: folder / host for host in hosts(request)}
    source = request.get("HyperParameters", {}).get("sagemaker_submit_directory", "")
    for number, (host, root) in enumerate(roots.items()):
        write_config(request, host, root)
        unpack_source(s3, source, root)
        for channel in request.get("InputDataConfig", []):
            place = root / "input" / "data" / channel["ChannelName"]
            download(s3, channel, place, number, len(roots))
        for name in ("model", "output/data"):
            (root / name).mkdir(parents=True)
    return roots


def store_results(s3: Any, request: dict[str, Any], roots: list[Path]) -> str | None:
    """Store the output and the model of the hosts, and return the URI of the model, if any.

    Raises JobFailed if S3 refuses it.
    """
    config = request["OutputDataConfig"]
    output = f"{config['S3OutputPath'].rstrip('/')}/{request['TrainingJobName']}/output"
    key = config.get("KmsKeyId")
    store, end = upload, ".tar.gz"
    if config.get("CompressionType") == "NONE":
        store, end = upload_files, "/"
    store(s3, [root / "output" / "data" for root in roots], f"{output}/output{end}", key)
    model = f"{output}/model{end}"
    return model if store(s3, [root / "model" for root in roots], model, key) else None


def hosts(request: dict[str, Any]) -> list[str]:
    """Return the names of the hosts of a training job."""
    return host_names(selected(request["ResourceConfig"])[1])


def write_config(request: dict[str, Any], host: str, root: Path) -> None:
    """Write hyperparameters.json, inputdataconfig.json and resourceconfig.json of one host."""
    mode = request["AlgorithmSpecification"]["TrainingInputMode"]
    files = {
        "hyperparameters.json": request.get("HyperParameters", {}),
        "inputdataconfig.json": {
            channel["ChannelName"]: {
                "TrainingInputMode": channel.get("InputMode", mode),
                "S3DistributionType": _distribution(channel),
                "RecordWrapperType": "None",
                **({"ContentType": channel["ContentType"]} if "ContentType" in channel else {}),
            }
            for channel in request.get("InputDataConfig", [])
        },
        "resourceconfig.json": resource_config(
            host, hosts(request), selected(request["ResourceConfig"])[0]
        ),
    }
    folder = root / "input" / "config"
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content), encoding="utf-8")


def _distribution(channel: dict[str, Any]) -> str:
    source = channel["DataSource"]["S3DataSource"]
    distribution: str = source.get("S3DataDistributionType", "FullyReplicated")
    return distribution


def download(
    s3: Any, channel: dict[str, Any], folder: Path, host: int = 0, host_count: int = 1
) -> None:
    """Download the objects of a channel as files to `folder`, which is created.

    Raises:
        JobFailed: There are no objects, or they cannot be read or stored.
    """
    uri = channel["DataSource"]["S3DataSource"]["S3Uri"]
    shard = (host, host_count if _distribution(channel) == "ShardedByS3Key" else 1)
    if not download_prefix(s3, uri, folder, shard):
        raise JobFailed(
            f"ClientError: Data download failed: no S3 objects under {uri} "
            f"(channel {channel['ChannelName']})"
        )


def failure(root: Path, name: str = "failure") -> str:
    """Return the content of the program's failure file, cut to SageMaker's limit."""
    path = root / "output" / name
    text = ""
    if path.is_file() and is_inside(root, path):
        text = path.read_text(encoding="utf-8", errors="replace")[:FAILURE_CHARACTERS].strip()
    if not text and shutil.disk_usage(root).free == 0:  # so it could not say it
        return f"{os.strerror(errno.ENOSPC)}: {root}"
    return text
