"""The bucket and the data."""

from typing import Any

from container.contract import FEW_ROWS, VALIDATION_CHANNEL
from container.errors import InputError
from container.schema import LABEL
from local_aws.partitions import partition_of
from pipeline.checks.check import CheckWarning, Refused, settled
from pipeline.checks.permissions import Permission
from pipeline.checks.roles import missing
from pipeline.checks.run_context import RunContext, Services, known
from pipeline.data import DATA, READ_BYTES, list_channel, read_channel, split_uri

from botocore.exceptions import ClientError

GB = 1024**3  # as SageMaker counts VolumeSizeInGB
CORRECT = "correct the S3 URI given with --parameter, or leave it at its default"


def bucket(services: Services, run: RunContext) -> str:
    """Check that the bucket exists, and that the caller may list its data.

    HeadBucket is not used, because it needs the permission to list the whole bucket. The checks of
    permissions cover writing.
    """
    name = known(run.stack, "stack").bucket
    try:
        services.s3.list_objects_v2(Bucket=name, Prefix=DATA, MaxKeys=1)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code == "AccessDenied":
            raise Refused(
                f"{name} may not be listed", "ask for s3:ListBucket: it is in the operator policy"
            ) from None
        if code != "NoSuchBucket":
            raise
        raise InputError(
            f"{name} does not exist, although the stack names it",
            "create it: .venv/bin/python build/teardown.py && .venv/bin/python build/deploy.py",
        ) from None
    return f"{name} can be reached"


def encryption(services: Services, run: RunContext) -> str:
    """Check that the training role may use the bucket's KMS key, if the bucket has one.

    A missing permission is a warning, because the key policy can also allow the use.
    """
    stack = known(run.stack, "stack")
    answer = services.s3.get_bucket_encryption(Bucket=stack.bucket)
    (rule,) = answer["ServerSideEncryptionConfiguration"]["Rules"]
    default = rule["ApplyServerSideEncryptionByDefault"]
    key = default.get("KMSMasterKeyID")
    if key is None:
        return f"{default['SSEAlgorithm']}, with a key of AWS"
    if not key.startswith("arn:"):
        key = f"arn:{partition_of(stack.region)}:kms:{stack.region}:{stack.account}:key/{key}"
    used = Permission(key, ("kms:Decrypt", "kms:GenerateDataKey"))
    refused = missing(services.iam, stack.training_role_arn, used)
    if refused:
        raise CheckWarning(
            f"{stack.training_role_arn} may not: {'; '.join(refused)}",
            "allow both for the training role, in the policies of the key and of the role",
        )
    return f"{default['SSEAlgorithm']}, the training role may use {key}"


def data(services: Services, run: RunContext) -> str:
    """Check that the data are valid for training, and fit on the disk of the instance."""
    sizes = {name: len(content) for name, content in settled(run.dataset).channels.items()}
    sizes |= {name: _size_of(services, run, name) for name in run.other_data}
    size, disk = sum(sizes.values()), run.settings.volume_size_gb
    if size >= disk * GB:
        raise InputError(
            f"{size:,} bytes do not fit on a disk of {disk} GB", "raise volume_size_gb"
        )
    return ", ".join(f"{name} {each:,} bytes" for name, each in sizes.items())


def _size_of(services: Services, run: RunContext, channel: str) -> int:
    """Return the size in bytes of a channel that is in S3 already.

    Raises:
        InputError: It cannot be trained on.
        CheckWarning: The caller may not look.
    """
    uri, stack = run.other_data[channel], known(run.stack, "stack")
    bucket_name, _ = split_uri(uri)
    try:
        if bucket_name != stack.bucket:
            head = services.s3.head_bucket(Bucket=bucket_name)
            _check_region(bucket_name, head, run.settings.region)
        sizes = list_channel(services.s3, uri)
        if not sizes:
            raise InputError(f"{channel}: no file in {uri}", CORRECT)
        arn = f"arn:{partition_of(stack.region)}:s3:::{bucket_name}/{min(sizes)}"
        reading = Permission(arn, ("s3:GetObject",))
        refused = missing(services.iam, stack.training_role_arn, reading)
        if refused:
            raise Refused(
                f"{channel}: {stack.training_role_arn} may not: {'; '.join(refused)}",
                f"put the data below {DATA} of {stack.bucket}",
            )
        if sum(sizes.values()) <= READ_BYTES:
            _check_rows(services.s3, channel, uri)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in ("404", "NoSuchBucket"):
            raise InputError(f"{channel}: there is no bucket {bucket_name}", CORRECT) from None
        if code in ("403", "AccessDenied"):
            raise CheckWarning(
                f"{channel}: {uri} cannot be read: {error}",
                f"the training role reads below {DATA} of {stack.bucket}",
            ) from None
        raise
    return sum(sizes.values())


def _check_rows(s3: Any, channel: str, uri: str) -> None:
    """Read a channel as the training job does.

    Raises InputError when it cannot be trained on, and CheckWarning when too few rows validate.
    """
    labels = read_channel(s3, uri)[LABEL]
    if labels.nunique() < 2:
        raise InputError(
            f"channel {channel}: every row of {uri} has the same label",
            f"upload rows of both classes, {LABEL} 0 and 1",
        )
    if channel == VALIDATION_CHANNEL and len(labels) < FEW_ROWS:
        raise CheckWarning(
            f"channel {channel}: the {len(labels)} rows of {uri} are too few to rely on",
            f"give {FEW_ROWS} rows or more",
        )


def _check_region(name: str, head: dict[str, Any], here: str) -> None:
    region = head.get("BucketRegion", here)
    if region != here:
        raise InputError(
            f"{name} is in region {region}, not in {here}",
            "a training job reads from its own region only: set region in pipeline.yaml",
        )
