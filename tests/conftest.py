"""Builders with defaults, and one local AWS for all tests."""

import gc
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# Threads of XGBoost spin while they wait for each other: a second is a minute on busy cores.
os.environ["OMP_NUM_THREADS"] = "1"

from container.reading import read_rows
from pipeline.data import Dataset, prepare
from pipeline.local import ProjectAws, start
from pipeline.settings import DEFAULT_CONFIG, Settings, load_settings

import container_engine
import deploying
import hypothesis
import model_server
import pandas as pd
import pytest
import yaml
from container_engine import NEEDS_ENGINE, Image
from interruption import Program
from model_server import ModelServer
from program import ENVIRONMENT
from xdist.scheduler import LoadScopeScheduling

ROOT = container_engine.ROOT

hypothesis.settings.register_profile("no time is asserted", deadline=None)
hypothesis.settings.load_profile("no time is asserted")

RunJob = Callable[..., subprocess.CompletedProcess[str]]
WriteConfig = Callable[..., Path]
Environment = dict[str, str]
Enter = Callable[[Environment], None]

# Hyperparameters of a training that no test sees the end of.
SLOW = {
    "num_round": 10000,
    "early_stopping_rounds": 1000,
    "eta": 0.0001,
    "max_depth": 16,
    "min_child_weight": 0,
    "subsample": 1,
    "colsample_bytree": 1,
}


def pytest_configure() -> None:
    """Take Ctrl-C as at a terminal: what a shell starts in the background ignores it."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    gc.disable()


def pytest_collection_finish() -> None:
    """Look for garbage from now on, and only in what the tests make: the imports leave none."""
    gc.freeze()
    gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A worker takes whole files, and one of them all that need the engine: they count what is left
    on it. (The groups of pytest-xdist 3.8 do nothing under pytest 9.2.)"""

    def group(nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        source = (config.rootpath / file).read_text(encoding="utf-8")
        needs_engine = "= NEEDS_ENGINE" in source or "mark.container_engine" in source
        of_engine = needs_engine or "[image" in nodeid or "[container" in nodeid
        return "engine" if of_engine else file

    scheduler = LoadScopeScheduling(config, log)
    scheduler._split_scope = group
    return scheduler


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skipped here, not where they stand, all tests that need an engine make one line."""
    reason = container_engine.missing() if item.get_closest_marker("container_engine") else None
    if reason and "REQUIRE_DOCKER" in os.environ:
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)


@pytest.fixture(scope="session")
def settings() -> Settings:
    return load_settings(DEFAULT_CONFIG)


@pytest.fixture(scope="session")
def dataset(settings: Settings) -> Dataset:
    return prepare(settings)


@pytest.fixture(scope="session")
def rows(settings: Settings) -> pd.DataFrame:
    """All of the project's data."""
    return read_rows(settings.data_file, labelled=True)


@pytest.fixture(scope="session")
def local_aws(settings: Settings) -> Iterator[ProjectAws]:
    """Started once: moto's state belongs to the process. The environment points at it."""
    with start(settings) as running:
        yield running


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """A local AWS with containers, in a process of its own, and an image pushed to it.

    Its stack deploys what is approved.
    """
    folder = tmp_path_factory.mktemp("image")
    options, variables = deploying.serve_options(folder)
    container_engine.write_settings(folder / "good.yaml", container_engine.base_image())
    container_engine.write_settings(folder / "bad.yaml", "127.0.0.1:9/no/such:image")
    with container_engine.serve(folder, *options, environment=variables) as terminal:

        def push(config: str) -> subprocess.CompletedProcess[str]:
            return terminal.python("build/push_image.py", "--config", config)

        before = container_engine.inventory()
        refused = push("bad.yaml")
        left = sorted(container_engine.inventory() - before)
        good = push("good.yaml")
        assert good.returncode == 0, good.stderr
        again = push("good.yaml")
        repository = terminal.stack().repository_uri
        yield Image(**vars(terminal), refused=refused, refused_left=left, pushed=good, again=again)
    assert container_engine.leftovers() == []
    container_engine.remove_images(repository)


@pytest.fixture(scope="session")
def served_root(tmp_path_factory: pytest.TempPathFactory, dataset: Dataset) -> Path:
    """A tree with a model and nothing else, as SageMaker lays it out for serving."""
    root = tmp_path_factory.mktemp("served")
    model_server.write_artifact(root / "model", dataset)
    return root


@pytest.fixture(scope="module", params=["process", pytest.param("image", marks=NEEDS_ENGINE)])
def server(request: pytest.FixtureRequest, served_root: Path) -> Iterator[ModelServer]:
    """The model server: as a process, and once more in the image."""
    if request.param == "process":
        running = model_server.running(served_root)
    else:
        image: Image = request.getfixturevalue("image")
        running = model_server.running_in_image(image.pull(), served_root)
    with running as server:
        yield server


@contextmanager
def serving(
    folder: Path, *arguments: str, variables: Mapping[str, str] | None = None
) -> Iterator[dict[str, str]]:
    """`python -m local_aws serve` as a process; the environment that it prints."""
    process = subprocess.Popen(
        [*container_engine.SERVE, *arguments],
        env={**os.environ, **(variables or {})},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    environment = {"PATH": os.defpath, "HOME": str(folder)}
    try:
        while "ready" not in (line := process.stderr.readline()):
            assert line, "it ended"
        environment |= container_engine.read_environment(process.stdout)
        yield environment
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0


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


@pytest.fixture(scope="session")
def program() -> Iterator[Program]:
    """The training program, ready to run jobs."""
    program = Program()
    yield program
    program.end()


@pytest.fixture
def run_job(program: Program) -> RunJob:
    """Runs the training program over a root, and waits for its end; in an environment that is
    given, as a process that the image would start."""

    def run(
        root: Path, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        if environment is None:
            return program.run(root, *arguments)
        return subprocess.run(
            [sys.executable, "-m", "container", *arguments],
            env={**ENVIRONMENT, "SAGEMAKER_BASE_DIR": str(root), **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )

    return run


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, entered: `runs/` comes to lie in it."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(scope="module")
def new_account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """A local AWS of its own, with the quotas of an account as AWS opens it."""
    with serving(tmp_path_factory.mktemp("new"), "--account", "new") as environment:
        yield environment


@pytest.fixture
def enter(monkeypatch: pytest.MonkeyPatch) -> Enter:
    """Points this process at another local AWS."""

    def point_at(environment: Environment) -> None:
        for name, value in environment.items():
            if name.startswith("AWS_"):
                monkeypatch.setenv(name, value)

    return point_at


def trust(**changes: Any) -> dict[str, Any]:
    """Return a trust policy for SageMaker, with changes of its statement."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sagemaker.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    return {"Version": "2012-10-17", "Statement": [statement | changes]}


@contextmanager
def small_file_system(folder: Path, size: str) -> Iterator[Path]:
    """Mounted at `folder`, which is made; skips the test where that is not allowed."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def write_config(tmp_path: Path) -> WriteConfig:
    """Write the project's pipeline.yaml with changes (None removes a key) and return its path.

    The pipeline of another stack gets a name that begins with that stack's.
    """

    def write(**changes: Any) -> Path:
        content = yaml.safe_load(DEFAULT_CONFIG.read_text(encoding="utf-8"))
        content["data_file"] = str(ROOT / content["data_file"])
        if "stack_name" in changes:
            content["pipeline_name"] = f"{changes['stack_name']}-survival"
        for name, value in changes.items():
            if value is None:
                del content[name]
            else:
                content[name] = value
        path = tmp_path / "pipeline.yaml"
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        return path

    return write
