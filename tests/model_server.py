"""The model server as a process, an artifact for it, and requests to it."""

import http.client
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from container.contract import parse_hyperparameters
from container.passengers import read_passengers
from container.train import fit
from pipeline.data import Dataset

from container_engine import ROOT


@dataclass
class Answer:
    status: int
    content_type: str
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass
class ModelServer:
    host: str
    port: int

    def ask(
        self, method: str, path: str, body: bytes | None = None, **headers: str | bytes
    ) -> Answer:
        """One request on a connection of its own; `content_type` is Content-Type."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=60)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, named)
        response = connection.getresponse()
        answer = Answer(response.status, response.headers["Content-Type"], response.read())
        connection.close()
        return answer

    def invoke(self, body: bytes, content_type: str, **headers: str) -> Answer:
        return self.ask("POST", "/invocations", body, content_type=content_type, **headers)


def write_artifact(folder: Path, dataset: Dataset) -> Path:
    """A small model of the Titanic data; the folder."""
    rows = {
        channel: read_passengers(content, channel, labelled=True)
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
            "PATH": os.defpath,
            "PYTHONPATH": str(ROOT),
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
    assert stderr == ""


def address(process: subprocess.Popen[str]) -> tuple[str, int]:
    """Host and port, from the line that a server prints when it is ready."""
    assert process.stdout
    while "serving" not in (line := process.stdout.readline()):
        assert line, process.communicate()
    host, _, port = line.strip().rpartition("http://")[2].partition(":")
    return host, int(port)
