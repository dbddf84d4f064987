"""The training program as a process: exit codes, signals, and a failure file for every failure.

The first process of a container trains in a child: with the kernel that kills for memory, in
test_image_memory.py.
"""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from container import contract
from container.opt_ml import OptMl

import pytest
from conftest import RunJob
from program import ENVIRONMENT, ROOT

# The child says who it is, and what it does next; the parent says last what it returns.
PROGRAM = """
import os, signal, sys, time
from pathlib import Path
from container.__main__ import supervise
from container.errors import Terminated, raise_on_sigterm

def program():
    {body}

parent = os.getpid()
code = supervise(program, Path(sys.argv[1]))
if os.getpid() == parent:
    print("returned", code, flush=True)
os._exit(0 if os.getpid() == parent else code)
"""
LISTEN = """
    try:
        raise_on_sigterm()
        print(os.getpid(), flush=True)
        time.sleep(60)
    except Terminated:
        return 143
"""


def supervised(body: str, root: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(body=body), str(root)],
        env=ENVIRONMENT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def failure(root: Path) -> str:
    return (root / "output" / "failure").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("body", "code", "told"),
    [
        ("return 0", 0, ""),
        ("return 7", 7, ""),
        (
            "os.kill(os.getpid(), signal.SIGKILL)",
            128 + signal.SIGKILL,
            "training was ended by SIGKILL, as the kernel does when memory runs out: the limit is "
            ".*\nhint: take an instance type with more memory, or train on less data",
        ),
        (
            "os.kill(os.getpid(), signal.SIGSEGV)",
            128 + signal.SIGSEGV,
            "training was ended by SIGSEGV\nhint: see the end of its log",
        ),
    ],
)
def test_the_exit_code_is_that_of_the_child_and_a_signal_leaves_a_failure_file(
    body: str, code: int, told: str, tmp_path: Path
) -> None:
    output, error = supervised(body, tmp_path).communicate(timeout=60)
    assert output == f"returned {code}\n"
    assert re.fullmatch(f"error: {told}\n" if told else "", error)
    assert (tmp_path / "output").exists() == bool(told)
    assert not told or re.fullmatch(told, failure(tmp_path))


def test_a_failure_file_names_a_file_that_is_not_named_in_utf_8(tmp_path: Path) -> None:
    OptMl(tmp_path).write_failure(os.fsdecode(b"caf\xe9.csv: no rows"))
    assert failure(tmp_path) == r"caf\udce9.csv: no rows"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_forwarded(number: signal.Signals, tmp_path: Path) -> None:
    process = supervised(LISTEN, tmp_path)
    assert process.stdout is not None
    assert int(process.stdout.readline()) != process.pid
    process.send_signal(number)
    output, _ = process.communicate(timeout=60)
    assert output == f"returned {128 + number}\n"


def test_a_signal_that_comes_before_the_child_listens_is_not_lost(tmp_path: Path) -> None:
    slow = "print(os.getpid(), flush=True); sys.stdin.readline()" + LISTEN
    process = supervised(slow, tmp_path)
    assert process.stdout is not None
    child = int(process.stdout.readline())
    process.send_signal(signal.SIGTERM)
    while not is_pending(child):
        pass
    output, _ = process.communicate("go on\n", timeout=60)
    assert output.endswith("returned 143\n")


IN_A_CALLBACK = """
import os, signal, xgboost
from container.errors import raise_on_sigterm, terminated
class Pages(xgboost.DataIter):
    reset = lambda self: os.kill(os.getpid(), signal.SIGTERM)
    next = lambda self, input_data: False
raise_on_sigterm()
try:
    xgboost.QuantileDMatrix(Pages())
except xgboost.core.XGBoostError:
    print(terminated.is_set())
"""


def test_a_signal_that_comes_in_a_callback_of_xgboost_prints_no_traceback() -> None:
    command = [sys.executable, "-c", IN_A_CALLBACK]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("True\n", "")


def is_pending(pid: int) -> bool:
    """Return whether SIGTERM waits for a process (proc(5))."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    (mask,) = [int(line.split()[1], 16) for line in lines if line.startswith("ShdPnd:")]
    return bool(mask & 1 << (signal.SIGTERM - 1))


def test_a_library_that_is_missing_ends_with_a_failure_file(
    opt_ml: Path, run_job: RunJob, tmp_path: Path
) -> None:
    (tmp_path / "xgboost.py").write_text("raise ImportError('libgomp.so.1: cannot open')")
    job = run_job(opt_ml, "train", environment={"PYTHONPATH": f"{tmp_path}:{ROOT}"})
    assert job.returncode == 1
    assert failure(opt_ml).startswith("ImportError: libgomp.so.1: cannot open\n")
    assert "Traceback" in failure(opt_ml)


def test_no_folder_for_temporary_files_ends_with_a_failure_file(
    opt_ml: Path, run_job: RunJob, tmp_path: Path
) -> None:
    """As in a read-only container without a volume at /tmp."""
    nowhere = "import tempfile; tempfile._candidate_tempdir_list = lambda: ['/proc/nowhere']"
    (tmp_path / "sitecustomize.py").write_text(nowhere)
    job = run_job(opt_ml, environment={"PYTHONPATH": f"{tmp_path}:{ROOT}", "TMPDIR": "/nowhere"})
    assert job.returncode == 1
    first, second = failure(opt_ml).splitlines()
    assert first.startswith("/nowhere: No usable temporary directory found in ")
    assert second.startswith("hint: make the channels readable, and /opt/ml and the temporary")


def test_scikit_learn_is_not_imported_where_it_is_installed(
    opt_ml: Path, run_job: RunJob, tmp_path: Path
) -> None:
    (tmp_path / "sklearn.py").write_text("raise RuntimeError('imported')")
    installed = {"PYTHONPATH": f"{tmp_path}:{ROOT}"}
    job = run_job(opt_ml, "train", "--num_round", "1", environment=installed)
    assert job.returncode == 0, job.stderr


@pytest.mark.parametrize(
    ("arguments", "files", "problem"),
    [
        (["predict"], {}, "unknown argument: predict"),
        (["train", "--depth", "3"], {}, "unknown arguments: --depth 3"),
        (["train", "--et", "1"], {}, "unknown arguments: --et 1"),
        (["train", "eta=1"], {}, "unknown arguments: eta=1"),
        (["train", "--eta"], {}, "arguments: argument --eta: expected one argument"),
        ([], {"input/config/hyperparameters.json": "{"}, r"/.*/hyperparameters\.json: not JSON"),
        ([], {"input/data/validation/validation.csv": "x\n1\n"}, r"/.*/validation\.csv: no header"),
        (["train", "--num_round", "2"], {"model": ""}, "/.*/model: "),
        (["train", "--num_round", "2"], {"output/data": ""}, "/.*/output/data: "),
    ],
)
def test_what_the_user_can_mend_is_one_line_and_a_hint(
    arguments: list[str], files: dict[str, str], problem: str, opt_ml: Path, run_job: RunJob
) -> None:
    for name, content in files.items():
        (opt_ml / name).parent.mkdir(exist_ok=True)
        (opt_ml / name).write_text(content)
    job = run_job(opt_ml, *arguments)
    assert job.returncode == 1
    first, second = failure(opt_ml).splitlines()
    assert re.match(problem, first), first
    assert second.startswith("hint: ")
    assert job.stderr == f"error: {first}\n{second}\n"
    assert not list(opt_ml.glob("model/*"))


def test_a_long_failure_is_cut_to_what_sagemaker_shows(opt_ml: Path, run_job: RunJob) -> None:
    unknown = {f"unknown_{n}": "1" for n in range(200)}
    (opt_ml / "input" / "config" / "hyperparameters.json").write_text(json.dumps(unknown))
    run_job(opt_ml)
    assert len(failure(opt_ml)) == 1024
    assert failure(opt_ml).startswith("hyperparameters: unknown hyperparameter unknown_0;")


def test_help_explains_every_hyperparameter_and_trains_nothing(
    opt_ml: Path, run_job: RunJob
) -> None:
    job = run_job(opt_ml, "train", "--help")
    assert job.returncode == 0
    text = " ".join(job.stdout.split())
    for name, spec in contract.OF_JOB.items():
        assert f"--{name} N {spec.help}; {spec.allowed} (default: {spec.default})" in text
    assert not (opt_ml / "model").exists()


def train_under(opt_ml: Path, *command: str) -> list[str]:
    """Return the lines of the failure file of a job that a command starts."""
    done = subprocess.run(
        [*command, sys.executable, "-m", "container", "train"],
        env=ENVIRONMENT | {"SAGEMAKER_BASE_DIR": str(opt_ml), "PATH": os.environ["PATH"]},
        check=False,
    )
    assert done.returncode == 1
    assert not list(opt_ml.glob("model/*"))
    return failure(opt_ml).splitlines()


def test_a_file_system_that_fills_up_is_one_line_and_a_hint(opt_ml: Path) -> None:
    """As far as a process can make one: no file may become longer than this."""
    path = opt_ml / "input" / "data" / "train" / "train.csv"
    header, *lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([header, *lines * 100]), encoding="utf-8")
    first, second = train_under(opt_ml, "prlimit", f"--fsize={2**20}")
    assert first.endswith(": File too large")
    assert second.startswith("hint: train with a larger volume (VolumeSizeInGB)")


def test_a_folder_that_cannot_be_read_is_named(opt_ml: Path) -> None:
    folder = opt_ml / "input" / "data" / "train" / "part"
    folder.mkdir(mode=0)
    rights = "-dac_override,-dac_read_search"  # of root
    as_user = ["setpriv", f"--bounding-set={rights}", f"--inh-caps={rights}"]
    first, second = train_under(opt_ml, *(as_user if os.geteuid() == 0 else []))
    assert first == f"{folder}: Permission denied"
    assert second.startswith("hint: make the channels readable")


def test_memory_does_not_grow_with_the_rows(opt_ml: Path, run_job: RunJob) -> None:
    """Only by what XGBoost holds: 2 bytes for each of 20 cells, 60 for each row."""
    path = opt_ml / "input" / "data" / "train" / "train.csv"
    header, *lines = path.read_text(encoding="utf-8").splitlines()
    peaks = []
    for copies in (10, 60):
        path.write_text("\n".join([header, *lines * copies]), encoding="utf-8")
        assert run_job(opt_ml, "train", "--num_round", "1", environment={}).returncode == 0
        resources = (opt_ml / "output" / "data" / "resources.json").read_text(encoding="utf-8")
        peaks.append(json.loads(resources)["peak_memory_mib"])
    more_rows = 2 * 50 * len(lines)  # each comes once more with hidden columns
    held = more_rows * (20 * 13 + 60) / 2**20  # some cells are missing
    assert peaks[1] - peaks[0] < held + 20, peaks
