"""A local AWS with containers in a process of its own, and what tests need around it."""

import functools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from local_aws.clients import Clients
from local_aws.errors import UserError
from local_aws.runners.docker import LABEL
from local_aws.runners.engine import connect
from pipeline.data import split_uri
from pipeline.settings import DEFAULT_CONFIG, load_settings
from pipeline.stack import Stack, read_stack

import pytest
import yaml
from archive import files_of

ROOT = Path(__file__).parent.parent
ADMINISTRATOR = "ADMINISTRATOR"
SERVE = [sys.executable, "-m", "local_aws", "serve", "--config", str(ROOT / "local_aws.yaml")]


@functools.cache
def missing() -> str | None:
    """Why tests of containers cannot run here."""
    try:
        connect()
    except UserError as error:
        return str(error.args[0])
    absent = [name for name in ("docker", "docker-registry", "aws") if not shutil.which(name)]
    return f"not installed: {', '.join(absent)}" if absent else None


NEEDS_ENGINE = [pytest.mark.container_engine, pytest.mark.timeout(900)]


NEEDS_COMPOSE = pytest.mark.skipif(
    not shutil.which("docker-compose") and "REQUIRE_DOCKER" not in os.environ,
    reason="not installed: docker-compose",
)


@dataclass
class Terminal:
    """A folder, and an environment that points at a local AWS."""

    environment: dict[str, str]
    folder: Path
    server: subprocess.Popen[str]

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )

    def python(self, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs a script of the project."""
        return self.run(sys.executable, str(ROOT / script), *arguments)

    def clients(self) -> Clients:
        names = ("ENDPOINT_URL", "REGION", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY")
        return Clients(*(self.environment[f"AWS_{name}"] for name in names))

    def stack(self) -> Stack:
        name = load_settings(DEFAULT_CONFIG).stack_name
        return read_stack(self.clients().client("cloudformation"), name)

    def log_in(self, password: str | None = None) -> subprocess.CompletedProcess[str]:
        """At the registry, with the password of ECR unless another one is given."""
        token = password or self.run("aws", "ecr", "get-login-password").stdout.strip()
        host = self.stack().repository_uri.partition("/")[0]
        return self.run("docker", "login", "--username", "AWS", "--password", token, host)

    def archive(self, uri: str) -> dict[str, bytes]:
        """The files of a tar.gz in S3."""
        bucket, key = split_uri(uri)
        answer = self.clients().client("s3").get_object(Bucket=bucket, Key=key)
        return files_of(answer["Body"].read())

    def local_mode(
        self, image: str, instance_count: int, hyperparameters: dict[str, object], root: Path
    ) -> tuple[str, str]:
        """Trains twice in the SDK's local mode: the model's URI of an Estimator, and the status of
        a pipeline's execution."""
        uris = self.python("pipeline/data.py", "--config", "good.yaml").stdout.split()
        done = self.python(
            "tests/local_mode.py",
            image,
            str(instance_count),
            json.dumps(hyperparameters),
            split_uri(uris[0])[0],
            self.environment["AWS_ENDPOINT_URL"],
            str(root),
            *uris,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        model, status = json.loads(done.stdout.splitlines()[-1])
        return str(model), str(status)


@dataclass
class Image(Terminal):
    """And the image of container/, pushed."""

    refused: subprocess.CompletedProcess[str]  # a build on a base image that does not exist
    refused_left: list[str]  # the images and containers that it made
    pushed: subprocess.CompletedProcess[str]
    again: subprocess.CompletedProcess[str]

    @property
    def uri(self) -> str:
        return self.pushed.stdout.strip()

    def pull(self) -> str:
        """The image under a name that the engine has."""
        self.log_in()
        assert self.run("docker", "pull", "--quiet", self.uri).returncode == 0
        return self.uri


def read_environment(stdout: IO[str]) -> dict[str, str]:
    """What `serve` prints; the administrator's keys, if it has some, under ADMINISTRATOR."""
    environment: dict[str, str] = {}
    while "no_proxy" not in environment:
        line = stdout.readline()
        if line.startswith("# administrator: "):
            environment[ADMINISTRATOR] = " ".join(re.findall(r"=(\S+)", line))
            continue
        name, _, value = line.removeprefix("export ").partition("=")
        environment[name] = value.strip()
    return environment


def administrator(environment: Mapping[str, str]) -> Clients:
    """The clients of who may do everything in a local AWS."""
    keys = environment.get(ADMINISTRATOR) or " ".join(
        environment[f"AWS_{name}"] for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY")
    )
    return Clients(environment["AWS_ENDPOINT_URL"], environment["AWS_REGION"], *keys.split())


@contextmanager
def serve(
    folder: Path, *options: str, environment: Mapping[str, str] | None = None, code: int = 0
) -> Iterator[Terminal]:
    """A running `python -m local_aws serve --containers`; it must end with `code`."""
    server = subprocess.Popen(
        [*SERVE, "--containers", *options],
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    assert server.stderr is not None
    exported = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    try:
        while "ready" not in (line := server.stderr.readline()):
            assert line, "it ended"
        exported |= read_environment(server.stdout)
        yield Terminal(exported, folder, server)
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait(timeout=60) == code


def docker(*arguments: str) -> str:
    """What the docker command prints; it must succeed."""
    return subprocess.run(
        ["docker", *arguments], capture_output=True, text=True, check=True
    ).stdout.strip()


def inventory() -> set[str]:
    """All images and containers of the engine."""
    return {*docker("images", "--all", "--quiet").split(), *docker("ps", "-aq").split()}


def leftovers() -> list[str]:
    """The containers and networks of training jobs."""
    marked = ("--quiet", "--filter", f"label={LABEL}")
    return [*docker("ps", "--all", *marked).split(), *docker("network", "ls", *marked).split()]


def remove_images(repository: str) -> None:
    """And the containers that the SDK's local mode leaves of them."""
    assert repository, "`docker images` without a name lists all that the engine has"
    # The newest first, as `docker images` lists them: what was made from another one is newer.
    for name in dict.fromkeys(docker("images", "--quiet", repository).split()):
        for container in docker("ps", "--all", "--quiet", "--filter", f"ancestor={name}").split():
            docker("rm", "--force", container)
        docker("rmi", "--force", name)


def base_image() -> str:
    return os.environ.get("TEST_BASE_IMAGE") or load_settings(DEFAULT_CONFIG).base_image


def write_settings(path: Path, base_image: str) -> None:
    """The project's pipeline.yaml, to be used from any folder."""
    settings = yaml.safe_load(DEFAULT_CONFIG.read_text(encoding="utf-8"))
    settings |= {"data_file": str(ROOT / settings["data_file"]), "base_image": base_image}
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
