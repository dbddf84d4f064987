"""A pipeline as users of SDK v3 write it: `sdk_v3_program.py FOLDER LEAST_AUC`.

Train -> Condition -> Fail, in an environment of its own (`make .venv-v3/ready`), under `python -m
local_aws run`, with the stack and the image of this project. FOLDER holds train.csv and
validation.csv.
"""

import json
import os
import sys
from pathlib import Path

import boto3
from sagemaker.core.helper.session_helper import Session
from sagemaker.core.shapes import MetricDefinition
from sagemaker.core.training.configs import Compute, InputData, OutputDataConfig, StoppingCondition
from sagemaker.core.workflow.conditions import ConditionGreaterThanOrEqualTo
from sagemaker.core.workflow.parameters import ParameterFloat, ParameterInteger
from sagemaker.core.workflow.pipeline_context import PipelineSession
from sagemaker.mlops.workflow.condition_step import ConditionStep
from sagemaker.mlops.workflow.fail_step import FailStep
from sagemaker.mlops.workflow.pipeline import Pipeline
from sagemaker.mlops.workflow.steps import TrainingStep
from sagemaker.train import ModelTrainer

STACK, CHANNELS = "titanic-pipeline", ("train", "validation")


def main(folder: Path, least: float) -> None:
    """Upsert the pipeline, start it, and print the ARN of the execution."""
    os.environ["SAGEMAKER_VALIDATE_ROLE"] = "false"  # it asks for more than least privilege
    session = boto3.Session()
    stack = session.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]
    outputs = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
    bucket, repository = outputs["BucketName"], outputs["RepositoryUri"]
    images = session.client("ecr").describe_images(repositoryName=repository.partition("/")[2])
    image = f"{repository}@{images['imageDetails'][0]['imageDigest']}"
    prefix = f"data/{STACK}/v3"
    uploads = Session(boto_session=session, default_bucket=bucket)
    data = [
        InputData(
            channel_name=channel,
            data_source=uploads.upload_data(str(folder / f"{channel}.csv"), bucket, prefix),
        )
        for channel in CHANNELS
    ]
    rounds = ParameterInteger(name="NumRound", default_value=5)
    lowest = ParameterFloat(name="MinAuc", default_value=least)
    trainer = ModelTrainer(
        sagemaker_session=PipelineSession(boto_session=session, default_bucket=bucket),
        role=outputs["TrainingRoleArn"],
        training_image=image,
        compute=Compute(instance_type="ml.m5.large", instance_count=1, volume_size_in_gb=1),
        stopping_condition=StoppingCondition(max_runtime_in_seconds=600),
        hyperparameters={"num_round": rounds.to_string()},
        input_data_config=data,
        output_data_config=OutputDataConfig(s3_output_path=f"s3://{bucket}/models/{STACK}/v3"),
    ).with_metric_definitions(
        [MetricDefinition(name="auc", regex=r"^metric validation:auc=([0-9]+\.[0-9]+)$")]
    )
    train = TrainingStep(name="Train", step_args=trainer.train())
    check = ConditionStep(
        name="Check",
        conditions=[
            ConditionGreaterThanOrEqualTo(
                left=train.properties.FinalMetricDataList["auc"].Value, right=lowest
            )
        ],
        if_steps=[],
        else_steps=[FailStep(name="Refuse", error_message="the AUC is too low")],
    )
    pipeline = Pipeline(
        name=f"{STACK}-v3",
        parameters=[rounds, lowest],
        steps=[train, check],
        sagemaker_session=trainer.sagemaker_session,
    )
    pipeline.upsert(outputs["PipelineRoleArn"])
    print(json.dumps({"execution": pipeline.start().arn}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
