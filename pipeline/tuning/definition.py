"""The pipeline that searches for hyperparameters: a TrainingStep and a TuningStep.

The first step measures the present hyperparameters, for comparison. The jobs of both steps use the
estimator and the image of the training pipeline, but they only cross-validate inside the training
channel. They do not get the validation channel, which is for the quality gate.
"""

from container import contract
from container.contract import CROSS_VALIDATION, FOLDS, HYPERPARAMETERS, METRICS, SPREAD
from pipeline.definition import Inputs
from pipeline.sdk import make_session
from pipeline.settings import Settings
from pipeline.stack import Stack
from pipeline.tuning_settings import Range, Tuning
from pipeline.workflow.estimator import build_estimator
from pipeline.workflow.parameters import IMAGE_URI, INSTANCE_TYPE, TRAIN_DATA_URI
from pipeline.workflow.resource_config import TuningStep

import boto3
from sagemaker.inputs import TrainingInput
from sagemaker.parameter import (
    CategoricalParameter,
    ContinuousParameter,
    IntegerParameter,
    ParameterRange,
)
from sagemaker.tuner import HyperparameterTuner
from sagemaker.workflow.parameters import ParameterString
from sagemaker.workflow.pipeline import Pipeline
from sagemaker.workflow.pipeline_context import PipelineSession
from sagemaker.workflow.steps import TrainingStep

# Part of the names of the jobs, by which the policies of build/infrastructure.yml know them.
TUNE_STEP = "Tune"
PRESENT_STEP = "Present"
OBJECTIVE = contract.metric_name("auc", CROSS_VALIDATION)


def build_tuning_pipeline(
    settings: Settings, tuning: Tuning, stack: Stack, inputs: Inputs, boto_session: boto3.Session
) -> Pipeline:
    """Build the tuning pipeline; nothing is sent.

    The result's `definition()` is the JSON that AWS executes, its `upsert()` sends it.
    """
    session = make_session(PipelineSession, boto_session, stack.bucket)
    instance_type = ParameterString(INSTANCE_TYPE, default_value=settings.instance_types[0])
    image_uri = ParameterString(IMAGE_URI, default_value=inputs.image_uri)
    data_uri = ParameterString(
        TRAIN_DATA_URI, default_value=inputs.data_uris[contract.TRAIN_CHANNEL]
    )
    estimator = build_estimator(
        settings,
        stack,
        session,
        image_uri=image_uri,
        instance_type=instance_type,
        instance_count=1,
        hyperparameters={**settings.hyperparameters, FOLDS: tuning.folds},
    )
    estimator.metric_definitions = [
        {
            "Name": contract.metric_name(metric, CROSS_VALIDATION),
            "Regex": contract.metric_regex(metric, CROSS_VALIDATION),
        }
        for metric in (*METRICS, SPREAD)
    ]
    channels = {contract.TRAIN_CHANNEL: TrainingInput(data_uri, content_type="text/csv")}
    present = TrainingStep(
        name=PRESENT_STEP,
        display_name="Measure the present hyperparameters",
        description="Cross-validates the hyperparameters of pipeline.yaml, for comparison.",
        step_args=estimator.fit(channels),
    )
    tuner = HyperparameterTuner(
        estimator,
        OBJECTIVE,
        {name: _range(name, each) for name, each in tuning.ranges.items()},
        metric_definitions=estimator.metric_definitions,
        strategy=tuning.strategy,
        objective_type="Maximize",
        max_jobs=tuning.trials,
        max_parallel_jobs=tuning.at_once,
        random_seed=tuning.seed,
        early_stopping_type="Off",  # the objective comes at the end of a job, never before
    )
    step = TuningStep(
        name=TUNE_STEP,
        keep_alive_seconds=settings.warm_pool_seconds,
        display_name="Search for hyperparameters",
        description=f"{tuning.strategy} search for the highest {OBJECTIVE}.",
        step_args=tuner.fit(channels),
        depends_on=[present],  # not both at a time: the quota may be one instance
    )
    return Pipeline(
        name=pipeline_name(settings),
        parameters=[instance_type, image_uri, data_uri],
        pipeline_experiment_config=None,
        steps=[present, step],
        sagemaker_session=session,
    )


def pipeline_name(settings: Settings) -> str:
    """Return the name of the project's tuning pipeline."""
    return f"{settings.pipeline_name}-tuning"


def _range(name: str, searched: Range | list[int | float]) -> ParameterRange:
    if isinstance(searched, list):
        return CategoricalParameter(searched)  # type: ignore[no-untyped-call]
    kind = IntegerParameter if HYPERPARAMETERS[name].type is int else ContinuousParameter
    return kind(searched.min, searched.max, searched.scale)
