"""The SDK's Model, ModelPackage, Predictor and Transformer serve this project's model on local AWS,
with the numbers of `container.predict`: as a process, and in the image."""

import csv
import io
import json
import tarfile
from pathlib import Path
from typing import Any

from container.artifact import Artifact
from container.predict import write_csv
from container.reading import read_rows
from local_aws.tests.jobs import make_role
from pipeline.image import resolve_image
from pipeline.local import ProjectAws
from pipeline.settings import Settings

import pytest
import sdk_serving
from container_engine import Image
from present_image import TAG

ROWS = 30


def write_model_and_rows(served_root: Path, settings: Settings, folder: Path) -> list[float]:
    """Write the model, and rows as CSV and as JSON lines; return the rows' probabilities."""
    header, *lines = settings.data_file.read_text("utf-8").splitlines(keepends=True)
    text = "".join([header, *lines[:ROWS]])
    rows = csv.DictReader(io.StringIO(text))
    (folder / "rows.csv").write_text(text, encoding="utf-8")
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with tarfile.open(folder / "model.tar.gz", "w:gz") as archive:
        for path in (served_root / "model").iterdir():
            archive.add(path, path.name)
    artifact = Artifact.load(served_root / "model")
    found: list[float] = artifact.score(read_rows(text.encode(), "rows", labelled=False)).tolist()
    return found


@pytest.fixture
def scores(served_root: Path, settings: Settings, tmp_path: Path) -> list[float]:
    return write_model_and_rows(served_root, settings, tmp_path)


def test_the_sdk_serves_the_program_as_a_process(
    scores: list[float], tmp_path: Path, local_aws: ProjectAws
) -> None:
    stack = local_aws.stack
    image = resolve_image(local_aws.clients.client("ecr"), stack.repository_uri, TAG)
    answers = sdk_serving.serve(
        image, stack.bucket, make_role(local_aws.clients, "serving"), tmp_path
    )
    check(answers, scores, tmp_path)


@pytest.mark.container_engine
@pytest.mark.timeout(900)
def test_the_sdk_serves_the_image(scores: list[float], tmp_path: Path, image: Image) -> None:
    role = make_role(image.clients(), "serving")
    bucket = image.stack().bucket
    done = image.python("tests/sdk_serving.py", image.uri, bucket, role, str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    check(json.loads(done.stdout.splitlines()[-1]), scores, tmp_path)


def check(answers: dict[str, Any], scores: list[float], folder: Path) -> None:
    """Every way of serving gives the digits of `container.predict`, and the rows in order."""
    expected = write_csv(scores)
    assert {answers[kind] for kind in ("real-time", "serverless", "updated")} == {expected}
    assert answers["transform rows.csv"] == expected
    assert "missing columns" in answers["refused"]
    joined = [json.loads(line) for line in answers["transform rows.jsonl"].splitlines()]
    rows = [json.loads(line) for line in (folder / "rows.jsonl").read_text().splitlines()]
    outputs = [row.pop("SageMakerOutput")["probability"] for row in joined]
    assert joined == rows
    assert write_csv(outputs) == expected
