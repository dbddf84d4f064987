"""The real image: built by the buildspec in a container engine, pushed to a registry, pinned by
digest, and trained in by local AWS.

Needs Docker, docker-registry and the aws command. TEST_BASE_IMAGE names a base image that the
engine has, where the one of pipeline.yaml cannot be pulled.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from container import contract
from container.errors import InputError
from pipeline.image import source_tag
from pipeline.local_aws.container_runner import LABEL, connect
from pipeline.settings import DEFAULT_CONFIG, load_settings

import pytest
import yaml
from conftest import ROOT, RunJob

Run = Callable[..., subprocess.CompletedProcess[str]]


def missing() -> str | None:
    """Why these tests cannot run here."""
    try:
        connect()
    except InputError as error:
        return str(error.args[0])
    absent = [name for name in ("docker", "docker-registry", "aws") if not shutil.which(name)]
    return f"not installed: {', '.join(absent)}" if absent else None


REASON = missing()
pytestmark = [
    pytest.mark.skipif(bool(REASON) and "REQUIRE_DOCKER" not in os.environ, reason=str(REASON)),
    pytest.mark.timeout(900),
]


@dataclass
class Image:
    """A local AWS with containers, in a process of its own, and an image pushed to it."""

    environment: dict[str, str]
    folder: Path
    refused: subprocess.CompletedProcess[str]  # a build on a base image that does not exist
    pushed: subprocess.CompletedProcess[str]
    again: subprocess.CompletedProcess[str]

    @property
    def uri(self) -> str:
        return self.pushed.stdout.strip()

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return run(command, self.environment, self.folder)


def run(
    command: tuple[str, ...], environment: dict[str, str], folder: Path
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, check=False
    )


def docker(*arguments: str) -> str:
    """What the docker command prints; it must succeed."""
    return subprocess.run(
        ["docker", *arguments], capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    assert REASON is None, REASON
    folder = tmp_path_factory.mktemp("image")
    settings = yaml.safe_load(DEFAULT_CONFIG.read_text(encoding="utf-8"))
    settings["data_file"] = str(ROOT / settings["data_file"])
    settings["base_image"] = os.environ.get("TEST_BASE_IMAGE", settings["base_image"])
    (folder / "good.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    settings["base_image"] = "127.0.0.1:9/no/such:image"
    (folder / "bad.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")

    server = subprocess.Popen(
        [sys.executable, "-m", "pipeline.local_aws", "--containers", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    assert server.stderr is not None
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    try:
        while "ready" not in (line := server.stderr.readline()):
            assert line, "it ended"
        while "no_proxy" not in environment:
            name, _, value = server.stdout.readline().removeprefix("export ").partition("=")
            environment[name] = value.strip()

        def push(config: str) -> subprocess.CompletedProcess[str]:
            script = str(ROOT / "build" / "push_image.py")
            return run((sys.executable, script, "--config", config), environment, folder)

        refused, good = push("bad.yaml"), push("good.yaml")
        yield Image(environment, folder, refused, good, push("good.yaml"))
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait(timeout=60) == 0
    assert docker("ps", "--all", "--quiet", "--filter", f"label={LABEL}") == ""
    for name in set(docker("images", "--quiet", good.stdout.partition("@")[0]).split()):
        docker("rmi", "--force", name)


def test_a_build_that_fails_names_its_phase_and_its_last_lines(image: Image) -> None:
    assert image.refused.returncode == 2
    assert image.refused.stdout == ""
    assert " FAILED: phase BUILD: " in image.refused.stderr
    assert "its last lines:\n" in image.refused.stderr
    assert "\nhint: " in image.refused.stderr
    assert "Traceback" not in image.refused.stderr


def test_the_buildspec_builds_tries_and_pushes_the_image(image: Image) -> None:
    assert image.pushed.returncode == 0, image.pushed.stderr
    log = image.pushed.stderr
    assert "metric validation:auc=" in log, "the smoke training"
    repository, _, digest = image.uri.partition("@")
    assert f"{source_tag()}: digest: {digest} size: " in log
    described = json.loads(
        image.run(
            "aws",
            "ecr",
            "describe-images",
            "--repository-name",
            repository.partition("/")[2],
            "--output=json",
        ).stdout
    )["imageDetails"]
    assert [(each["imageDigest"], each["imageTags"]) for each in described] == [
        (digest, [source_tag()])
    ], "and nothing of the build that failed"


def test_the_same_content_is_not_built_again(image: Image) -> None:
    assert image.again.returncode == 0
    assert image.again.stdout == image.pushed.stdout
    assert "already there, nothing is built" in image.again.stderr


def test_a_tag_cannot_be_overwritten(image: Image) -> None:
    repository = image.uri.partition("@")[0]
    log_in(image)
    assert image.run("docker", "pull", "--quiet", image.uri).returncode == 0
    container = docker("create", image.uri)
    other = docker("commit", container)
    docker("rm", container)
    docker("tag", other, f"{repository}:{source_tag()}")
    refused = image.run("docker", "push", f"{repository}:{source_tag()}")
    docker("rmi", "--force", other)
    assert refused.returncode != 0
    assert "cannot be overwritten because the repository is immutable" in refused.stderr


def log_in(image: Image, password: str | None = None) -> subprocess.CompletedProcess[str]:
    token = password or image.run("aws", "ecr", "get-login-password").stdout.strip()
    host = image.uri.partition("/")[0]
    return image.run("docker", "login", "--username", "AWS", "--password", token, host)


def test_a_wrong_password_is_refused(image: Image) -> None:
    assert log_in(image, "wrong").returncode != 0
    assert log_in(image).returncode == 0


def test_the_pipeline_trains_in_the_image_by_its_digest(
    image: Image, opt_ml: Path, run_job: RunJob
) -> None:
    script = str(ROOT / "pipeline" / "upsert_and_start.py")
    done = image.run(sys.executable, script, "--config", "good.yaml")
    assert done.returncode == 0, done.stderr
    (folder,) = (image.folder / "runs").iterdir()
    record = json.loads((folder / "run.json").read_text("utf-8"))
    assert record["image_uri"] == image.uri
    metrics = json.loads((folder / "metrics.json").read_text("utf-8"))
    assert record["metrics"] == {contract.metric_name(m): metrics[m] for m in contract.METRICS}
    config = opt_ml / "input" / "config" / "hyperparameters.json"
    values = load_settings(DEFAULT_CONFIG).hyperparameters
    config.write_text(json.dumps({name: str(value) for name, value in values.items()}))
    assert run_job(opt_ml).returncode == 0
    outside = json.loads((opt_ml / "model" / "metrics.json").read_text("utf-8"))
    assert metrics == outside, "the image computes what container/ computes outside"


def test_a_job_has_what_its_instance_has_and_no_network(image: Image) -> None:
    """And when it is stopped, its container is gone."""
    slow = {"num_round": "10000", "early_stopping_rounds": "1000", "eta": "0.0001"}
    values = [f"--parameter={name}={value}" for name, value in {**slow, "max_depth": "16"}.items()]
    script = str(ROOT / "pipeline" / "upsert_and_start.py")
    started = image.run(sys.executable, script, "--config", "good.yaml", "--no-wait", *values)
    assert started.returncode == 0, started.stderr
    deadline = time.monotonic() + 60
    while not (name := docker("ps", "--quiet", "--filter", f"label={LABEL}")):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    host = json.loads(docker("inspect", name))[0]["HostConfig"]
    assert host["Memory"] == host["MemorySwap"] == 8 * 2**30, "ml.m5.large has 8 GiB"
    assert host["NanoCpus"] == min(2, os.cpu_count() or 1) * 10**9
    assert host["NetworkMode"] == "none"
    modes = {bind.split(":")[1]: bind.split(":")[2] for bind in host["Binds"]}
    assert modes == {"/opt/ml": "rw", "/opt/ml/input": "ro"}
    image.run(
        "aws",
        "sagemaker",
        "stop-pipeline-execution",
        "--pipeline-execution-arn",
        started.stdout.strip(),
    )
    while docker("ps", "--all", "--quiet", "--filter", f"label={LABEL}"):
        assert time.monotonic() < deadline + 60
        time.sleep(0.2)


@pytest.fixture
def local_image(image: Image) -> str:
    """The image under a name that the engine has."""
    log_in(image)
    assert image.run("docker", "pull", "--quiet", image.uri).returncode == 0
    return image.uri


@pytest.mark.parametrize("arguments", [("train",), ()])
def test_the_image_trains_with_the_argument_and_without(
    arguments: tuple[str, ...], local_image: str, opt_ml: Path
) -> None:
    docker("run", "--rm", "--network=none", f"--volume={opt_ml}:/opt/ml", local_image, *arguments)
    assert sorted(path.name for path in (opt_ml / "model").iterdir()) == [
        "features.json",
        "metrics.json",
        "model.ubj",
    ]


def test_the_image_holds_no_compiler_no_cache_and_no_tests(local_image: str) -> None:
    script = (
        "find /opt/image -name tests -o -name '*.a'; find /root -path '*/.cache/*'; "
        "command -v cc; true"
    )
    found = docker("run", "--rm", "--entrypoint=sh", local_image, "-c", script)
    assert found == ""


def test_the_image_says_what_it_was_made_from(local_image: str) -> None:
    config = json.loads(docker("inspect", local_image))[0]
    labels = config["Config"]["Labels"]
    revision = subprocess.run(
        ["git", "-C", str(ROOT), "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    assert labels["org.opencontainers.image.revision"] == (revision or "unknown")
    assert labels["org.opencontainers.image.base.name"]
    assert config["Architecture"] == "amd64"
    assert config["Config"]["Entrypoint"] == ["python3", "-m", "container"]


def test_sigterm_reaches_the_program_in_the_container(local_image: str, opt_ml: Path) -> None:
    slow = {"num_round": "10000", "early_stopping_rounds": "1000", "eta": "0.0001"}
    config = opt_ml / "input" / "config" / "hyperparameters.json"
    config.write_text(json.dumps({**slow, "max_depth": "16"}))
    name = docker("run", "--detach", f"--volume={opt_ml}:/opt/ml", local_image, "train")
    try:
        deadline = time.monotonic() + 60
        while "[50]" not in docker("logs", name):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        docker("kill", "--signal=TERM", name)
        assert docker("wait", name) == "143"
    finally:
        docker("rm", "--force", name)
    assert (opt_ml / "output" / "failure").read_text("utf-8").startswith("stopped by SIGTERM")


def test_two_builds_of_the_same_source_have_the_same_layers(image: Image, tmp_path: Path) -> None:
    base = yaml.safe_load((image.folder / "good.yaml").read_text("utf-8"))["base_image"]
    layers = []
    for number in range(2):
        copy = tmp_path / str(number)  # other times, as in another checkout
        shutil.copytree(ROOT / "container", copy, ignore=shutil.ignore_patterns("__pycache__"))
        for path in copy.iterdir():
            os.utime(path, (number, number))
        tag = f"titanic-layers:{number}"
        docker("build", "--no-cache", f"--build-arg=BASE_IMAGE={base}", f"--tag={tag}", str(copy))
        layers.append(json.loads(docker("inspect", tag))[0]["RootFS"]["Layers"])
        docker("rmi", "--force", tag)
    assert layers[0] == layers[1]


LOCAL_MODE = """
import json, sys
import boto3
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.local import LocalSession
from sagemaker.workflow.pipeline import Pipeline
from sagemaker.workflow.pipeline_context import LocalPipelineSession
from sagemaker.workflow.steps import TrainingStep

image, bucket, endpoint, root, train, validation = sys.argv[1:]
options = {"boto_session": boto3.Session(), "default_bucket": bucket, "s3_endpoint_url": endpoint}

def estimator(session):
    session.config = {"local": {"container_root": root}}
    return Estimator(
        image_uri=image,
        role="arn:aws:iam::123456789012:role/any",
        instance_count=1,
        instance_type="local",
        hyperparameters={"num_round": 30},
        output_path=f"s3://{bucket}/local-mode",
        sagemaker_session=session,
    )

channels = {"train": TrainingInput(train), "validation": TrainingInput(validation)}
fitted = estimator(LocalSession(**options))
fitted.fit(channels)
session = LocalPipelineSession(**options)
step = TrainingStep(name="Train", step_args=estimator(session).fit(channels))
pipeline = Pipeline(name="local-mode", steps=[step], sagemaker_session=session)
pipeline.create("arn:aws:iam::123456789012:role/any")
execution = pipeline.start()
print()
print(json.dumps([fitted.model_data, execution.describe()["PipelineExecutionStatus"]]))
"""


@pytest.mark.skipif(
    not shutil.which("docker-compose") and "REQUIRE_DOCKER" not in os.environ,
    reason="not installed: docker-compose",
)
def test_the_sdks_own_local_mode_trains_in_the_image(
    image: Image, local_image: str, tmp_path: Path
) -> None:
    """A client of the image that was not written here: an Estimator and a pipeline."""
    data = image.run(
        sys.executable, str(ROOT / "pipeline" / "data.py"), "--config", "good.yaml"
    ).stdout.split()
    bucket = data[0].split("/")[2]
    endpoint = image.environment["AWS_ENDPOINT_URL"]
    done = image.run(
        sys.executable, "-c", LOCAL_MODE, local_image, bucket, endpoint, str(tmp_path), *data
    )
    assert done.returncode == 0, done.stdout + done.stderr
    model, status = json.loads(done.stdout.splitlines()[-1])
    assert status == "Succeeded"
    (tmp_path / "model").mkdir()
    archive = str(tmp_path / "model.tar.gz")
    assert image.run("aws", "s3", "cp", "--quiet", model, archive).returncode == 0
    shutil.unpack_archive(archive, tmp_path / "model")
    metrics = json.loads((tmp_path / "model" / "metrics.json").read_text("utf-8"))
    assert metrics["auc"] > 0.8
