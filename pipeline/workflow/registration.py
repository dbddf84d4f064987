"""The step that registers the model, as a version that waits for a person's approval.

The metadata of a version are references in the definition. They are resolved when the step runs, so
they describe this execution and its training job, for any parameters.
"""

from collections.abc import Mapping
from typing import Any

import pipeline.sdk  # noqa: F401 - first: importing the SDK is made hermetic there
from container import contract
from container.schema import LABEL
from pipeline.data import URI_KEY
from pipeline.stack import Stack

from sagemaker.model import Model
from sagemaker.workflow.execution_variables import ExecutionVariables
from sagemaker.workflow.model_step import ModelStep
from sagemaker.workflow.pipeline_context import PipelineSession
from sagemaker.workflow.steps import TrainingStep

# The SDK adds what the step does: "Candidate-RegisterModel".
CANDIDATE = "Candidate"

# The smallest that one can count on: scoring needs less than 100 MiB.
ENDPOINT_INSTANCE_TYPES = ["ml.t2.medium", "ml.m5.large"]
TRANSFORM_INSTANCE_TYPES = ["ml.m5.large"]

# Keys of what a version says of itself, beside the metrics.
TRAINING_JOB = "training_job_arn"
EXECUTION = "pipeline_execution_arn"
IMAGE = "image_uri"
SOURCE_REVISION = "source_revision"


def register_model(
    stack: Stack,
    session: PipelineSession,
    train: TrainingStep,
    *,
    image_uri: Any,
    source_revision: Any,
    data_uris: Mapping[str, Any],
) -> ModelStep:
    """Register what `train` made; the keyword arguments may be pipeline parameters."""
    job = train.properties
    model = Model(
        image_uri=image_uri,
        model_data=job.ModelArtifacts.S3ModelArtifacts,
        sagemaker_session=session,
    )
    metrics = {
        name: job.FinalMetricDataList[name].Value.to_string()
        for name in map(contract.metric_name, contract.METRICS)
    }
    request = model.register(
        model_package_group_name=stack.model_package_group,
        approval_status="PendingManualApproval",
        description=f"Raw rows in, the probability of {LABEL} 1 out.",
        content_types=list(contract.CONTENT_TYPES),
        response_types=list(contract.CONTENT_TYPES),
        inference_instances=ENDPOINT_INSTANCE_TYPES,
        transform_instances=TRANSFORM_INSTANCE_TYPES,
        # At most 50 of 256 characters each; SageMaker's ModelMetrics are files in S3 instead.
        customer_metadata_properties={
            TRAINING_JOB: job.TrainingJobArn,
            EXECUTION: ExecutionVariables.PIPELINE_EXECUTION_ARN,
            IMAGE: image_uri,  # with the digest
            SOURCE_REVISION: source_revision,
            # With the hash of the content.
            **{URI_KEY.format(channel=channel): uri for channel, uri in data_uris.items()},
            **metrics,
        },
    )
    return ModelStep(
        name=CANDIDATE,
        display_name="Register the model",
        description="Puts the model into the registry as a version that waits for approval.",
        step_args=request,
    )
