"""What the instance offers: memory, disk and GPU.

Whether there is a GPU is read from the device files that NVIDIA's driver makes in the container
("/dev/nvidia0" and so on): SageMaker's own files name the instance type, not its GPUs, and the
variable SM_NUM_GPUS comes from its toolkits, which are not in this image.
"""

import errno
import json
import os
import shutil
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

from container.errors import InputError

PROC = Path("/proc")
CGROUPS = Path("/sys/fs/cgroup")
MIB = 2**20
CPU, GPU = "cpu", "cuda"


@dataclass(frozen=True)
class Memory:
    """How much this process may hold, in MiB, and who says so."""

    mib: int
    source: str


def peak_memory_mib(status: Path = PROC / "self" / "status") -> int:
    """Return the most physical memory that this process has held so far, in MiB, rounded up.

    Linux counts it as VmHWM (proc(5)). Elsewhere it is getrusage(2), in which a process begins with
    the peak of the one that started it.
    """
    kib = _kib(status, "VmHWM")
    if kib is None:
        import resource

        kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        if sys.platform == "darwin":  # which counts in bytes
            kib //= 1024
    return -(-kib // 1024)


def rss_mib(status: Path = PROC / "self" / "status") -> int:
    """Return the physical memory that this process holds now, in MiB; where unknown, the peak."""
    kib = _kib(status, "VmRSS")
    return peak_memory_mib(status) if kib is None else -(-kib // 1024)


def memory_limit(proc: Path = PROC, cgroups: Path = CGROUPS) -> Memory:
    """Return the least of the machine's memory and the limits of the process's cgroups.

    Both versions of cgroups are understood (cgroups(7)); a container sees its own as the root.
    """
    kib = _kib(proc / "meminfo", "MemTotal")
    limits = [Memory(kib // 1024, "the machine")] if kib else []
    path = proc / "self" / "cgroup"
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        _, controllers, inside = line.split(":", 2)
        if not controllers:
            files = [(root, "memory.max", "cgroup v2") for root in (cgroups, cgroups / "unified")]
        elif "memory" in controllers.split(","):
            files = [(cgroups / "memory", "memory.limit_in_bytes", "cgroup v1")]
        else:
            continue
        for root, name, version in files:
            own = root / inside.lstrip("/")
            for folder in (own, *own.parents):
                if folder.is_relative_to(root) and (folder / name).is_file():
                    text = (folder / name).read_text(encoding="ascii").strip()
                    if text.isdigit():  # "max" is none
                        limits.append(Memory(int(text) // MIB, version))
    return min(limits, key=lambda each: each.mib, default=Memory(sys.maxsize, "nothing"))


def ensure_free_space(folder: Path, size: int) -> None:
    """Raise InputError when the disk of a folder has no room for so many bytes.

    For what ends the process where the disk is full, as the pages that XGBoost keeps there do.
    """
    free = shutil.disk_usage(folder).free
    if free < size:
        raise InputError(
            f"{folder}: {os.strerror(errno.ENOSPC)}: {free // MIB} MiB are free, the next "
            f"data that do not fit in memory need {-(-size // MIB)} MiB",
            "train with a larger volume (VolumeSizeInGB), or on an instance type with more memory",
        )


def find_device(devices: Path = Path("/dev"), for_gpu: bool | None = None) -> str:
    """Return CPU, or GPU when there is one that XGBoost can train on; log why one is not used.

    To be called before the host joins others: training on the GPU is tried.
    """
    import xgboost as xgb

    for_gpu = bool(xgb.build_info()["USE_CUDA"]) if for_gpu is None else for_gpu
    gpus = sorted(path.name for path in devices.glob("nvidia[0-9]*"))
    if not gpus:
        if for_gpu:
            print("device cpu: there is no GPU here, for which this image is made", flush=True)
        return CPU
    problem = _gpu_problem(for_gpu)
    if problem:
        print(f"device cpu: {', '.join(gpus)} cannot be used: {problem}", flush=True)
        return CPU
    print(f"device cuda: {gpus[0]}, one of {len(gpus)}", flush=True)
    return GPU


def _gpu_problem(for_gpu: bool) -> str | None:
    import numpy as np
    import xgboost as xgb

    if not for_gpu:
        return "this image is not made for a GPU (see accelerator in pipeline.yaml)"
    rows = np.arange(8, dtype=np.float32).reshape(-1, 1)
    try:
        data = xgb.QuantileDMatrix(rows, rows[:, 0] > 3)
        with warnings.catch_warnings(action="ignore"):  # reported below
            booster = xgb.train({"device": GPU, "tree_method": "hist"}, data, 1)
    except xgb.core.XGBoostError as error:
        return next(line for line in str(error).splitlines()[1:] or [str(error)] if line.strip())
    # Without a driver that fits, XGBoost trains on the CPU instead.
    trained_on = json.loads(booster.save_config())["learner"]["generic_param"]["device"]
    return None if trained_on.startswith(GPU) else "XGBoost finds none that its driver offers"


def _kib(path: Path, name: str) -> int | None:
    """Return the number of a line like `MemTotal:  1024 kB` of a file in /proc."""
    lines = path.read_text(encoding="ascii").splitlines() if path.exists() else []
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), None)
