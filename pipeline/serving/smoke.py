"""A few known rows, sent to an endpoint: its answer must be that of the artifact, to the digit."""

from container.contract import VALIDATION_CHANNEL
from container.predict import READERS, WRITERS
from container.reading import read_rows
from container.schema import LABEL
from pipeline.data import Dataset
from pipeline.evidence.scoring import load_artifact
from pipeline.execution.archive import download_artifact
from pipeline.serving.endpoint import NotServed, Smoke
from pipeline.serving.versions import Version

import boto3
from botocore.exceptions import BotoCoreError, ClientError

MEDIA_TYPE = "application/jsonlines"
ROWS = 5


def make_smoke_test(session: boto3.Session, version: Version, dataset: Dataset) -> Smoke:
    """Return a function that compares an endpoint's answer with that of the version's artifact.

    Both score the first validation rows, without their label.
    """
    known = read_rows(dataset.channels[VALIDATION_CHANNEL], labelled=True).head(ROWS)
    rows = known.drop(columns=LABEL).to_json(orient="records", lines=True).encode()
    artifact = load_artifact(download_artifact(session.client("s3"), version.model_uri))
    expected = WRITERS[MEDIA_TYPE](artifact.score(READERS[MEDIA_TYPE](rows)).tolist())
    runtime = session.client("sagemaker-runtime")

    def smoke(name: str) -> None:
        try:
            answer = runtime.invoke_endpoint(
                EndpointName=name, ContentType=MEDIA_TYPE, Accept=MEDIA_TYPE, Body=rows
            )
            found = answer["Body"].read().decode()
        except (ClientError, BotoCoreError) as error:
            raise NotServed(f"{name} does not answer: {error}") from None
        if found != expected:
            raise NotServed(f"{name} answers {found!r}, the artifact says {expected!r}")

    return smoke
