"""The image for each accelerator: its tag, what it is built of, and that nothing else differs."""

import re
import shutil
import subprocess
from collections.abc import Callable
from io import BytesIO, StringIO
from pathlib import Path
from zipfile import ZipFile

from container.errors import InputError
from pipeline.data import Dataset
from pipeline.image import (
    CONTAINER,
    REQUIREMENTS,
    image_tag,
    source_files,
    source_tag,
    untracked_sources,
)
from pipeline.registry import DOCKER_HUB, RegistryError, find_digest, split_name
from pipeline.settings import DEFAULT_CONFIG, load_settings

import image_registry
import push_image
import pytest
from conftest import RunJob, WriteConfig
from rich.console import Console

ACCELERATORS = list(REQUIREMENTS)
PIN = re.compile(r"^([a-z0-9-]+)==([^ ;]+)(?: ; [^\\]+)? \\\n((?: +--hash=\S+(?: \\)?\n)+)", re.M)


def pins(accelerator: str) -> dict[str, tuple[str, str]]:
    """Package -> version and hashes."""
    text = (CONTAINER / REQUIREMENTS[accelerator]).read_text(encoding="utf-8")
    return {name: (version, hashes) for name, version, hashes in PIN.findall(text)}


def test_each_accelerator_and_each_base_has_a_tag_of_its_own() -> None:
    tags = {image_tag(each, base) for each in ACCELERATORS for base in ("python:3.13", "python:3")}
    assert len(tags) == 4
    cpu, cuda = (image_tag(each, "python:3.13") for each in ("none", "cuda"))
    assert cuda == f"{cpu}-cuda"


def test_the_tag_for_an_accelerator_is_that_of_the_content(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch")
    before = image_tag("cuda", "base", tmp_path)
    assert image_tag("cuda", "base", tmp_path) == before
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    assert image_tag("cuda", "base", tmp_path) != before


def copy_of_container(folder: Path) -> Path:
    """Return a copy outside a git checkout."""
    copy = folder / "container"
    shutil.copytree(CONTAINER, copy, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def in_git(folder: Path) -> Path:
    for arguments in (["init", "--quiet"], ["add", "."]):
        subprocess.run(["git", "-C", folder, *arguments], check=True)
    return folder


@pytest.mark.parametrize("prepare", [lambda folder: folder, in_git])
def test_what_editors_and_desktops_leave_does_not_change_the_tag(
    prepare: Callable[[Path], Path], tmp_path: Path
) -> None:
    copy = prepare(copy_of_container(tmp_path))
    assert source_tag(copy) == source_tag(), "with git and without"
    for name in ("train.py~", "Thumbs.db", "desktop.ini", ".DS_Store", "train.py.orig"):
        (copy / name).write_text("x")
    (copy / "__pycache__").mkdir()
    (copy / "__pycache__" / "train.cpython-313.pyc").write_bytes(b"x")
    assert source_tag(copy) == source_tag()
    assert untracked_sources(copy) == []


def test_a_checkout_with_other_line_ends_has_the_same_tag(tmp_path: Path) -> None:
    copy = copy_of_container(tmp_path)
    for path in copy.glob("*.py"):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert source_tag(copy) == source_tag()
    assert b"\r" not in source_files(copy)["train.py"], "nor has the image"
    said = subprocess.run(
        ["git", "-C", CONTAINER, "check-attr", "eol", "train.py"], capture_output=True, text=True
    )
    assert said.returncode or said.stdout == "train.py: eol: lf\n"


def test_a_module_that_git_does_not_track_is_named(tmp_path: Path) -> None:
    copy = in_git(copy_of_container(tmp_path))
    (copy / "new.py").write_text("x = 1\n")
    assert untracked_sources(copy) == ["new.py"]
    assert source_tag(copy) == source_tag()


def test_the_base_is_pinned_by_the_digest_that_its_registry_tells() -> None:
    digest = f"sha256:{'1' * 64}"
    with image_registry.serving(digest) as name:
        assert find_digest(name) == digest
        assert find_digest(f"{name}@sha256:2") == "sha256:2", "it is in the name"
        with pytest.raises(RegistryError, match="404"):
            find_digest(name.replace("3.13", "3.12"))
        settings = load_settings(DEFAULT_CONFIG).model_copy(update={"base_image": name})
        variables = push_image.build_variables(
            settings, push_image.base_digest(name, Console(file=StringIO()))
        )
    assert variables["BASE_IMAGE"] == f"{name}@{digest}"
    assert variables["IMAGE_TAG"] == image_tag("none", name), "of the base as it is configured"


def test_a_registry_that_does_not_answer_is_a_warning_and_the_name_is_built() -> None:
    said = StringIO()
    name = "127.0.0.1:9/library/python:3.13"
    assert push_image.base_digest(name, Console(file=said, width=200)) is None
    assert said.getvalue().startswith(f"warning: base image {name} is not pinned by digest: ")
    settings = load_settings(DEFAULT_CONFIG).model_copy(update={"base_image": name})
    assert push_image.build_variables(settings, None)["BASE_IMAGE"] == name


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("python", (DOCKER_HUB, "library/python", "latest")),
        ("me/python:3", (DOCKER_HUB, "me/python", "3")),
        (
            "public.ecr.aws/docker/library/python:3.13",
            ("public.ecr.aws", "docker/library/python", "3.13"),
        ),
        ("localhost:5000/python", ("localhost:5000", "python", "latest")),
    ],
)
def test_an_images_name_is_read_as_docker_reads_it(name: str, parts: tuple[str, str, str]) -> None:
    assert split_name(name) == parts


@pytest.mark.parametrize("accelerator", ACCELERATORS)
def test_the_setting_reaches_the_build(accelerator: str, write_config: WriteConfig) -> None:
    """From pipeline.yaml to the variables of the build, to arguments of the Dockerfile."""
    settings = load_settings(write_config(accelerator=accelerator))
    variables = push_image.build_variables(settings, None)
    assert variables["IMAGE_TAG"] == image_tag(accelerator, settings.base_image)
    assert (CONTAINER / variables["REQUIREMENTS"]).is_file()

    passed = re.findall(r'--build-arg (\w+)="\$\{(\w+)\}"', push_image.BUILDSPEC.read_text("utf-8"))
    assert {variable for _, variable in passed} | {"IMAGE_TAG"} == variables.keys()
    assert all(argument == variable for argument, variable in passed)
    declared = re.findall(r"^ARG (\w+)", (CONTAINER / "Dockerfile").read_text("utf-8"), re.M)
    assert {argument for argument, _ in passed} <= set(declared)


def test_the_source_brings_a_smoke_sample_of_the_users_own_data(
    dataset: Dataset, tmp_path: Path, run_job: RunJob
) -> None:
    content = push_image.pack(dataset)
    assert push_image.pack(dataset) == content, "the same content, the same bytes"
    with ZipFile(BytesIO(content)) as archive:
        archive.extractall(tmp_path)
    root = tmp_path / push_image.SMOKE
    for channel, rows in dataset.channels.items():
        sample = (root / "input" / "data" / channel / f"{channel}.csv").read_bytes()
        assert set(sample.splitlines()) < set(rows.splitlines())
    job = run_job(root, "train")
    assert job.returncode == 0, job.stderr
    assert f'"${{PWD}}/{push_image.SMOKE}:/opt/ml"' in push_image.BUILDSPEC.read_text("utf-8")
    assert (root / "model" / "model.ubj").is_file(), "what the buildspec looks for"


def test_an_accelerator_that_is_not_known_is_refused(write_config: WriteConfig) -> None:
    with pytest.raises(InputError, match=r"accelerator: 'gpu': .*'none' or 'cuda'"):
        load_settings(write_config(accelerator="gpu"))


def test_the_locks_differ_in_xgboost_alone() -> None:
    cpu, cuda = pins("none"), pins("cuda")
    assert cuda.pop("xgboost")[0] == cpu.pop("xgboost-cpu")[0]
    assert cuda.pop("nvidia-nccl-cu12")
    assert cuda == cpu
    assert "numpy" in cpu
