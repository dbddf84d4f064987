"""The bucket and the data."""

from typing import Any

from container.errors import InputError
from pipeline.checks.check import Refused, settled
from pipeline.checks.plan import Plan, Services, known

from botocore.exceptions import ClientError

GB = 1024**3  # as SageMaker counts VolumeSizeInGB


def bucket(services: Services, plan: Plan) -> str:
    """Whether it is there, in the region, and may be listed. Nothing is written: what may be is
    the matter of the permissions."""
    name = known(plan.stack, "stack").bucket
    head = _head(services.s3, name)
    region = head.get("BucketRegion", plan.settings.region)
    if region != plan.settings.region:
        raise InputError(
            f"{name} is in region {region}, not in {plan.settings.region}",
            "a training job reads from its own region only: set region in pipeline.yaml",
        )
    return f"{name} can be reached"


def data(_: Services, plan: Plan) -> str:
    """Whether it can be trained on, and fits on the disk of the instance."""
    channels = settled(plan.dataset).channels
    size, disk = sum(map(len, channels.values())), plan.settings.volume_size_gb
    if size >= disk * GB:
        raise InputError(
            f"{size:,} bytes do not fit on a disk of {disk} GB", "raise volume_size_gb"
        )
    return ", ".join(f"{name} {len(content):,} bytes" for name, content in channels.items())


def _head(s3: Any, name: str) -> dict[str, Any]:
    """Raises InputError when there is none, or it may not be looked at."""
    try:
        head: dict[str, Any] = s3.head_bucket(Bucket=name)
    except ClientError as error:
        if error.response["Error"]["Code"] == "403":
            raise Refused(
                f"{name} may not be listed", "ask for s3:ListBucket: it is in the operator policy"
            ) from None
        if error.response["Error"]["Code"] != "404":
            raise
        raise InputError(
            f"{name} is not there, though the stack names it",
            "python build/teardown.py, then python build/deploy.py: they make it anew",
        ) from None
    return head
