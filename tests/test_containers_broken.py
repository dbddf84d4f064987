"""Builds and jobs when the registry, the disk or the image's program fails them."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from local_aws.runners.docker import LABEL
from local_aws.tests.waiting import wait_for
from pipeline.stack import Stack

import pytest
from conftest import small_file_system
from container_engine import (
    NEEDS_ENGINE,
    ROOT,
    Image,
    Terminal,
    base_image,
    docker,
    leftovers,
    remove_images,
    serve,
    write_settings,
)
from container_jobs import PROGRAM, Jobs, channel, image_archive
from explained import says

pytestmark = NEEDS_ENGINE

SMALL_DISK = "400m"  # the registry's copy of the base image takes a third
MEBIBYTE = 2**20

# Builds in seconds, and shows whether the image or its smoke training is at fault.
PLAIN = """ARG BASE_IMAGE
FROM ${BASE_IMAGE}
COPY *.py /program/container/
ENV PYTHONPATH=/program
ENTRYPOINT ["python3", "-m", "container"]
"""
# Its smoke training succeeds, once someone has put the file `go` into its folder.
WAITING = """ARG BASE_IMAGE
FROM ${BASE_IMAGE}
ENTRYPOINT ["sh", "-c", "cd /opt/ml; until test -e go; do sleep 0.1; done; \\
    mkdir model; echo > model/model.ubj"]
"""


def test_without_a_registry_program_the_error_says_so_and_nothing_stays(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "local_aws", "serve", "--containers"],
        env={**os.environ, "PATH": str(tmp_path), "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "error: no registry: docker-registry is not installed",
        "hint: apt-get install docker-registry",
    ]
    assert list(tmp_path.iterdir()) == []


def project(folder: Path, dockerfile: str, **modules: str) -> Path:
    """A copy of the project with another Dockerfile, and other modules in container/."""
    for name in ("build", "container", "pipeline"):
        shutil.copytree(
            ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
        )
    (folder / "container" / "Dockerfile").write_text(dockerfile)
    for name, content in modules.items():
        (folder / "container" / f"{name}.py").write_text(content)
    write_settings(folder / "pipeline.yaml", base_image())
    return folder


def push(terminal: Terminal, folder: Path) -> subprocess.Popen[str]:
    """Runs build/push_image.py of the copy, with the modules of the copy."""
    return subprocess.Popen(
        [sys.executable, str(folder / "build" / "push_image.py")],
        env={**terminal.environment, "PYTHONPATH": str(folder)},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def tags(terminal: Terminal, stack: Stack) -> list[str]:
    """Of all images in the project's repository."""
    repository = stack.repository_uri.partition("/")[2]
    answer = terminal.clients().client("ecr").describe_images(repositoryName=repository)
    return sorted(tag for image in answer["imageDetails"] for tag in image.get("imageTags", []))


@pytest.mark.parametrize(
    ("modules", "cause", "hint"),
    [
        (
            {"train": "def train(:\n"},
            "SyntaxError: invalid syntax (train.py, line 1)",
            "correct container/, then run",
        ),
        (
            {},
            "ModuleNotFoundError: No module named 'xgboost'",
            "remove the import, or add the package",
        ),
    ],
)
def test_an_image_that_does_not_train_is_not_pushed(
    modules: dict[str, str], cause: str, hint: str, image: Image, tmp_path: Path
) -> None:
    stack = image.stack()
    before, containers = tags(image, stack), docker("ps", "--all", "--quiet")
    process = push(image, project(tmp_path, PLAIN, **modules))
    out, err = process.communicate()
    assert process.returncode == 2
    assert out == ""
    assert " FAILED: phase BUILD: " in err
    assert cause in err.partition("its last lines:")[2]
    assert err.splitlines()[-1].startswith(f"hint: {hint}")
    assert tags(image, stack) == before
    assert docker("ps", "--all", "--quiet") == containers


def test_a_registry_that_ends_is_named_by_the_build_and_by_the_job(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    with serve(tmp_path / "home") as terminal:
        jobs = Jobs(terminal)
        archive = tmp_path / "image.tar"
        archive.write_bytes(image_archive(f"{jobs.repository_uri}:any", "amd64"))
        docker("load", f"--input={archive}")
        pushed = jobs.push_tagged("any")

        process = push(terminal, project(tmp_path / "project", WAITING))
        smoke = smoke_folder(jobs.stack.repository_uri)
        os.kill(registry_of(terminal), signal.SIGKILL)
        (smoke / "go").touch()
        out, err = process.communicate()
        assert process.returncode == 2
        assert out == ""
        assert " FAILED: phase BUILD: " in err
        last = err.partition("its last lines:")[2]
        assert "the registry behind local AWS does not answer" in last
        assert says("push-failed", err)
        assert tags(terminal, jobs.stack) == []

        job = jobs.wait(jobs.start(pushed, instance_count=2))
        assert job["FailureReason"].startswith("ClientError: Cannot pull algorithm container. ")
        assert "the registry behind local AWS does not answer" in job["FailureReason"]
        assert leftovers() == []
    for repository in (jobs.repository_uri, jobs.stack.repository_uri):
        remove_images(repository)


def test_what_a_killed_local_aws_left_is_gone_after_the_next_start(tmp_path: Path) -> None:
    """Its containers, its registry, its folders."""
    (tmp_path / "home").mkdir()
    (tmp_path / "tmp").mkdir()
    environment = {"TMPDIR": str(tmp_path / "tmp")}
    with serve(tmp_path / "home", environment=environment, code=-signal.SIGKILL) as terminal:
        jobs = Jobs(terminal)
        sleeping = 'ENTRYPOINT ["sh", "-c", "sleep 600"]\n'
        jobs.start(jobs.push(sleeping, tmp_path / "program", "sleeping"))
        wait_for(lambda: docker("ps", "--quiet", "--filter", f"label={LABEL}"))
        registry = registry_of(terminal)
        terminal.server.kill()
    assert len(leftovers()) == 1
    assert is_running(registry)
    with serve(tmp_path / "home", environment=environment):
        assert leftovers() == []
        assert not is_running(registry)
    assert list((tmp_path / "tmp").iterdir()) == []
    remove_images(jobs.repository_uri)


def smoke_folder(repository_uri: str) -> Path:
    """The /opt/ml of the smoke training that runs in an image of the repository."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        for line in docker("ps", "--format", "{{.ID}} {{.Image}}").splitlines():
            container, name = line.split()
            if name.startswith(repository_uri):
                mount = "{{(index .Mounts 0).Source}}"
                return Path(docker("inspect", "--format", mount, container))
        time.sleep(0.1)
    raise AssertionError("no smoke training")


def is_running(process: int) -> bool:
    """Return whether a process is there, and not one that ended and waits for its parent."""
    command = ["ps", "-o", "stat=", "-p", str(process)]
    state = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return bool(state) and not state.startswith("Z")


def registry_of(terminal: Terminal) -> int:
    """The process of its registry."""
    children = subprocess.run(
        ["ps", "--ppid", str(terminal.server.pid), "-o", "pid=,args="],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    (registry,) = [line.split()[0] for line in children.splitlines() if "registry serve" in line]
    return int(registry)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with small_file_system(tmp_path / "small", SMALL_DISK) as folder:
        yield folder


def test_a_full_disk_is_named_by_push_and_job_with_its_place(
    small_disk: Path, tmp_path: Path
) -> None:
    """The disk of the registry and of the jobs, which a job's program fills, or something else."""
    (tmp_path / "home").mkdir()
    with serve(tmp_path / "home", environment={"TMPDIR": str(small_disk)}) as terminal:
        jobs = Jobs(terminal)
        program = jobs.push(PROGRAM, tmp_path / "program", "program")
        big = jobs.stack.bucket, "big/object"
        terminal.clients().client("s3").put_object(
            Bucket=big[0], Key=big[1], Body=os.urandom(4 * MEBIBYTE)
        )

        job = jobs.wait(jobs.start(program, HyperParameters={"do": "fill"}))
        assert job["FailureReason"].startswith("AlgorithmError: No space left on device: ")
        assert str(small_disk) in job["FailureReason"]

        (small_disk / "filler").write_bytes(bytes(shutil.disk_usage(small_disk).free - MEBIBYTE))
        inputs = [channel("train", f"s3://{'/'.join(big)}", "FullyReplicated")]
        job = jobs.wait(jobs.start(program, InputDataConfig=inputs))
        assert job["FailureReason"].startswith(
            f"ClientError: Data download failed: No space left on device: {small_disk}"
        )

        docker("load", f"--input={big_image(tmp_path, f'{jobs.repository_uri}:big')}")
        assert terminal.log_in().returncode == 0
        done = terminal.run("docker", "push", f"{jobs.repository_uri}:big")
        assert done.returncode != 0
        assert "no space left on device" in done.stderr
        assert str(small_disk) in done.stderr
        described = jobs.clients.client("ecr").describe_images(repositoryName="hosts")
        assert [image["imageTags"] for image in described["imageDetails"]] == [["program"]]
        assert leftovers() == []
    assert [path.name for path in small_disk.iterdir()] == ["filler"], "no temporary folder"
    remove_images(jobs.repository_uri)


def big_image(folder: Path, tag: str) -> Path:
    path = folder / "big.tar"
    path.write_bytes(image_archive(tag, "amd64", os.urandom(8 * MEBIBYTE)))
    return path
