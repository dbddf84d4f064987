"""The real image: built by the buildspec in a container engine, pushed to a registry, pinned by
digest, and trained in by local AWS.

Needs Docker, docker-registry and the aws command. TEST_BASE_IMAGE names a base image that the
engine has, where the one of pipeline.yaml cannot be pulled.
"""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

from container import contract
from container.reading import read_rows
from local_aws.runners.docker import LABEL
from local_aws.tests.waiting import wait_for
from pipeline.image import NONE, image_tag
from pipeline.settings import DEFAULT_CONFIG, load_settings

import pytest
import yaml
from conftest import SLOW, RunJob
from container_engine import NEEDS_COMPOSE, NEEDS_ENGINE, ROOT, Image, base_image, docker
from test_container_reading import write_parquet

pytestmark = NEEDS_ENGINE

TAG = image_tag(NONE, base_image())
PACKAGES_BYTES = 155_000_000


def test_a_build_that_fails_names_its_phase_and_its_last_lines(image: Image) -> None:
    assert image.refused.returncode == 2
    assert image.refused.stdout == ""
    assert " FAILED: phase BUILD: " in image.refused.stderr
    assert "its last lines:\n" in image.refused.stderr
    assert "\nhint: " in image.refused.stderr
    assert "Traceback" not in image.refused.stderr
    assert image.refused_left == []


def test_the_buildspec_builds_tries_and_pushes_the_image(image: Image) -> None:
    assert image.pushed.returncode == 0, image.pushed.stderr
    log = image.pushed.stderr
    assert "metric validation:auc=" in log, "the smoke training"
    repository, _, digest = image.uri.partition("@")
    assert f"{TAG}: digest: {digest} size: " in log
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
    assert [(each["imageDigest"], each["imageTags"]) for each in described] == [(digest, [TAG])], (
        "and nothing of the build that failed"
    )


def test_the_sbom_lists_what_is_installed_in_the_image(image: Image) -> None:
    bucket, key = image.stack().bucket, f"build/{TAG}.cdx.json"
    content = image.clients().client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    purls = {each["purl"] for each in json.loads(content)["components"]}
    lock = (ROOT / "container" / "requirements.lock").read_text("utf-8")
    pinned = re.findall(r"^([\w.-]+)==([^\s;]+)((?: ;.*)?)", lock, re.MULTILINE)
    everywhere = {f"pkg:pypi/{name}@{version}" for name, version, marker in pinned if not marker}
    assert everywhere
    assert everywhere <= purls
    assert any(purl.startswith("pkg:deb/debian/libc6@") for purl in purls)


def test_the_same_content_is_not_built_again(image: Image) -> None:
    assert image.again.returncode == 0
    assert image.again.stdout == image.pushed.stdout
    assert "already in ECR, nothing is built" in image.again.stderr


def test_a_tag_cannot_be_overwritten(image: Image) -> None:
    repository = image.uri.partition("@")[0]
    image.log_in()
    assert image.run("docker", "pull", "--quiet", image.uri).returncode == 0
    container = docker("create", image.uri)
    other = docker("commit", container)
    docker("rm", container)
    docker("tag", other, f"{repository}:{TAG}")
    refused = image.run("docker", "push", f"{repository}:{TAG}")
    docker("rmi", "--force", other)
    assert refused.returncode != 0
    assert "cannot be overwritten because the repository is immutable" in refused.stderr


def test_a_wrong_password_is_refused(image: Image) -> None:
    assert image.log_in("wrong").returncode != 0
    assert image.log_in().returncode == 0


def test_the_pipeline_trains_in_the_image_by_its_digest(
    image: Image, opt_ml: Path, run_job: RunJob
) -> None:
    done = image.python("pipeline/upsert_and_start.py", "--config", "good.yaml")
    assert done.returncode == 0, done.stderr
    folder = image.folder / re.findall(r"^record +(\S+)$", done.stdout, re.MULTILINE)[0]
    record = json.loads((folder / "run.json").read_text("utf-8"))
    assert record["image_uri"] == image.uri
    made = record["image_build"]
    assert made["tag"] == TAG
    assert made["base_image"] == base_image()
    assert f"build {made['build_id']}\n" in image.pushed.stderr
    assert made["sbom"] == f"s3://{image.stack().bucket}/build/{TAG}.cdx.json"
    assert made["packages"] > 50
    assert f", `{made['sbom']}` |" in (folder / "report.md").read_text("utf-8")
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
    values = [f"--parameter={name}={value}" for name, value in SLOW.items()]
    script = "pipeline/upsert_and_start.py"
    started = image.python(script, "--config", "good.yaml", "--no-wait", *values)
    assert started.returncode == 0, started.stderr
    name = wait_for(lambda: docker("ps", "--quiet", "--filter", f"label={LABEL}"))
    host = json.loads(docker("inspect", name))[0]["HostConfig"]
    assert host["Memory"] == host["MemorySwap"] == 8 * 2**30, "ml.m5.large has 8 GiB"
    assert host["NanoCpus"] == min(2, os.cpu_count() or 1) * 10**9
    assert host["NetworkMode"] == "none"
    modes = {bind.split(":")[1]: bind.split(":")[2] for bind in host["Binds"]}
    assert modes == {"/opt/ml/model": "rw", "/opt/ml/output": "rw", "/opt/ml/input": "ro"}
    image.run(
        "aws",
        "sagemaker",
        "stop-pipeline-execution",
        "--pipeline-execution-arn",
        started.stdout.strip(),
    )
    wait_for(lambda: not docker("ps", "--all", "--quiet", "--filter", f"label={LABEL}"))


@pytest.fixture
def local_image(image: Image) -> str:
    return image.pull()


@pytest.mark.parametrize(
    ("arguments", "trees"), [(("train", "--num_round", "10"), 10), (("train",), 100), ((), 100)]
)
def test_the_image_trains_with_arguments_and_without(
    arguments: tuple[str, ...], trees: int, local_image: str, opt_ml: Path
) -> None:
    docker("run", "--rm", "--network=none", f"--volume={opt_ml}:/opt/ml", local_image, *arguments)
    names = sorted(path.name for path in (opt_ml / "model").iterdir())
    assert names == sorted([*contract.ARTIFACT_FILES, contract.METRICS_FILE])
    metrics = json.loads((opt_ml / "model" / contract.METRICS_FILE).read_text("utf-8"))
    assert metrics["trees"] == trees


def test_the_image_reads_parquet_as_it_reads_csv(local_image: str, opt_ml: Path) -> None:
    models = []
    for _ in range(2):
        docker("run", "--rm", "--network=none", f"--volume={opt_ml}:/opt/ml", local_image, "train")
        models.append([(opt_ml / "model" / name).read_bytes() for name in contract.ARTIFACT_FILES])
        for path in [*(opt_ml / "input" / "data").glob("*/*.csv")]:
            write_parquet(path.with_suffix(".parquet"), read_rows(path, labelled=True))
            path.unlink()
    assert models[0] == models[1]


def test_the_packages_take_little_room_and_hold_nothing_but_what_is_used(local_image: str) -> None:
    script = (
        "find /opt/image -name tests -o -name '*.a'; find /root -path '*/.cache/*'; "
        "command -v cc; du --summarize --bytes /opt/image/packages"
    )
    (size,) = docker("run", "--rm", "--entrypoint=sh", local_image, "-c", script).splitlines()
    assert int(size.split()[0]) <= PACKAGES_BYTES


def test_the_image_says_what_it_was_made_from(local_image: str) -> None:
    config = json.loads(docker("inspect", local_image))[0]
    labels = config["Config"]["Labels"]
    revision = subprocess.run(
        ["git", "-C", str(ROOT), "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    assert labels["org.opencontainers.image.revision"] == (revision or "unknown")
    assert labels["org.opencontainers.image.base.name"]
    assert labels["com.amazonaws.sagemaker.capabilities.accept-bind-to-port"] == "true"
    assert config["Architecture"] == "amd64"
    assert config["Config"]["Entrypoint"] == ["python3", "-m", "container"]


def test_sigterm_reaches_the_program_in_the_container(local_image: str, opt_ml: Path) -> None:
    config = opt_ml / "input" / "config" / "hyperparameters.json"
    config.write_text(json.dumps({name: str(value) for name, value in SLOW.items()}))
    name = docker("run", "--detach", f"--volume={opt_ml}:/opt/ml", local_image, "train")
    try:
        wait_for(lambda: "[50]" in docker("logs", name))
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


@NEEDS_COMPOSE
def test_the_sdks_own_local_mode_trains_in_the_image(
    image: Image, local_image: str, tmp_path: Path
) -> None:
    """A client of the image that was not written here: an Estimator and a pipeline."""
    model, status = image.local_mode(local_image, 1, {"num_round": 30}, tmp_path)
    assert status == "Succeeded"
    metrics = json.loads(image.archive(model)["metrics.json"])
    assert metrics["auc"] > 0.8
