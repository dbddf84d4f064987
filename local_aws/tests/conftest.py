"""A local AWS in a process of its own: moto's state belongs to a process."""

import http.client
import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from local_aws.clients import Clients
from local_aws.tests.jobs import CONFIG, PROGRAM, Jobs
from local_aws.tests.serving import FRAMEWORK, IMAGE, SERVER, Serving

import boto3
import pytest
import yaml
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

BASE_IMAGE = os.environ.get("TEST_BASE_IMAGE", "")  # with python3, for linux/amd64
ABSENT_IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/absent:1"
BUILT = "local-aws-tests"  # the start of the names of images that tests build
QUOTAS = {
    "ml.c5.xlarge for training job usage": 2,
    "ml.c5.2xlarge for training job usage": 1,
}

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
                "quotas": QUOTAS,
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
def container_jobs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jobs]:
    """What starts jobs in containers, of one more local AWS; jobs of other images are processes."""
    if reason := no_containers():
        (pytest.fail if "REQUIRE_DOCKER" in os.environ else pytest.skip)(reason)
    folder = tmp_path_factory.mktemp("containers")
    engine = [{"match": each, "docker": True} for each in (BASE_IMAGE, f"{BUILT}:*", ABSENT_IMAGE)]
    config = {"images": engine + CONFIG["images"], "quotas": QUOTAS}
    (folder / "local_aws.yaml").write_text(yaml.safe_dump(config))
    with built_image() as image, serving(folder) as printed:
        yield Jobs(clients_of(printed), image)


@contextmanager
def built_image() -> Iterator[str]:
    """Build an image with the program and the server of the tests, and remove it in the end."""
    name = f"{BUILT}:{uuid.uuid4().hex}"
    programs = {"train": PROGRAM, "serve": SERVER}
    entrypoint = json.dumps(["python3", "-c", f"import sys; exec({programs}[sys.argv[1]])"])
    lines = f"FROM {BASE_IMAGE}\nENV SAGEMAKER_BASE_DIR=/opt/ml\nENTRYPOINT {entrypoint}\n"
    build = ["docker", "build", "--quiet", f"--tag={name}", "-"]
    subprocess.run(build, input=lines.encode(), capture_output=True, check=True)
    try:
        yield name
    finally:
        subprocess.run(["docker", "rmi", "--force", name], capture_output=True, check=True)


def no_containers() -> str:
    """Return why no job can run in a container here; empty when one can."""
    if not BASE_IMAGE:
        return "TEST_BASE_IMAGE names no image"
    try:
        subprocess.run(["docker", "image", "inspect", BASE_IMAGE], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return f"no container engine has {BASE_IMAGE}"
    return ""


EITHER = ["process", pytest.param("container", marks=pytest.mark.container_engine)]


@pytest.fixture(params=EITHER)
def any_jobs(request: pytest.FixtureRequest) -> Jobs:
    """What starts jobs: first as child processes, then in containers."""
    name = "jobs" if request.param == "process" else "container_jobs"
    found: Jobs = request.getfixturevalue(name)
    return found


@pytest.fixture(scope="session")
def serving_models(clients: Clients) -> Serving:
    """What makes models of a server of the tests."""
    return Serving(clients)


@pytest.fixture(params=EITHER)
def any_serving(request: pytest.FixtureRequest) -> Serving:
    """What makes models of servers: first child processes, then in containers."""
    if request.param == "process":
        found: Serving = request.getfixturevalue("serving_models")
        return found
    jobs: Jobs = request.getfixturevalue("container_jobs")
    return Serving(jobs.clients, jobs.image)


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
