import subprocess
import sys
from pathlib import Path

from container.resources import peak_memory_mib

from conftest import ROOT

MIB = 2**20
SAY_PEAK = "from container.resources import peak_memory_mib; print(peak_memory_mib())"


def test_the_peak_counts_what_was_given_back_too() -> None:
    program = f"held = b'x' * {200 * MIB}; del held; {SAY_PEAK}"
    peak = int(subprocess.check_output([sys.executable, "-c", program], cwd=ROOT, text=True))
    assert 200 < peak < 300


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
        assert peak_memory_mib(status) >= peak_memory_mib()


def test_kibibytes_are_rounded_up(tmp_path: Path) -> None:
    status = tmp_path / "status"
    status.write_text("VmPeak:\t 9999 kB\nVmHWM:\t    1025 kB\nVmRSS:\t     1 kB\n")
    assert peak_memory_mib(status) == 2
