"""What the test of serving in the SDK's own local mode runs, in a process of its own: prints what
an endpoint answers, and where two transform jobs left their output."""

import json
import sys
from pathlib import Path

import boto3
from sagemaker.base_predictor import Predictor
from sagemaker.local.local_session import LocalSession
from sagemaker.model import Model
from sagemaker.transformer import Transformer

ROLE = "arn:aws:iam::123456789012:role/any"


def main(image: str, bucket: str, endpoint: str, root: str, port: str) -> None:
    folder = Path(root)
    s3 = boto3.Session().client("s3")
    for name in ("model.tar.gz", "rows.jsonl", "rows.csv"):
        s3.upload_file(str(folder / name), bucket, f"serving/{name}/{name}")
    session = LocalSession(
        boto_session=boto3.Session(), default_bucket=bucket, s3_endpoint_url=endpoint
    )
    session.config = {"local": {"container_root": root, "serving_port": int(port)}}
    model = Model(
        image,
        model_data=f"s3://{bucket}/serving/model.tar.gz/model.tar.gz",
        role=ROLE,
        predictor_cls=Predictor,
        sagemaker_session=session,
    )
    # Local mode answers only when the server does; waiting would look every 30 seconds only.
    predictor = model.deploy(initial_instance_count=1, instance_type="local", wait=False)
    body = (folder / "rows.jsonl").read_bytes()
    options = {"ContentType": "application/jsonlines", "Accept": "text/csv"}
    answer = predictor.predict(body, initial_args=options).decode()
    predictor.delete_endpoint()

    outputs = []
    for name, content_type, split in (
        ("rows.jsonl", "application/jsonlines", "Line"),
        ("rows.csv", "text/csv", None),
    ):
        transformer = Transformer(
            str(model.name),
            1,
            "local",
            strategy="SingleRecord",
            accept=content_type,
            assemble_with="Line",
            output_path=f"s3://{bucket}/serving/output",
            sagemaker_session=session,
        )
        source = f"s3://{bucket}/serving/{name}"
        # Local mode returns when the job has ended; waiting would look every 10 seconds only.
        transformer.transform(source, content_type=content_type, split_type=split, wait=False)
        outputs.append(f"serving/output/{transformer._current_job_name}/{name}.out")
    print()
    print(json.dumps([answer, *outputs]))


if __name__ == "__main__":
    main(*sys.argv[1:])
