"""A local AWS in a process of its own: moto's state belongs to a process."""

import http.client
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from local_aws.clients import Clients
from local_aws.tests.jobs import CONFIG, Jobs
from local_aws.tests.serving import FRAMEWORK, IMAGE, Serving

import boto3
import pytest
import yaml
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

Send = Callable[..., tuple[int, dict[str, str], bytes]]


@contextmanager
def serving(folder: Path, *arguments: str, code: int = 0) -> Iterator[dict[str, str]]:
    """Run `python -m local_aws serve` in `folder`, and yield the environment that it prints.

    It must end with `code`.
    """
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
        while not (line := process.stderr.readline()).startswith("local AWS: ready"):
            assert line.startswith("removed what"), line + process.stderr.read()
        environment = {"PATH": os.defpath, "HOME": str(folder)}
        while "no_proxy" not in environment:
            name, _, value = process.stdout.readline().removeprefix("export ").partition("=")
            environment[name] = value.strip()
        try:
            yield environment
        finally:
            process.send_signal(signal.SIGTERM)
            ended = process.wait(timeout=60)
        assert ended == code


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of one local AWS for all tests."""
    folder = tmp_path_factory.mktemp("serving")
    (folder / "local_aws.yaml").write_text(
        yaml.safe_dump(
            {
                "images": [IMAGE, FRAMEWORK, *CONFIG["images"]],
                "quotas": {"ml.c5.xlarge for training job usage": 2},
            }
        )
    )
    with serving(folder) as printed:
        yield printed


@pytest.fixture(scope="session")
def clients(environment: dict[str, str]) -> Clients:
    """The clients of the user of that local AWS."""
    return clients_of(environment)


def clients_of(environment: dict[str, str]) -> Clients:
    """The clients of the user whom an environment is of."""
    names = ("ENDPOINT_URL", "REGION", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY")
    return Clients(*(environment[f"AWS_{name}"] for name in names))


@pytest.fixture(scope="session")
def jobs(clients: Clients) -> Jobs:
    """What starts training jobs of a program of the tests."""
    return Jobs(clients)


@pytest.fixture(scope="session")
def serving_models(clients: Clients) -> Serving:
    """What makes models of a server of the tests."""
    return Serving(clients)


def keys(clients: Clients) -> tuple[str, str]:
    """The access key and the secret."""
    environment = clients.environment()
    return environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"]


@pytest.fixture
def send(environment: dict[str, str]) -> Send:
    """Sends one request, unsigned, with these headers and no others."""
    host = urlsplit(environment["AWS_ENDPOINT_URL"]).netloc

    def request(
        method: str, path: str, body: bytes = b"", **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(host, timeout=60)
        connection.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()

    return request


@pytest.fixture
def signed(environment: dict[str, str], clients: Clients) -> Callable[..., dict[str, str]]:
    """The headers of a request that is signed with the key of this local AWS."""

    def headers(service: str, method: str, path: str, body: bytes, **more: str) -> dict[str, str]:
        url = environment["AWS_ENDPOINT_URL"] + path
        request = AWSRequest(method, url, data=body, headers=more)
        credentials = boto3.Session(*keys(clients)).get_credentials()
        SigV4Auth(credentials, service, clients.region).add_auth(request)
        return dict(request.headers)

    return headers
