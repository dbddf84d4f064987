"""A program in a child process: how it ends is how the whole ends. In containers, with the training
program and without memory: test_image_memory.py."""

import signal
import subprocess
import sys
from pathlib import Path

from container.process import killed

import pytest
from conftest import ROOT

# The child says who it is, and what it does next; its parent says at the end what it was told.
PROGRAM = """
import os, signal, sys, time
from container import termination
from container.supervisor import supervised

def program():
    {body}

parent = os.getpid()
code = supervised(program)
if os.getpid() == parent:
    print("told", code, flush=True)
os._exit(0 if os.getpid() == parent else code)
"""
LISTEN = """
    try:
        termination.listen()
        print(os.getpid(), flush=True)
        time.sleep(60)
    except termination.Terminated:
        return 143
"""


def start(body: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(body=body)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("return 0", 0),
        ("return 7", 7),
        ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
        ("os.abort()", -signal.SIGABRT),
        ("raise KeyError(os.dup2(1, 2))", 1),
    ],
)
def test_it_is_told_how_the_child_ended(body: str, told: int) -> None:
    output, _ = start(body).communicate(timeout=60)
    assert output.splitlines()[-1] == f"told {told}"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_passed_on(number: signal.Signals) -> None:
    process = start(LISTEN)
    assert process.stdout is not None
    child = int(process.stdout.readline())
    assert child != process.pid
    process.send_signal(number)
    output, _ = process.communicate(timeout=60)
    expected = {signal.SIGTERM: 143, signal.SIGINT: -signal.SIGINT}[number]
    assert output == f"told {expected}\n"


def test_a_signal_that_comes_before_the_child_listens_is_not_lost() -> None:
    slow = "print(os.getpid(), flush=True); sys.stdin.readline()" + LISTEN
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(body=slow)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    child = int(process.stdout.readline())
    process.send_signal(signal.SIGTERM)
    while not pending(child):
        pass
    output, _ = process.communicate("go on\n", timeout=60)
    assert output == "told 143\n"


def pending(pid: int) -> bool:
    """Whether SIGTERM waits for a process, as proc(5) has it."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    (mask,) = [int(line.split()[1], 16) for line in lines if line.startswith("ShdPnd:")]
    return bool(mask & 1 << (signal.SIGTERM - 1))


def test_a_lost_child_leaves_a_failure_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert killed(signal.SIGKILL, tmp_path) == 137
    first, second = (tmp_path / "output" / "failure").read_text("utf-8").splitlines()
    assert first.startswith(
        "training was ended by SIGKILL, as the kernel does when memory runs out"
    )
    assert second.startswith("hint: take an instance type with more memory")
    assert killed(signal.SIGSEGV, tmp_path) == 139
    text = (tmp_path / "output" / "failure").read_text("utf-8")
    assert text == "training was ended by SIGSEGV\nhint: see the end of its log"
    assert text in capsys.readouterr().err
