"""Runs a command inside a limit of memory, without swap: `limited.py MIB COMMAND...`, as root.

The limit is that of a cgroup of its own, version 1 or 2 (cgroups(7)), and counts what a
container's does: the memory of all its processes, and the file cache, which the kernel gives up
first. A command that was killed for memory ends with 137.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

MIB = 2**20
CGROUPS = Path("/sys/fs/cgroup")
PEAKS = ("memory.peak", "memory.max_usage_in_bytes")  # of version 2 and 1


def limited(
    mib: int, command: Sequence[str], seconds: float | None = None, output: IO[bytes] | None = None
) -> tuple[int, int]:
    """The exit status, and the most MiB that were in use, the file cache included.

    After so many seconds all its processes are killed.
    """
    with _cgroup(mib) as group:
        enter = 'echo $$ > "$0/cgroup.procs" && exec "$@"'
        process = subprocess.Popen(
            ["sh", "-c", enter, str(group), *command], stdout=output, stderr=output
        )
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            _end(group)
            status = process.wait()
        peak = next((group / name for name in PEAKS if (group / name).exists()), None)
        most = int(peak.read_text()) // MIB if peak else 0
    return (status if status >= 0 else 128 - status), most


@contextmanager
def _cgroup(mib: int) -> Iterator[Path]:
    name, limit = f"benchmark-{os.getpid()}", str(mib * MIB)
    controllers = CGROUPS / "cgroup.controllers"
    if (CGROUPS / "memory" / "memory.limit_in_bytes").exists():
        group = CGROUPS / "memory" / name
        files = {"memory.limit_in_bytes": limit, "memory.memsw.limit_in_bytes": limit}
    elif controllers.exists() and "memory" in controllers.read_text().split():
        with suppress(OSError):  # or it is given to groups already
            (CGROUPS / "cgroup.subtree_control").write_text("+memory")
        group = CGROUPS / name
        files = {"memory.max": limit, "memory.swap.max": "0"}
    else:
        raise SystemExit(f"{CGROUPS}: holds no controller of memory, of cgroup version 1 or 2")
    try:
        group.mkdir()
        for place, (file, content) in enumerate(files.items()):
            if place == 0 or (group / file).exists():  # a kernel without swap has no limit of it
                (group / file).write_text(content)
    except OSError as error:
        with suppress(OSError):
            group.rmdir()
        raise SystemExit(f"{group}: no limit of memory can be set here: {error.strerror}") from None
    try:
        yield group
    finally:
        _end(group)
        group.rmdir()


def _end(group: Path) -> None:
    """Kills its processes."""
    while pids := (group / "cgroup.procs").read_text().split():
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        time.sleep(0.05)


def main() -> int:
    status, most = limited(int(sys.argv[1]), sys.argv[2:])
    print(f"status {status}, at most {most} MiB with the file cache", file=sys.stderr)
    return status


if __name__ == "__main__":
    raise SystemExit(main())
