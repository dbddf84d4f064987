"""What the instance offers; device files are all of a GPU that a test can make."""

import errno
import subprocess
import sys
from pathlib import Path

from container.hardware import ensure_free_space, find_device, memory_limit

import pytest
from program import ENVIRONMENT

MIB = 2**20


@pytest.mark.parametrize(
    ("devices", "for_gpu", "device", "said"),
    [
        (["nvidiactl"], False, "cpu", ""),
        (["nvidia0"], False, "cpu", "not made for a GPU (see accelerator in pipeline.yaml)"),
        (["nvidiactl"], True, "cpu", "there is no GPU here, for which this image is made"),
        (["nvidia0", "nvidia1"], True, "cuda", ""),
    ],
)
def test_a_gpu_is_taken_when_the_image_is_made_for_it_and_else_the_reason_is_logged(
    devices: list[str],
    for_gpu: bool,
    device: str,
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in devices:
        (tmp_path / name).touch()
    assert find_device(tmp_path, for_gpu) == device
    logged = capsys.readouterr().out
    assert said in logged
    assert bool(said) == bool(logged)


def test_memory_that_was_given_back_counts_for_the_peak_alone() -> None:
    """The peak of the program that started this one counts for neither."""
    program = (
        "import subprocess, sys; from container.hardware import peak_memory_mib, rss_mib;"
        f"held = b'x' * {200 * MIB}; del held; print(peak_memory_mib(), rss_mib(), flush=True);"
        "len(sys.argv) > 1 and subprocess.run([sys.executable, '-c', sys.argv[1]], check=True)"
    )
    child = "from container.hardware import peak_memory_mib; print(peak_memory_mib())"
    command = [sys.executable, "-c", program, child]
    peak, rss, of_child = subprocess.check_output(command, env=ENVIRONMENT, text=True).split()
    assert 200 < int(peak) < 300
    assert 0 < int(rss) < 100
    assert 0 < int(of_child) < 100


V1 = "9:memory:/docker/abc\n8:pids:/\n"
V2 = "0::/system.slice/job\n"
MACHINE = 8192


@pytest.mark.parametrize(
    ("membership", "limits", "expected"),
    [
        ("", {}, MACHINE),
        (V2, {"system.slice/job/memory.max": "max"}, MACHINE),
        (V2, {"system.slice/job/memory.max": str(512 * MIB)}, 512),
        (V2, {"system.slice/memory.max": str(300 * MIB)}, 300),
        ("0::/\n", {"memory.max": str(200 * MIB)}, 200),
        (V1, {"memory/docker/abc/memory.limit_in_bytes": str(2**63 - 4096)}, MACHINE),
        (V1, {"memory/docker/abc/memory.limit_in_bytes": str(700 * MIB)}, 700),
        (V1, {"memory/memory.limit_in_bytes": str(700 * MIB)}, 700),
    ],
)
def test_the_limit_of_memory_is_that_of_the_own_cgroup(
    tmp_path: Path, membership: str, limits: dict[str, str], expected: int
) -> None:
    """Of made parts of /proc and /sys/fs/cgroup."""
    proc, cgroups = tmp_path / "proc", tmp_path / "cgroup"
    (proc / "self").mkdir(parents=True)
    (proc / "self" / "cgroup").write_text(membership)
    (proc / "meminfo").write_text(f"MemFree: 1 kB\nMemTotal:  {8192 * 1024} kB\n")
    for name, content in limits.items():
        (cgroups / name).parent.mkdir(parents=True, exist_ok=True)
        (cgroups / name).write_text(content + "\n")
    assert memory_limit(proc, cgroups) == expected


def test_a_disk_without_room_is_an_error_that_names_it(tmp_path: Path) -> None:
    ensure_free_space(tmp_path, 1)
    with pytest.raises(OSError, match="No space left on device") as raised:
        ensure_free_space(tmp_path, 2**60)
    assert raised.value.errno == errno.ENOSPC
    assert raised.value.filename == str(tmp_path)
