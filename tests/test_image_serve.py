"""The image as a model server, for a client that was not written here: the SDK's own local mode.

What the image answers is tested where the same is tested of the process: every test of
test_container_serve.py and test_container_predict.py that asks a server runs in the image too.
"""

import json
import socket
from pathlib import Path

from container.predict import write_csv, write_json_lines
from pipeline.settings import Settings

from container_engine import NEEDS_COMPOSE, NEEDS_ENGINE, Image
from test_local_aws_serving import write_model_and_rows

pytestmark = NEEDS_ENGINE


@NEEDS_COMPOSE
def test_the_sdks_own_local_mode_deploys_and_transforms(
    image: Image, served_root: Path, settings: Settings, tmp_path: Path
) -> None:
    scores = write_model_and_rows(served_root, settings, tmp_path)
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

    assert answer == write_csv(scores)
    s3 = image.clients().client("s3")

    def records(key: str) -> list[str]:
        """Assembled with a line end after each answer, which has one of its own."""
        content = s3.get_object(Bucket=image.stack().bucket, Key=key)["Body"].read().decode()
        return [line for line in content.splitlines() if line]

    assert records(of_lines) == write_json_lines(scores).splitlines()
    assert records(of_csv) == write_csv(scores).splitlines()
