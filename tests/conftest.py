"""Builders with defaults, and one local AWS for all tests."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from container.passengers import Passengers, read_passengers
from pipeline.data import Dataset, prepare
from pipeline.local_aws import server
from pipeline.local_aws.server import LocalAws
from pipeline.settings import DEFAULT_CONFIG, Settings, load_settings

import pytest
import yaml

ROOT = Path(__file__).parent.parent

RunJob = Callable[..., subprocess.CompletedProcess[str]]
WriteConfig = Callable[..., Path]


@pytest.fixture(scope="session")
def settings() -> Settings:
    return load_settings(DEFAULT_CONFIG)


@pytest.fixture(scope="session")
def dataset(settings: Settings) -> Dataset:
    return prepare(settings)


@pytest.fixture(scope="session")
def passengers(settings: Settings) -> Passengers:
    """All of the Titanic data."""
    return read_passengers(settings.data_file.read_bytes(), "titanic.csv", labelled=True)


@pytest.fixture(scope="session")
def local_aws(settings: Settings) -> Iterator[LocalAws]:
    """Started once: moto's state belongs to the process. The environment points at it."""
    with server.start(settings.region, settings.stack_name) as running:
        yield running


@pytest.fixture
def opt_ml(tmp_path: Path, dataset: Dataset) -> Path:
    """A tree as SageMaker makes it, with the Titanic data and no hyperparameters."""
    root = tmp_path / "ml"
    for channel, content in dataset.channels.items():
        folder = root / "input" / "data" / channel
        folder.mkdir(parents=True)
        (folder / f"{channel}.csv").write_bytes(content)
    (root / "input" / "config").mkdir()
    return root


@pytest.fixture
def run_job() -> RunJob:
    """Runs the training program over a root, as the image does, and waits for its end."""

    def run(
        root: Path, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "container", *arguments],
            env={
                "PATH": os.defpath,
                "PYTHONPATH": str(ROOT),
                "SAGEMAKER_BASE_DIR": str(root),
                **(environment or {}),
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    return run


@pytest.fixture
def write_config(tmp_path: Path) -> WriteConfig:
    """Writes the project's pipeline.yaml with changes (None removes a key); its path."""

    def write(**changes: Any) -> Path:
        content = yaml.safe_load(DEFAULT_CONFIG.read_text(encoding="utf-8"))
        content["data_file"] = str(ROOT / content["data_file"])
        for name, value in changes.items():
            if value is None:
                del content[name]
            else:
                content[name] = value
        path = tmp_path / "pipeline.yaml"
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        return path

    return write
