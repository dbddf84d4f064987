"""What the tests of the SDK's own local mode run, in a process of its own: prints the model's URI
and the status of an execution."""

import json
import sys
from typing import Any

import boto3
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.local.local_session import LocalSession
from sagemaker.workflow.pipeline import Pipeline
from sagemaker.workflow.pipeline_context import LocalPipelineSession
from sagemaker.workflow.steps import TrainingStep

ROLE = "arn:aws:iam::123456789012:role/any"


def main(
    image: str,
    instance_count: str,
    hyperparameters: str,
    bucket: str,
    endpoint: str,
    root: str,
    *uris: str,
) -> None:
    options = {
        "boto_session": boto3.Session(),
        "default_bucket": bucket,
        "s3_endpoint_url": endpoint,
    }
    channels = dict(zip(("train", "validation"), map(TrainingInput, uris), strict=True))

    def estimator(session: Any) -> Estimator:
        session.config = {"local": {"container_root": root}}
        return Estimator(
            image_uri=image,
            role=ROLE,
            instance_count=int(instance_count),
            instance_type="local",
            hyperparameters=json.loads(hyperparameters),
            output_path=f"s3://{bucket}/local-mode",
            sagemaker_session=session,
        )

    fitted = estimator(LocalSession(**options))
    fitted.fit(channels)
    session = LocalPipelineSession(**options)  # type: ignore[no-untyped-call]
    step = TrainingStep(name="Train", step_args=estimator(session).fit(channels))
    pipeline = Pipeline(name="local-mode", steps=[step], sagemaker_session=session)
    pipeline.create(ROLE)
    execution = pipeline.start()
    print()
    print(json.dumps([fitted.model_data, execution.describe()["PipelineExecutionStatus"]]))


if __name__ == "__main__":
    main(*sys.argv[1:])
