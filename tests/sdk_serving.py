"""What anyone would write with the SDK to serve a model; run against a local AWS.

    python tests/sdk_serving.py IMAGE BUCKET ROLE FOLDER

FOLDER holds model.tar.gz, rows.jsonl and rows.csv. Prints what was answered, as JSON.
"""

import json
import sys
from pathlib import Path
from typing import Any

import boto3
from sagemaker.base_predictor import Predictor
from sagemaker.model import Model, ModelPackage
from sagemaker.serverless.serverless_inference_config import ServerlessInferenceConfig
from sagemaker.session import Session

GROUP = "sdk-serving"


def main(image: str, bucket: str, role: str, root: str) -> None:
    """Deploy, update, roll over, transform and delete."""
    print(json.dumps(serve(image, bucket, role, Path(root))))


def serve(image: str, bucket: str, role: str, folder: Path) -> dict[str, Any]:
    """Return what the endpoints answered, and what the transform jobs wrote."""
    s3 = boto3.Session().client("s3")
    for name in ("model.tar.gz", "rows.jsonl", "rows.csv"):
        s3.upload_file(str(folder / name), bucket, f"sdk-serving/{name}")
    session: Any = Session(boto3.Session(), default_bucket=bucket)
    data = f"s3://{bucket}/sdk-serving/model.tar.gz"
    model: Any = Model(
        image,
        model_data=data,
        role=role,
        predictor_cls=Predictor,
        sagemaker_session=session,
        enable_network_isolation=True,
        name="sdk-serving",  # the SDK would make it of the image's name, with its @
    )
    body = (folder / "rows.jsonl").read_bytes()

    predictor = model.deploy(1, "ml.m5.large", endpoint_name="sdk-real-time", wait=False)
    settled(session, predictor.endpoint_name)
    answers = {"real-time": ask(predictor, body)}
    try:
        ask(predictor, b'{"age": "no number"}\n')
    except predictor.sagemaker_session.sagemaker_runtime_client.exceptions.ModelError as error:
        answers["refused"] = error.response["OriginalMessage"]

    make_package: Any = ModelPackage
    package = make_package(
        role=role,
        model_package_arn=register(session, image, data),
        predictor_cls=Predictor,
        sagemaker_session=session,
    )
    serverless = ServerlessInferenceConfig(memory_size_in_mb=1024, max_concurrency=2)
    from_registry = package.deploy(
        serverless_inference_config=serverless, endpoint_name="sdk-serverless", wait=False
    )
    settled(session, from_registry.endpoint_name)
    answers["serverless"] = ask(from_registry, body)

    predictor.update_endpoint(
        model_name=package.name, initial_instance_count=1, instance_type="ml.m5.large", wait=False
    )
    settled(session, predictor.endpoint_name)
    answers["updated"] = ask(predictor, body)

    for name, content_type, split, extra in (
        ("rows.jsonl", "application/jsonlines", "Line", {"join_source": "Input"}),
        ("rows.csv", "text/csv", None, {}),
    ):
        transformer = model.transformer(
            1,
            "ml.m5.large",
            strategy="MultiRecord",
            accept=content_type,
            assemble_with=split,
            output_path=f"s3://{bucket}/sdk-serving/output",
        )
        source = f"s3://{bucket}/sdk-serving/{name}"
        transformer.transform(
            source, content_type=content_type, split_type=split, wait=False, logs=False, **extra
        )
        job = transformer.latest_transform_job.job_name
        session.wait_for_transform_job(job, poll=0.1)  # with logs, it looks every 30 seconds only
        session.logs_for_transform_job(job, poll=0.1)
        output = s3.get_object(Bucket=bucket, Key=f"sdk-serving/output/{name}.out")
        answers[f"transform {name}"] = output["Body"].read().decode()
    for each in (predictor, from_registry):
        each.delete_endpoint()
    model.delete_model()
    return answers


def ask(predictor: Any, body: bytes) -> str:
    options = {"ContentType": "application/jsonlines", "Accept": "text/csv"}
    return str(predictor.predict(body, initial_args=options).decode())


def register(session: Any, image: str, data: str) -> str:
    client = session.sagemaker_client
    client.create_model_package_group(ModelPackageGroupName=GROUP)
    container = {"Image": image, "ModelDataUrl": data}
    return str(
        client.create_model_package(
            ModelPackageGroupName=GROUP,
            ModelApprovalStatus="Approved",
            InferenceSpecification={
                "Containers": [container],
                "SupportedContentTypes": ["application/jsonlines"],
                "SupportedResponseMIMETypes": ["text/csv"],
            },
        )["ModelPackageArn"]
    )


def settled(session: Any, name: str) -> None:
    """Wait as `wait=True` does, which looks every 30 seconds only."""
    session.wait_for_endpoint(name, poll=0.1)


if __name__ == "__main__":
    main(*sys.argv[1:])
