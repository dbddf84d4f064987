"""What the instance offers: memory, disk and GPU."""

import errno
import os
import shutil
import sys
from pathlib import Path

PROC = Path("/proc")
CGROUPS = Path("/sys/fs/cgroup")
MIB = 2**20
CPU, GPU = "cpu", "cuda"


def peak_memory_mib() -> int:
    """Return the most physical memory that this process has held, in MiB (VmHWM, proc(5))."""
    return _mib(PROC / "self" / "status", "VmHWM")


def rss_mib() -> int:
    """Return the physical memory that this process holds now, in MiB (VmRSS, proc(5))."""
    return _mib(PROC / "self" / "status", "VmRSS")


def _mib(path: Path, name: str) -> int:
    """Return the number of a line like `MemTotal:  1024 kB`, rounded up; 0 where there is none."""
    lines = path.read_text(encoding="ascii").splitlines() if path.exists() else []
    kib = next((int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), 0)
    return -(-kib // 1024)


def memory_limit(proc: Path = PROC, cgroups: Path = CGROUPS) -> int:
    """Return the least MiB of those of the machine and of the own cgroups' limits (cgroups(7))."""
    limits = [_mib(proc / "meminfo", "MemTotal") or sys.maxsize]
    path = proc / "self" / "cgroup"
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        _, controllers, inside = line.split(":", 2)
        root, name = cgroups, "memory.max"
        if controllers:  # version 1
            root, name = cgroups / "memory", "memory.limit_in_bytes"
        own = root / inside.lstrip("/")
        files = (folder / name for folder in (own, *own.parents))
        texts = [file.read_text().strip() for file in files if file.is_file()]
        limits += [int(text) // MIB for text in texts if text != "max"]
    return min(limits)


def ensure_free_space(folder: Path, size: int) -> None:
    """Raise OSError when a disk has no room for so many bytes; XGBoost aborts where it is full."""
    if shutil.disk_usage(folder).free < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


def find_device(devices: Path = Path("/dev"), for_gpu: bool | None = None) -> str:
    """Return GPU when the image is made for one and there is one, else CPU; log why it is not used.

    NVIDIA's driver makes the device files; SageMaker's own files name the instance type only.
    """
    import xgboost as xgb  # not for the process that only supervises

    for_gpu = xgb.build_info()["USE_CUDA"] if for_gpu is None else for_gpu
    has_gpu = any(devices.glob("nvidia[0-9]*"))
    if has_gpu and not for_gpu:
        print("device cpu: this image is not made for a GPU (see accelerator in pipeline.yaml)")
    if for_gpu and not has_gpu:
        print("device cpu: there is no GPU here, for which this image is made")
    return GPU if for_gpu and has_gpu else CPU
