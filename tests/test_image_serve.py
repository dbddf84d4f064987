"""The image as a model server, for a client that was not written here: the SDK's own local mode.

What the image answers is tested where the same is tested of the process: every test of
test_container_serve.py and test_container_predict.py that asks a server runs in the image too.
"""

import csv
import io
import json
import socket
import tarfile
from pathlib import Path

from container.artifact import Artifact
from container.predict import write_csv, write_json_lines
from container.reading import read_rows
from pipeline.settings import Settings

from container_engine import NEEDS_COMPOSE, NEEDS_ENGINE, Image

pytestmark = NEEDS_ENGINE

ROWS = 30


@NEEDS_COMPOSE
def test_the_sdks_own_local_mode_deploys_and_transforms(
    image: Image, served_root: Path, settings: Settings, tmp_path: Path
) -> None:
    header, *lines = settings.data_file.read_text("utf-8").splitlines(keepends=True)
    text = "".join([header, *lines[:ROWS]])
    rows = csv.DictReader(io.StringIO(text))
    (tmp_path / "rows.csv").write_text(text, encoding="utf-8")
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as archive:
        for path in (served_root / "model").iterdir():
            archive.add(path, path.name)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    done = image.python(
        "tests/local_mode_serving.py",
        image.pull(),
        image.stack().bucket,
        image.environment["AWS_ENDPOINT_URL"],
        str(tmp_path),
        str(port),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    answer, of_lines, of_csv = json.loads(done.stdout.splitlines()[-1])

    artifact = Artifact.load(served_root / "model")
    scores = artifact.score(read_rows(text.encode(), "rows", labelled=False)).tolist()
    assert answer == write_csv(scores)
    s3 = image.clients().client("s3")

    def records(key: str) -> list[str]:
        """Assembled with a line end after each answer, which has one of its own."""
        content = s3.get_object(Bucket=image.stack().bucket, Key=key)["Body"].read().decode()
        return [line for line in content.splitlines() if line]

    assert records(of_lines) == write_json_lines(scores).splitlines()
    assert records(of_csv) == write_csv(scores).splitlines()
