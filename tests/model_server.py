"""The model server as a process, an artifact for it, and requests to it."""

import http.client
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from pathlib import Path

from container.contract import parse_hyperparameters
from container.reading import read_rows
from container.train import fit
from pipeline.data import Dataset

from container_engine import docker
from program import ENVIRONMENT


@dataclass
class Answer:
    status: int
    headers: Message
    body: bytes

    @property
    def content_type(self) -> str:
        return self.headers["Content-Type"]

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass
class ModelServer:
    host: str
    port: int

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | Iterator[bytes] | None = None,
        **headers: str | bytes,
    ) -> Answer:
        """One request on a connection of its own; `content_type` is Content-Type, and an iterator
        is sent in chunks."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=60)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, named)
        response = connection.getresponse()
        answer = Answer(response.status, response.headers, response.read())
        connection.close()
        return answer

    def wait(self) -> None:
        """Until /ping is answered with 200."""
        deadline = time.monotonic() + 60
        while True:
            try:
                assert self.ask("GET", "/ping").status == 200
            except (OSError, http.client.HTTPException):
                assert time.monotonic() < deadline
                time.sleep(0.1)
            else:
                return

    def invoke(self, body: bytes | Iterator[bytes], content_type: str, **headers: str) -> Answer:
        return self.ask("POST", "/invocations", body, content_type=content_type, **headers)


def write_artifact(folder: Path, dataset: Dataset) -> Path:
    """A small model of the Titanic data; the folder."""
    rows = {
        channel: read_rows(content, channel, labelled=True)
        for channel, content in dataset.channels.items()
    }
    hyperparameters = parse_hyperparameters({"num_round": 40})
    folder.mkdir(parents=True)
    fit(rows["train"], rows["validation"], hyperparameters).save(folder)
    return folder


def start(root: Path, **variables: str) -> subprocess.Popen[str]:
    """`python -m container serve` over a root, as the image runs it."""
    return subprocess.Popen(
        [sys.executable, "-m", "container", "serve"],
        env={
            **ENVIRONMENT,
            "SAGEMAKER_BASE_DIR": str(root),
            "SAGEMAKER_BIND_TO_PORT": "0",
            **variables,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def running(root: Path, **variables: str) -> Iterator[ModelServer]:
    """It must end well, and say nothing but where it serves."""
    process = start(root, **variables)
    try:
        yield ModelServer(*address(process))
    finally:
        process.send_signal(signal.SIGTERM)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 0
    assert stderr == "", stderr


@contextmanager
def running_in_image(image: str, root: Path) -> Iterator[ModelServer]:
    """`docker run IMAGE serve` as SageMaker runs it: the model cannot be written to."""
    model = f"--volume={root / 'model'}:/opt/ml/model:ro"
    name = docker("run", "--detach", "--publish=127.0.0.1::8080", model, image, "serve")
    try:
        server = ModelServer("127.0.0.1", int(docker("port", name, "8080").rpartition(":")[2]))
        server.wait()
        yield server
        docker("kill", "--signal=TERM", name)
        assert docker("wait", name) == "0"
        assert docker("logs", name) == "model of /opt/ml/model\nserving on http://0.0.0.0:8080"
    finally:
        docker("rm", "--force", name)


def address(process: subprocess.Popen[str]) -> tuple[str, int]:
    """Host and port, from the line that a server prints when it is ready."""
    assert process.stdout
    while "serving" not in (line := process.stdout.readline()):
        assert line, process.communicate()
    host, _, port = line.strip().rpartition("http://")[2].partition(":")
    return host, int(port)
