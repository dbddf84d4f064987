"""The pipeline's definition: train, then register or fail, depending on the validation AUC.

This command prints it as JSON, for an example account (see `pipeline/stack.py`) and without an
image digest: no network, no credentials, the same bytes every time. With --graph it prints the
graph of that JSON, as text that Mermaid draws.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

try:
    from container import contract
except ModuleNotFoundError as error:
    raise SystemExit(f"error: {error}\nhint: make .venv/ready, then use .venv/bin/python") from None

from container.errors import InputError
from local_aws.definition.graph import mermaid
from local_aws.environment import NO_CREDENTIALS, aws_environment
from pipeline import cli
from pipeline.data import prepare
from pipeline.image import TAG_CHARACTERS
from pipeline.sdk import make_session
from pipeline.settings import SMALLEST, Settings, load_settings
from pipeline.stack import Stack, example_stack
from pipeline.workflow.estimator import build_estimator
from pipeline.workflow.parameter_types import ParameterFloat, ParameterInteger, ParameterString
from pipeline.workflow.parameters import (
    CACHE_KEY,
    DATA_URIS,
    IMAGE_URI,
    INSTANCE_COUNT,
    INSTANCE_TYPE,
    MIN_VALIDATION_AUC,
    SOURCE_REVISION,
)
from pipeline.workflow.registration import register_model
from pipeline.workflow.resource_config import TrainingStep

import boto3
from sagemaker.inputs import TrainingInput
from sagemaker.workflow.condition_step import ConditionStep
from sagemaker.workflow.conditions import ConditionGreaterThanOrEqualTo
from sagemaker.workflow.fail_step import FailStep
from sagemaker.workflow.functions import Join
from sagemaker.workflow.pipeline import Pipeline
from sagemaker.workflow.pipeline_context import PipelineSession
from sagemaker.workflow.retry import SageMakerJobExceptionTypeEnum, SageMakerJobStepRetryPolicy
from sagemaker.workflow.steps import CacheConfig

TRAIN_STEP = "Train"
GATE_STEP = "CheckValidationAuc"
FAIL_STEP = "ValidationAucTooLow"

# A step is reused for so long (ISO 8601 duration) when nothing that determines its result changed.
CACHE_EXPIRES_AFTER = "P30D"

# No capacity: again after 1, 2, 4, 8 and 16 minutes.
RETRY_SECONDS = 60
RETRY_BACKOFF = 2.0
RETRIES = 5

NO_IMAGE_DIGEST = "sha256:" + "0" * 64
NO_SOURCE_REVISION = "0" * TAG_CHARACTERS

DESCRIPTION = (
    "Trains XGBoost in an image of its own, and registers the model when its validation AUC is "
    "high enough."
)


@dataclass(frozen=True)
class Inputs:
    """The inputs of one training job: the defaults of the pipeline's parameters."""

    image_uri: str
    source_revision: str  # of the image
    data_uris: Mapping[str, str]  # channel name -> S3 prefix


def build_pipeline(
    settings: Settings, stack: Stack, inputs: Inputs, boto_session: boto3.Session
) -> Pipeline:
    """Build the pipeline; nothing is sent.

    The result's `definition()` is the JSON that AWS executes, its `upsert()` sends it.
    """
    session = make_session(PipelineSession, boto_session, stack.bucket)
    preferred = settings.instance_types
    instance_type = ParameterString(INSTANCE_TYPE, default_value=preferred[0])
    instance_count = ParameterInteger(INSTANCE_COUNT, default_value=settings.instance_count)
    image_uri = ParameterString(IMAGE_URI, default_value=inputs.image_uri)
    revision = ParameterString(SOURCE_REVISION, default_value=inputs.source_revision)
    data_uris = {
        channel: ParameterString(name, default_value=inputs.data_uris[channel])
        for channel, name in DATA_URIS.items()
    }
    kinds: dict[type, Any] = {int: ParameterInteger, float: ParameterFloat}
    hyperparameters = {
        name: kinds[type(value)](name, default_value=value)
        for name, value in settings.hyperparameters.items()
    }
    threshold = ParameterFloat(MIN_VALIDATION_AUC, default_value=settings.min_validation_auc)
    cache_key = ParameterString(CACHE_KEY, default_value="shared")

    estimator = build_estimator(
        settings,
        stack,
        session,
        image_uri=image_uri,
        instance_type=instance_type if len(preferred) == 1 else preferred[0],
        instance_count=instance_count,
        hyperparameters=hyperparameters,
        environment={"CACHE_KEY": cache_key},  # part of the step's cache key, read by nobody
    )
    train = TrainingStep(
        name=TRAIN_STEP,
        instance_types=preferred,
        display_name="Train XGBoost",
        description="Trains in the project's own image and evaluates on the validation channel.",
        # docs: fit
        step_args=estimator.fit(
            {
                channel: TrainingInput(uri, content_type="text/csv")
                for channel, uri in data_uris.items()
            }
        ),
        # docs: end
        cache_config=CacheConfig(enable_caching=True, expire_after=CACHE_EXPIRES_AFTER),
        retry_policies=[
            SageMakerJobStepRetryPolicy(
                exception_types=[
                    SageMakerJobExceptionTypeEnum.CAPACITY_ERROR,
                    SageMakerJobExceptionTypeEnum.RESOURCE_LIMIT,
                ],
                interval_seconds=RETRY_SECONDS,
                backoff_rate=RETRY_BACKOFF,
                max_attempts=RETRIES,
            )
        ],
    )
    register = register_model(
        stack, session, train, image_uri=image_uri, source_revision=revision, data_uris=data_uris
    )
    auc = train.properties.FinalMetricDataList[contract.metric_name("auc")].Value
    gate = ConditionStep(
        name=GATE_STEP,
        display_name="Validation AUC high enough?",
        description=f"Compares the training job's validation AUC with {MIN_VALIDATION_AUC}.",
        conditions=[ConditionGreaterThanOrEqualTo(left=auc, right=threshold)],
        if_steps=[register],
        else_steps=[
            FailStep(
                name=FAIL_STEP,
                display_name="Validation AUC too low",
                description="Ends the execution as failed and says both values.",
                error_message=Join(
                    on="",
                    values=["validation:auc ", auc, f" is below {MIN_VALIDATION_AUC} ", threshold],
                ),
            )
        ],
    )
    return Pipeline(
        name=settings.pipeline_name,
        parameters=[
            *([instance_type] if len(preferred) == 1 else []),
            instance_count,
            image_uri,
            revision,
            *data_uris.values(),
            *hyperparameters.values(),
            threshold,
            cache_key,
        ],
        pipeline_experiment_config=None,  # else every execution leaves an experiment and a trial
        steps=[train, gate],
        sagemaker_session=session,
    )


def example_definition(settings: Settings) -> dict[str, Any]:
    """Return the definition for the example account, from the settings and the data file alone.

    Raises InputError for `instance_type: smallest`, which needs an account.
    """
    if settings.instance_type == SMALLEST:
        raise InputError(
            f"instance_type: {SMALLEST} is chosen in an account, and this command uses none",
            "set instance_type to a type, or ask: "
            ".venv/bin/python pipeline/upsert_and_start.py --dry-run",
        )
    stack = example_stack(settings.stack_name, settings.region)
    inputs = Inputs(
        image_uri=f"{stack.repository_uri}@{NO_IMAGE_DIGEST}",
        source_revision=NO_SOURCE_REVISION,
        data_uris=prepare(settings).uris(stack.bucket, settings.prefix),
    )
    with aws_environment(NO_CREDENTIALS):
        session = boto3.Session(
            region_name=settings.region,
            aws_access_key_id="none",
            aws_secret_access_key="none",  # noqa: S106 - the SDK wants a session with credentials
        )
        text = build_pipeline(settings, stack, inputs, session).definition()
    definition: dict[str, Any] = json.loads(text)
    return definition


def main(argv: Sequence[str] | None = None) -> int:
    """Print the definition, or with --graph its graph, and return the exit code."""
    parser = cli.parser(__doc__)
    parser.add_argument("--graph", action="store_true", help="print the graph, for Mermaid")
    arguments = parser.parse_args(argv)

    def command() -> int:
        definition = example_definition(load_settings(arguments.config))
        graph = mermaid(definition).rstrip() if arguments.graph else None
        print(graph or json.dumps(definition, indent=2))
        return cli.SUCCEEDED

    return cli.run(command, arguments.config)


if __name__ == "__main__":
    raise SystemExit(main())
