"""The temporary folders, child processes and containers of a local AWS, and their removal.

A local AWS removes them when it ends. The next start removes those of a killed local AWS: nobody
holds its lock file any more, and the files beside it name its processes and containers.
"""

import contextlib
import logging
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

try:
    import fcntl
except ImportError:  # on Windows: what a killed one left stays there
    fcntl = None  # type: ignore[assignment]

log = logging.getLogger(__name__)

PREFIX = "local-aws-"
LOCK = "lock"  # names the process; locked while that lives
PROCESSES = "processes"  # a file for each child, named by its id, that says when it was started
CONTAINERS = "containers"  # is there when there may be containers and networks with CONTAINER_LABEL
CONTAINER_LABEL = "local-aws.workspace"

RemoveContainers = Callable[[str], None]  # takes the name of a workspace; raises OSError


class Workspace:
    """The folder of one local AWS, in the system's folder for temporary files."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @property
    def name(self) -> str:
        """The value of CONTAINER_LABEL for the containers and networks of this local AWS."""
        return self._root.name

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """Yield a new folder, and remove it at the end of the context."""
        with tempfile.TemporaryDirectory(dir=self._root) as folder:
            yield Path(folder)

    @contextmanager
    def child(self, process: subprocess.Popen[Any]) -> Iterator[None]:
        """Record that `process`, the leader of a session, belongs to this local AWS."""
        note = self._root / PROCESSES / str(process.pid)
        note.write_text(_start_of(process.pid))
        try:
            yield
        finally:
            note.unlink(missing_ok=True)

    def expect_containers(self) -> None:
        """Record that this local AWS may have containers."""
        (self._root / CONTAINERS).touch()


@contextmanager
def open_workspace(remove_containers: RemoveContainers) -> Iterator[Workspace]:
    """Remove the leftovers of killed local AWSes, and yield a workspace for this process."""
    folder = Path(tempfile.gettempdir())
    remove_leftovers(folder, remove_containers)
    # Locked before it has its name: until then no other process looks at it.
    hidden = Path(tempfile.mkdtemp(prefix=f".{PREFIX}"))
    (hidden / PROCESSES).mkdir()
    with (hidden / LOCK).open("w") as lock:
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        _try_lock(lock)
        root = hidden.rename(folder / f"{PREFIX}{secrets.token_hex(6)}")
        try:
            yield Workspace(root)
        finally:
            shutil.rmtree(root, ignore_errors=True)


def remove_leftovers(folder: Path, remove_containers: RemoveContainers) -> None:
    """Remove the workspaces of killed processes in `folder`, with all that belongs to them."""
    for path in folder.glob(f"{PREFIX}*/{LOCK}"):
        root = path.parent
        with contextlib.suppress(OSError), path.open() as lock:  # of another user, or just removed
            if root.stat().st_uid != os.getuid() or not _try_lock(lock):
                continue
            for note in (root / PROCESSES).iterdir():
                if note.read_text() == _start_of(int(note.name)):
                    os.killpg(int(note.name), signal.SIGKILL)
            if (root / CONTAINERS).exists():
                remove_containers(root.name)  # when no engine answers, a later start tries again
            shutil.rmtree(root)
            log.warning("removed what a killed local AWS (process %s) left", lock.read().strip())


def _try_lock(lock: IO[str]) -> bool:
    """Try to lock a file until it is closed, and return whether this succeeded."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _start_of(pid: int) -> str:
    """Return the start time of a process, which distinguishes it from a later one with its id."""
    stat = Path(f"/proc/{pid}/stat")
    if stat.exists():
        return stat.read_text().rpartition(")")[2].split()[19]  # field 22 of proc(5)
    command = ["ps", "-o", "lstart=", "-p", str(pid)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603
