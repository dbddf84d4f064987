"""Models: the image, the artifact and the environment of CreateModel.

Sources: "CreateModel" and "ContainerDefinition" in the SageMaker API reference.
"""

import shutil
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from local_aws.clock import now
from local_aws.errors import JobFailed
from local_aws.sagemaker.job import without_tags
from local_aws.sagemaker.opt_ml_tree import download
from local_aws.sagemaker.s3 import split_uri

from botocore.exceptions import BotoCoreError, ClientError

S3_OBJECT, GZIP = "S3Object", "Gzip"


@dataclass(frozen=True)
class ServedContainer:
    """The container of a model."""

    image: str
    environment: Mapping[str, str]
    source: Mapping[str, Any] | None  # S3ModelDataSource of the artifact

    @classmethod
    def of(cls, definition: Mapping[str, Any]) -> "ServedContainer":
        """Return the container of a ContainerDefinition or ModelPackageContainerDefinition."""
        source = definition.get("ModelDataSource", {}).get("S3DataSource")
        if "ModelDataUrl" in definition:
            uri = definition["ModelDataUrl"]
            source = {"S3Uri": uri, "S3DataType": S3_OBJECT, "CompressionType": GZIP}
        return cls(definition["Image"], definition.get("Environment", {}), source)


@dataclass(frozen=True)
class Model:
    """A created model."""

    arn: str
    request: Mapping[str, Any]  # CreateModel's
    container: ServedContainer
    created: datetime = field(default_factory=now)

    @property
    def name(self) -> str:
        """The ModelName."""
        return str(self.request["ModelName"])

    @property
    def role_arn(self) -> str:
        """The role that reads the artifact and pulls the image."""
        return str(self.request["ExecutionRoleArn"])

    @property
    def isolated(self) -> bool:
        """Return whether the containers have no network."""
        return bool(self.request.get("EnableNetworkIsolation", False))

    def describe(self) -> dict[str, Any]:
        """Return the answer of DescribeModel."""
        return {
            "EnableNetworkIsolation": self.isolated,
            **without_tags(self.request),
            "ModelArn": self.arn,
            "CreationTime": self.created,
        }


def data_problem(s3: Any, source: Mapping[str, Any], role_arn: str) -> str | None:
    """Return CreateModel's message if the role cannot read a model's artifact, else None."""
    bucket, key = split_uri(source["S3Uri"])
    try:
        if source["S3DataType"] == S3_OBJECT:
            s3.head_object(Bucket=bucket, Key=key)
        elif not s3.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1)["KeyCount"]:
            return f"Could not find model data at {source['S3Uri']}."
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            return f"Could not find model data at {source['S3Uri']}."
        return (
            f"Could not access model data at {source['S3Uri']}. Please ensure that the role "
            f'"{role_arn}" exists and that its trust relationship policy allows the action '
            '"sts:AssumeRole" for the service principal "sagemaker.amazonaws.com". Also ensure '
            'that the role has "s3:GetObject" permissions and that the object is located in '
            f"{s3.meta.region_name}."
        )
    return None


def download_artifact(s3: Any, source: Mapping[str, Any] | None, folder: Path) -> None:
    """Unpack a model's artifact into `folder`, which becomes /opt/ml/model.

    Raises:
        JobFailed: The artifact cannot be read or unpacked.
    """
    if source is not None and source["S3DataType"] != S3_OBJECT:
        download(s3, {"ChannelName": "model", "DataSource": {"S3DataSource": source}}, folder)
        return
    folder.mkdir(parents=True)
    if source is None:
        return
    uri = source["S3Uri"]
    bucket, key = split_uri(uri)
    try:
        body = s3.get_object(Bucket=bucket, Key=key)["Body"]
        if source["CompressionType"] == GZIP:
            with tarfile.open(fileobj=body, mode="r|gz") as archive:
                archive.extractall(folder, filter="data")
        else:
            with (folder / Path(key).name).open("wb") as file:
                shutil.copyfileobj(body, file)
    except (ClientError, BotoCoreError, tarfile.TarError, OSError, EOFError) as error:
        raise JobFailed(
            f'Failed to download model data for container "container_1" from URL: "{uri}". Please '
            "ensure that there is an object located at the URL and that the role passed to "
            f"CreateModel has permissions to download the object. ({error})"
        ) from None
