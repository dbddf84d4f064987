"""The Estimator: the request of the training job, for the pipeline, the search and the notebook."""

from collections.abc import Mapping
from typing import Any

import pipeline.sdk  # noqa: F401 - first: importing the SDK is made hermetic there
from container import contract
from pipeline.settings import Settings
from pipeline.stack import Stack

from sagemaker.estimator import Estimator
from sagemaker.session import Session
from sagemaker.utils import instance_supports_kms


def build_estimator(
    settings: Settings,
    stack: Stack,
    session: Session,
    *,
    image_uri: Any,
    instance_type: Any,
    instance_count: Any,
    hyperparameters: Mapping[str, Any],
    environment: Mapping[str, Any] | None = None,
) -> Estimator:
    """Build the Estimator of the training job; keyword arguments may be pipeline parameters."""
    # An instance type with disks of its own encrypts them itself, and takes no key for them.
    volume_key = all(instance_supports_kms(each) for each in settings.instance_types)
    # docs: estimator
    return Estimator(
        image_uri=image_uri,
        base_job_name=settings.pipeline_name,  # the default has an "@"
        role=stack.training_role_arn,
        instance_type=instance_type,
        instance_count=instance_count,
        hyperparameters=dict(hyperparameters),
        environment=dict(environment or {}),
        metric_definitions=[
            {"Name": contract.metric_name(m), "Regex": contract.metric_regex(m)}
            for m in contract.METRICS
        ],
        output_path=f"s3://{stack.bucket}/models/{settings.prefix}",
        volume_size=settings.volume_size_gb,  # the SDK's default is 30 GB
        max_run=settings.max_run_seconds,  # the SDK's default is 24 hours
        # docs: end
        # A fact of the definition, not a parameter: CreateTrainingJob refuses a maximum wait
        # when spot is off, and a parameter cannot take it out of the request.
        use_spot_instances=settings.spot,
        max_wait=settings.max_wait_seconds if settings.spot else None,
        # One prefix for all executions: it is part of the key of the step's cache. The training
        # program tells its own checkpoints from those of others.
        checkpoint_s3_uri=(
            f"s3://{stack.bucket}/checkpoints/{settings.prefix}" if settings.spot else None
        ),
        checkpoint_local_path=contract.CHECKPOINT_PATH if settings.spot else None,
        # docs: estimator
        enable_network_isolation=True,  # it needs no network: nothing can leak
        disable_profiler=True,  # else a profiler reads the job every minute
        debugger_hook_config=False,  # else tensors go to the default bucket
        # docs: end
        tags=settings.aws_tags,
        subnets=list(settings.vpc.subnets) if settings.vpc else None,
        security_group_ids=list(settings.vpc.security_groups) if settings.vpc else None,
        output_kms_key=settings.kms_key,
        volume_kms_key=settings.kms_key if volume_key else None,
        # docs: estimator
        sagemaker_session=session,
    )
    # docs: end
