"""How the program of a job is started: by which entry of `images`, and what it sees."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from local_aws.clients import Clients
from local_aws.config import Image
from local_aws.errors import JobFailed
from local_aws.runners.process import ProcessRunner, no_namespace
from local_aws.runners.runner import ContainerSpec, Started
from local_aws.runners.table import RunnerTable
from local_aws.sagemaker.cluster import Cluster, HostFailed
from local_aws.tests.jobs import Jobs
from local_aws.tests.waiting import wait_for
from local_aws.workspace import Workspace

import pytest
from botocore.exceptions import ClientError

URI = "1.dkr.ecr.us-east-1.amazonaws.com/train@sha256:0"
AWS_IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/image-of-aws:1.2-1-cpu-py3"


class Fake:
    """A runner that has some images, and starts nothing."""

    def __init__(self, name: str, most_instances: int = 1, images: tuple[str, ...] = ()) -> None:
        self.description = name
        self.most_instances = most_instances
        self._images = images
        self.started: list[Image] = []

    def has(self, image: str) -> bool:
        return image in self._images

    def start(self, spec: ContainerSpec, image: Image) -> Started:  # noqa: ARG002 - a double
        self.started.append(image)
        return Started({}, lambda: None)


def spec_of(root: Path, *command: str, **changes: Any) -> ContainerSpec:
    values: dict[str, Any] = {
        "job": "job",
        "image": URI,
        "role_arn": "",
        "instance_type": "ml.m5.large",
        "roots": {"algo-1": root},
        "environment": {},
        "entrypoint": command,
        "arguments": (),
        "isolated": True,
    }
    return ContainerSpec(**values | changes)


def test_the_first_entry_that_matches_says_how_a_job_is_run(tmp_path: Path) -> None:
    process, engine = Fake("as processes"), Fake("in containers", 16, (URI,))
    first, second = Image("*/train@*", docker=True), Image("*", command=("run",))
    table = RunnerTable([(first, engine), (second, process)])
    table.start(spec_of(tmp_path))
    table.start(spec_of(tmp_path, image="other"))
    assert (engine.started, process.started) == ([first], [second])
    assert [table.most_instances(uri) for uri in (URI, "other")] == [16, 1]
    assert [table.has(uri) for uri in (URI, "other")] == [True, False]
    assert table.description == "in containers; others: as processes"


def test_an_image_that_nothing_matches_is_refused_with_the_pattern_to_add(tmp_path: Path) -> None:
    table = RunnerTable([(Image("*/train@*"), Fake("as processes"))])
    assert table.refusal(URI) is None
    refusal = table.refusal(AWS_IMAGE) or ""
    assert f"matches {AWS_IMAGE}" in refusal
    assert '- {match: "*/image-of-aws*", docker: true}' in refusal
    assert '- {match: "mine*", docker: true}' in (table.refusal("mine:1") or "")
    with pytest.raises(JobFailed, match="image-of-aws"):
        table.start(spec_of(tmp_path, image=AWS_IMAGE))


def run(tmp_path: Path, spec: ContainerSpec, image: Image | None = None) -> tuple[int, list[str]]:
    workspace = Workspace(tmp_path)
    (tmp_path / "processes").mkdir(exist_ok=True)
    runner = ProcessRunner(Clients("http://127.0.0.1:9", "us-east-1", "x", "x"), workspace)
    started = runner.start(spec, image or Image("*", command=(sys.executable,)))
    lines: list[str] = []
    try:
        Cluster(started).run(lambda _host: lines.append)
    except HostFailed as error:
        return error.exit_code, lines
    return 0, lines


needs_namespace = pytest.mark.skipif(bool(no_namespace()), reason=no_namespace() or "-")


@needs_namespace
def test_a_program_sees_its_tree_as_opt_ml_and_nothing_of_it_is_left(tmp_path: Path) -> None:
    before = sorted(Path("/opt").glob("*"))
    root = tmp_path / "algo-1"
    root.mkdir()
    (root / "input").write_text("of the job\n")
    shell = "cat /opt/ml/input; pwd; echo $SAGEMAKER_BASE_DIR; echo new > /opt/ml/output; ls /opt"
    code, lines = run(tmp_path, spec_of(root, "sh", "-c", shell))
    assert (code, lines[:3]) == (0, ["of the job", "/opt/ml", "/opt/ml"])
    assert (root / "output").read_text() == "new\n"
    assert set(lines[3:]) == {*(path.name for path in before), "ml"}
    assert sorted(Path("/opt").glob("*")) == before


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [(("no-such-program",), 127, "No such file"), (("/etc/passwd",), 126, "Permission denied")],
)
@needs_namespace
def test_a_program_that_cannot_be_started_says_why(
    command: tuple[str, ...], code: int, said: str, tmp_path: Path
) -> None:
    (tmp_path / "algo-1").mkdir()
    ended, (line,) = run(tmp_path, spec_of(tmp_path / "algo-1", *command))
    assert ended == code
    assert line.startswith(f'exec: "{command[0]}": {said}')


def test_the_jobs_own_command_runs_with_the_interpreter_of_the_entry(tmp_path: Path) -> None:
    (tmp_path / "algo-1").mkdir()
    (tmp_path / "python3").symlink_to(sys.executable)
    spec = spec_of(tmp_path / "algo-1", "python3", arguments=("-c", "import sys; print(sys.argv)"))
    _, lines = run(tmp_path, spec, Image("*", python=tmp_path / "python3"))
    assert lines == ["['-c']"]
    which = spec_of(tmp_path / "algo-1", "sh", "-c", "command -v python3")
    assert run(tmp_path, which, Image("*", python=tmp_path / "python3"))[1] == [
        str(tmp_path / "python3")
    ]


def test_an_image_of_another_registry_needs_no_push(jobs: Jobs) -> None:
    algorithm = {"TrainingImage": AWS_IMAGE, "TrainingInputMode": "File"}
    job = jobs.wait(name := jobs.start(AlgorithmSpecification=algorithm))
    assert job["TrainingJobStatus"] == "Completed", jobs.log(name)
    own = AWS_IMAGE.replace("683313688378", "123456789012")
    with pytest.raises(ClientError, match=r"Requested image .* not found"):
        jobs.start(AlgorithmSpecification=algorithm | {"TrainingImage": own})


def test_a_program_calls_as_the_role_of_its_job(jobs: Jobs) -> None:
    do = "print(os.environ['AWS_ENDPOINT_URL'], os.environ['AWS_SESSION_TOKEN'][:0], flush=True)"
    name = jobs.start(do)
    assert jobs.wait(name)["TrainingJobStatus"] == "Completed"
    assert jobs.log(name)[0].strip() == jobs.clients.endpoint


def test_what_a_program_started_ends_with_it(tmp_path: Path) -> None:
    """Else it would hold the log open, and the job with it."""
    (tmp_path / "algo-1").mkdir()
    shell = "sleep 600 & echo $!"
    code, (child,) = run(tmp_path, spec_of(tmp_path / "algo-1", "sh", "-c", shell))
    assert code == 0
    command = Path(f"/proc/{child}/cmdline")  # empty for a zombie
    wait_for(lambda: not (command.exists() and command.read_bytes()))


WITHOUT_NAMESPACES = """
import pathlib, sys
from local_aws.tests import test_runners as tests
folder = pathlib.Path(sys.argv[1])
(folder / "algo-1").mkdir()
(folder / "algo-1" / "x").write_text("of the job")
program = "import os, sys; print(os.environ['SAGEMAKER_BASE_DIR'], open(sys.argv[1]).read())"
spec = tests.spec_of(folder / "algo-1", sys.executable, "-c", program, "/opt/ml/x")
print(tests.run(folder, spec))
print(tests.ProcessRunner(None, None).description)
"""


@needs_namespace
@pytest.mark.skipif(not shutil.which("setpriv"), reason="not installed: util-linux")
def test_without_namespaces_a_program_is_told_where_its_tree_is(tmp_path: Path) -> None:
    """In a user namespace that allows no others, as a user without the right to mount."""
    forbid = "echo 0 > /proc/sys/user/max_user_namespaces; exec setpriv --bounding-set=-sys_admin "
    python = f'--inh-caps=-sys_admin {sys.executable} -c "$0" "$1"'
    shell = ["unshare", "--user", "--map-root-user", "sh", "-c", forbid + python]
    ended = subprocess.run(
        [*shell, WITHOUT_NAMESPACES, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert ended.returncode == 0, ended.stderr
    result, said = ended.stdout.splitlines()
    assert result == f"(0, ['{tmp_path / 'algo-1'} of the job'])"
    assert "they have no /opt/ml of their own (" in said
    assert said.endswith(
        "only SAGEMAKER_BASE_DIR: allow user namespaces on Linux, or run images with docker"
    )
