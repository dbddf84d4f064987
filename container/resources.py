"""What the job needed of its instance, and what it may need."""

import sys
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
CGROUPS = Path("/sys/fs/cgroup")

MIB = 2**20


def peak_memory_mib(status: Path = PROC / "self" / "status") -> int:
    """The most physical memory that this process has held so far, in MiB, rounded up.

    Linux counts it as VmHWM (proc(5)). Where that is missing there is getrusage(2), in which a
    process begins with the peak of the one that started it.
    """
    kib = _kib(status, "VmHWM")
    if kib is None:
        import resource

        kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        if sys.platform == "darwin":  # which counts in bytes
            kib //= 1024
    return -(-kib // 1024)


def held_memory_mib(status: Path = PROC / "self" / "status") -> int:
    """What it holds now (VmRSS); where nobody says, the most that it has held."""
    kib = _kib(status, "VmRSS")
    return peak_memory_mib(status) if kib is None else -(-kib // 1024)


@dataclass(frozen=True)
class Memory:
    """How much this process may hold, in MiB, and who says so."""

    mib: int
    source: str


def memory_limit(proc: Path = PROC, cgroups: Path = CGROUPS) -> Memory:
    """The least of the machine's memory and the limits of the cgroups that the process is in.

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


def _kib(path: Path, name: str) -> int | None:
    """A line like `MemTotal:  1024 kB` of a file in /proc."""
    lines = path.read_text(encoding="ascii").splitlines() if path.exists() else []
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), None)
