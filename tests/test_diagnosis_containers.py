"""Failures that need a container, really produced, and what the commands say of them."""

import json
import threading
import uuid
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from container import contract
from container.errors import InputError
from local_aws.ecr import registry
from pipeline import cli
from pipeline.data import Dataset
from pipeline.image import IMAGE_MANIFESTS, NONE, image_tag

import push_image
import pytest
import urllib3
import yaml
from container_engine import (
    NEEDS_ENGINE,
    ROOT,
    Image,
    base_image,
    docker,
    leftovers,
    write_settings,
)
from container_jobs import Jobs, end, image_archive
from explained import entry_of, explained, says
from rich.console import Console
from test_containers_broken import PLAIN, project, push

pytestmark = NEEDS_ENGINE

NO_MODULE = "import nowhere"
NO_LIBRARY = "import ctypes; ctypes.CDLL('libnowhere.so.1')"
DOWNLOAD = "import urllib.request; urllib.request.urlopen('http://example.com')"
INDEX = "application/vnd.oci.image.index.v1+json"
EAT = "eaten = [b'x' * 2**20 for _ in range(4400)]"
METRICS = "; ".join(f"print({contract.metric_line(name, 0.9)!r})" for name in contract.METRICS)


@pytest.fixture(scope="module")
def jobs(image: Image) -> Iterator[Jobs]:
    settings = yaml.safe_load((image.folder / "good.yaml").read_text("utf-8"))
    settings["max_cost_usd"] = None  # not every type has a price
    (image.folder / "unlimited.yaml").write_text(yaml.safe_dump(settings))
    jobs = Jobs(image)
    yield jobs
    end(jobs)


def train(image: Image, uri: str, *arguments: str) -> tuple[int, str, str | None]:
    """One run of the pipeline in an image: the exit code, what was said, what the record keeps."""
    before = set(image.folder.glob("runs/*/run.json"))
    done = image.python(
        "pipeline/upsert_and_start.py",
        "--config=unlimited.yaml",
        "--no-preflight",
        "--no-cache",
        f"--parameter=ImageUri={uri}",
        *arguments,
    )
    (record,) = set(image.folder.glob("runs/*/run.json")) - before
    assert leftovers() == []
    return done.returncode, done.stderr, json.loads(record.read_text("utf-8"))["diagnosis"]


def python(program: str) -> str:
    return f"ENTRYPOINT {json.dumps(['python3', '-c', program])}"


@pytest.mark.parametrize(
    ("lines", "name"),
    [
        ("ENTRYPOINT []", "no-entrypoint"),
        ('ENTRYPOINT ["/nowhere"]', "no-program"),
        ('ENTRYPOINT ["/etc/passwd"]', "not-executable"),
        (python(NO_MODULE), "no-python-module"),
        (python(NO_LIBRARY), "no-shared-library"),
        (python(DOWNLOAD), "isolated"),
        (python("pass"), "no-metric"),
    ],
)
def test_an_image_that_does_not_train(
    lines: str, name: str, image: Image, jobs: Jobs, tmp_path: Path
) -> None:
    uri = jobs.push(lines, tmp_path, f"fault-{uuid.uuid4().hex[:8]}")
    code, err, kept = train(image, uri)
    assert code == cli.NOT_SUCCEEDED
    assert says(name, err)
    assert kept == name


def test_an_image_that_leaves_no_model_has_nothing_to_register(
    image: Image, jobs: Jobs, tmp_path: Path
) -> None:
    code, err, kept = train(image, jobs.push(python(METRICS), tmp_path, "no-model"))
    assert code == cli.NOT_SUCCEEDED
    assert says("no-model", err)
    assert kept == "no-model"


def test_a_program_that_ends_without_a_word_comes_with_the_end_of_its_log(
    image: Image, jobs: Jobs, tmp_path: Path
) -> None:
    lines = python("import sys; [print('line', n) for n in range(30)]; sys.exit(3)")
    code, err, kept = train(image, jobs.push(lines, tmp_path, "silent"))
    assert code == cli.NOT_SUCCEEDED
    said = err.partition("\nerror: execution Failed: step Train: AlgorithmError: , exit code: 3\n")[
        2
    ]
    assert said.startswith("training job pipelines-")
    assert [line for line in said.splitlines() if line.startswith("  ")] == [
        f"  line {n}" for n in range(10, 30)
    ]
    assert kept is None


def index_of(image: Image, uri: str) -> str:
    """An index of one image, as BuildKit pushes it; its URI."""
    repository, _, digest = uri.partition("@")
    host, _, name = repository.partition("/")
    login = registry.login(image.clients())
    headers = urllib3.make_headers(basic_auth=f"{login['username']}:{login['password']}")
    place = f"http://{host}/v2/{name}/manifests/"
    manifest = urllib3.request(
        "GET", f"{place}{digest}", headers=headers | {"Accept": IMAGE_MANIFESTS[1]}
    )
    index = {
        "schemaVersion": 2,
        "mediaType": INDEX,
        "manifests": [
            {"mediaType": IMAGE_MANIFESTS[1], "digest": digest, "size": len(manifest.data)}
        ],
    }
    answer = urllib3.request(
        "PUT", f"{place}index", headers=headers | {"Content-Type": INDEX}, body=json.dumps(index)
    )
    return f"{repository}@{answer.headers['Docker-Content-Digest']}"


def test_an_image_in_an_index(image: Image, jobs: Jobs, tmp_path: Path) -> None:
    uri = index_of(image, jobs.push(python("pass"), tmp_path, "single"))
    code, err, kept = train(image, uri)
    assert code == cli.NOT_SUCCEEDED
    assert says("manifest-format", err)
    assert kept == "manifest-format"


def test_an_image_of_another_architecture(image: Image, jobs: Jobs, tmp_path: Path) -> None:
    path = tmp_path / "arm64.tar"
    path.write_bytes(image_archive(f"{jobs.repository_uri}:arm64-too", "arm64"))
    docker("load", f"--input={path}")
    code, err, kept = train(image, jobs.push_tagged("arm64-too"))
    assert code == cli.NOT_SUCCEEDED
    assert says("wrong-architecture", err)
    assert kept == "wrong-architecture"


def test_a_program_that_needs_more_memory(image: Image, jobs: Jobs, tmp_path: Path) -> None:
    """ml.t3.medium has 4 GiB."""
    line = next(x for x in Path("/proc/meminfo").read_text().splitlines() if "MemAvailable" in x)
    if int(line.split()[1]) < 6 * 2**20:  # KiB
        pytest.skip("less than 6 GiB of memory are free")
    uri = jobs.push(python(EAT), tmp_path, "eats")
    code, err, kept = train(image, uri, "--parameter=InstanceType=ml.t3.medium")
    assert code == cli.NOT_SUCCEEDED
    assert says("memory", err)
    assert kept == "memory"


# Building and pushing.


def test_a_base_image_that_is_not_there(image: Image) -> None:
    assert says("no-base-image", image.refused.stderr)


class TooOften(BaseHTTPRequestHandler):
    """Answers as a registry does whoever has pulled too much from it: the code of the Distribution
    Specification, "Error Codes", and the words that the source of the entry quotes."""

    message = ""

    def do_GET(self) -> None:
        error = {"code": "TOOMANYREQUESTS", "message": self.message}
        there = self.path == "/v2/"
        body = b"{}" if there else json.dumps({"errors": [error]}).encode()
        self.send_response(HTTPStatus.OK if there else HTTPStatus.TOO_MANY_REQUESTS)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if self.command == "GET" else b"")

    do_HEAD = do_GET

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        pass


@pytest.mark.parametrize("name", ["pull-rate-limit", "ecr-public-rate-limit"])
def test_a_base_image_that_was_pulled_too_often(name: str, image: Image, tmp_path: Path) -> None:
    message = entry_of(name).seen.removeprefix("toomanyrequests: ")
    handler = type("Registry", (TooOften,), {"message": message})
    hub = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=hub.serve_forever, daemon=True).start()
    folder = project(tmp_path, PLAIN)
    write_settings(folder / "pipeline.yaml", f"127.0.0.1:{hub.server_port}/library/python:3.13")
    process = push(image, folder)
    _, err = process.communicate()
    hub.shutdown()
    hub.server_close()
    assert process.returncode == cli.WRONG_INPUT
    # BuildKit asks with HEAD, and the answer to that has no message.
    assert says(name if message in err else "pull-rate-limit", err)


def test_a_build_whose_disk_is_full(image: Image, tmp_path: Path) -> None:
    process = push(image, project(tmp_path, PLAIN + "RUN cat /dev/zero > /dev/full\n"))
    _, err = process.communicate()
    assert process.returncode == cli.WRONG_INPUT
    assert says("build-disk", err)


def test_an_image_whose_program_is_broken(image: Image, tmp_path: Path) -> None:
    process = push(image, project(tmp_path, PLAIN, train="def train(:\n"))
    _, err = process.communicate()
    assert process.returncode == cli.WRONG_INPUT
    assert says("smoke-training", err)


def test_packages_that_are_not_those_of_the_lock_file(image: Image, tmp_path: Path) -> None:
    folder = project(tmp_path, (ROOT / "container" / "Dockerfile").read_text())
    lock = folder / "container" / "requirements.lock"
    lines = [line for line in lock.read_text().splitlines() if "--hash" not in line]
    other = f"    --hash=sha256:{'0' * 64}"
    lock.write_text("".join(f"{x}\n{other}\n" if x.endswith("\\") else f"{x}\n" for x in lines))
    process = push(image, folder)
    _, err = process.communicate()
    assert process.returncode == cli.WRONG_INPUT
    assert says("hash-mismatch", err)


def test_a_build_without_a_docker_daemon(image: Image, dataset: Dataset) -> None:
    stack, clients = image.stack(), image.clients()
    key = "build/no-daemon.zip"
    clients.client("s3").put_object(Bucket=stack.bucket, Key=key, Body=push_image.pack(dataset))
    variables = {
        "IMAGE_TAG": "no-daemon",
        "BASE_IMAGE": base_image(),
        "DOCKER_HOST": "unix:///nowhere.sock",
    }
    with pytest.raises(InputError) as caught:
        push_image.build(
            clients.client("codebuild"),
            clients.client("logs"),
            stack.build_project,
            f"{stack.bucket}/{key}",
            variables,
            Console(quiet=True),
            sleep=lambda _: None,
        )
    assert says("no-docker-daemon", str(caught.value))


def push_by_hand(image: Image, name: str) -> str:
    """What Docker says of a push that it refuses."""
    done = image.run("docker", "push", name)
    assert done.returncode != 0
    return done.stderr


def test_a_push_without_a_login(image: Image, jobs: Jobs, tmp_path: Path) -> None:
    jobs.push(python("pass"), tmp_path, "login")
    image.run("docker", "logout", jobs.repository_uri.partition("/")[0])
    assert says("registry-login", explained(push_by_hand(image, f"{jobs.repository_uri}:login")))


def test_a_push_to_a_repository_that_is_not_there(image: Image, jobs: Jobs, tmp_path: Path) -> None:
    jobs.push(python("pass"), tmp_path, "nowhere")
    name = f"{jobs.repository_uri.partition('/')[0]}/nowhere:any"
    docker("tag", f"{jobs.repository_uri}:nowhere", name)
    said = push_by_hand(image, name)
    docker("rmi", name)
    assert says("no-repository", explained(said))


def test_a_push_of_another_image_under_the_same_tag(
    image: Image, jobs: Jobs, tmp_path: Path
) -> None:
    jobs.push(python("pass"), tmp_path, "other")
    tag = image_tag(NONE, base_image())
    name = f"{image.uri.partition('@')[0]}:{tag}"
    docker("tag", f"{jobs.repository_uri}:other", name)
    said = push_by_hand(image, name)
    docker("rmi", name)
    assert says("tag-immutable", explained(said))
