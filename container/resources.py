"""What the job needed of its instance."""

import sys
from pathlib import Path

PROCESS_STATUS = Path("/proc/self/status")


def peak_memory_mib(status: Path = PROCESS_STATUS) -> int:
    """The most physical memory that this process has held so far, in MiB, rounded up.

    Linux counts it as VmHWM (proc(5)). Where that is missing there is getrusage(2), in which a
    process begins with the peak of the one that started it.
    """
    lines = status.read_text(encoding="ascii").splitlines() if status.exists() else []
    kib = next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), None)
    if kib is None:
        import resource

        kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        if sys.platform == "darwin":  # which counts in bytes
            kib //= 1024
    return -(-kib // 1024)
