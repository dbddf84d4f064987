"""A local AWS in a process of its own: moto's state belongs to a process."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local_aws.clients import Clients

import pytest


@contextmanager
def serving(folder: Path, *arguments: str) -> Iterator[dict[str, str]]:
    """Run `python -m local_aws serve` in `folder`, and yield the environment that it prints."""
    with subprocess.Popen(
        [sys.executable, "-m", "local_aws", "serve", *arguments],
        env={**os.environ, "TMPDIR": str(folder)},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stderr
        ready = process.stderr.readline()
        assert ready.startswith("local AWS: ready"), ready + process.stderr.read()
        environment = {"PATH": os.defpath, "HOME": str(folder)}
        while "no_proxy" not in environment:
            name, _, value = process.stdout.readline().removeprefix("export ").partition("=")
            environment[name] = value.strip()
        yield environment
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of one local AWS for all tests."""
    with serving(tmp_path_factory.mktemp("serving")) as printed:
        yield printed


@pytest.fixture(scope="session")
def clients(environment: dict[str, str]) -> Clients:
    """The clients of the user of that local AWS."""
    names = ("ENDPOINT_URL", "REGION", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY")
    return Clients(*(environment[f"AWS_{name}"] for name in names))
