import subprocess
import sys
from pathlib import Path

from container.resources import Memory, memory_limit, peak_memory_mib

import pytest
from conftest import ROOT

MIB = 2**20
SAY_PEAK = "from container.resources import peak_memory_mib; print(peak_memory_mib())"


def test_the_peak_counts_what_was_given_back_too() -> None:
    program = f"held = b'x' * {200 * MIB}; del held; {SAY_PEAK}"
    peak = int(subprocess.check_output([sys.executable, "-c", program], cwd=ROOT, text=True))
    assert 200 < peak < 300


def test_what_is_held_now_does_not_count_what_was_given_back() -> None:
    program = (
        "from container.resources import held_memory_mib;"
        f"held = b'x' * {200 * MIB}; print(held_memory_mib()); del held; print(held_memory_mib())"
    )
    output = subprocess.check_output([sys.executable, "-c", program], cwd=ROOT, text=True)
    before, after = map(int, output.split())
    assert 200 < before < 300
    assert 0 < after < 100


def test_the_peak_of_the_program_that_started_the_job_is_not_the_jobs() -> None:
    program = (
        f"import subprocess, sys; held = b'x' * {200 * MIB};"
        f"subprocess.run([sys.executable, '-c', '{SAY_PEAK}'], check=True)"
    )
    peak = int(subprocess.check_output([sys.executable, "-c", program], cwd=ROOT, text=True))
    assert 0 < peak < 100


def test_a_system_that_does_not_count_the_peak_is_asked_in_another_way(tmp_path: Path) -> None:
    status = tmp_path / "status"
    for content in ("Name:\tpython\n", None):
        if content is None:
            status.unlink()
        else:
            status.write_text(content)
        before = peak_memory_mib()
        assert peak_memory_mib(status) >= before - 1, "counted a moment later, and rounded"


def test_kibibytes_are_rounded_up(tmp_path: Path) -> None:
    status = tmp_path / "status"
    status.write_text("VmPeak:\t 9999 kB\nVmHWM:\t    1025 kB\nVmRSS:\t     1 kB\n")
    assert peak_memory_mib(status) == 2


def system(
    folder: Path, membership: str, limits: dict[str, str], total_mib: int
) -> tuple[Path, Path]:
    """The parts of /proc and /sys/fs/cgroup that say how much memory there is."""
    proc, cgroups = folder / "proc", folder / "cgroup"
    (proc / "self").mkdir(parents=True)
    (proc / "self" / "cgroup").write_text(membership)
    (proc / "meminfo").write_text(f"MemFree: 1 kB\nMemTotal:  {total_mib * 1024} kB\n")
    for name, content in limits.items():
        (cgroups / name).parent.mkdir(parents=True, exist_ok=True)
        (cgroups / name).write_text(content + "\n")
    return proc, cgroups


V1 = "9:memory:/docker/abc\n8:pids:/\n"
V2 = "0::/system.slice/job\n"


@pytest.mark.parametrize(
    ("membership", "limits", "expected"),
    [
        ("", {}, Memory(8192, "the machine")),
        (V2, {"system.slice/job/memory.max": "max"}, Memory(8192, "the machine")),
        (V2, {"system.slice/job/memory.max": str(512 * MIB)}, Memory(512, "cgroup v2")),
        (V2, {"system.slice/memory.max": str(300 * MIB)}, Memory(300, "cgroup v2")),
        ("0::/\n", {"memory.max": str(200 * MIB)}, Memory(200, "cgroup v2")),
        (V1, {"memory/docker/abc/memory.limit_in_bytes": str(2**63 - 4096)}, None),
        (V1, {"memory/docker/abc/memory.limit_in_bytes": str(700 * MIB)}, Memory(700, "cgroup v1")),
        (V1, {"memory/memory.limit_in_bytes": str(700 * MIB)}, Memory(700, "cgroup v1")),
    ],
)
def test_the_limit_of_memory_is_that_of_the_own_cgroup(
    tmp_path: Path, membership: str, limits: dict[str, str], expected: Memory | None
) -> None:
    proc, cgroups = system(tmp_path, membership, limits, 8192)
    assert memory_limit(proc, cgroups) == (expected or Memory(8192, "the machine"))
