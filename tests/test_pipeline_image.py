"""The image for each accelerator: its tag, what it is built of, and that nothing else differs."""

import re
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

from container.errors import InputError
from pipeline.data import Dataset
from pipeline.image import CONTAINER, REQUIREMENTS, image_tag, source_tag
from pipeline.settings import load_settings

import push_image
import pytest
from conftest import RunJob, WriteConfig

ACCELERATORS = list(REQUIREMENTS)
PIN = re.compile(r"^([a-z0-9-]+)==([^ ;]+)(?: ; [^\\]+)? \\\n((?: +--hash=\S+(?: \\)?\n)+)", re.M)


def pins(accelerator: str) -> dict[str, tuple[str, str]]:
    """Package -> version and hashes."""
    text = (CONTAINER / REQUIREMENTS[accelerator]).read_text(encoding="utf-8")
    return {name: (version, hashes) for name, version, hashes in PIN.findall(text)}


def test_each_accelerator_has_a_tag_of_its_own() -> None:
    tags = {accelerator: image_tag(accelerator) for accelerator in ACCELERATORS}
    assert tags == {"none": source_tag(), "cuda": f"{source_tag()}-cuda"}


def test_the_tag_for_an_accelerator_is_that_of_the_content(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch")
    before = image_tag("cuda", tmp_path)
    assert image_tag("cuda", tmp_path) == before
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    assert image_tag("cuda", tmp_path) != before


@pytest.mark.parametrize("accelerator", ACCELERATORS)
def test_the_setting_reaches_the_build(accelerator: str, write_config: WriteConfig) -> None:
    """From pipeline.yaml to the variables of the build, to arguments of the Dockerfile."""
    variables = push_image.build_variables(load_settings(write_config(accelerator=accelerator)))
    assert variables["IMAGE_TAG"] == image_tag(accelerator)
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
