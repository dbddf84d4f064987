"""The temporary folders, child processes and containers of a local AWS, and who removes them.

A local AWS removes its own when it ends. What a killed one left is removed by the next start: its
lock file, which nobody holds any more, names its process, and the files beside it what it had.
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
    """The folder of one local AWS, in the machine's folder for temporary files."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @property
    def name(self) -> str:
        """The value of CONTAINER_LABEL for what belongs to this local AWS."""
        return self._root.name

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """Yield a new folder, which is removed afterwards."""
        with tempfile.TemporaryDirectory(dir=self._root) as folder:
            yield Path(folder)

    @contextmanager
    def child(self, process: subprocess.Popen[Any]) -> Iterator[None]:
        """Keep on record that `process`, which leads a session of its own, belongs here."""
        note = self._root / PROCESSES / str(process.pid)
        note.write_text(_start_of(process.pid))
        try:
            yield
        finally:
            note.unlink(missing_ok=True)

    def expect_containers(self) -> None:
        """Keep on record that there may be containers."""
        (self._root / CONTAINERS).touch()


@contextmanager
def open_workspace(remove_containers: RemoveContainers) -> Iterator[Workspace]:
    """Remove what killed ones left, and yield a workspace of this process."""
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
    """Remove the workspaces in `folder` whose process was killed, with all that belongs to them."""
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
    """Lock a file until it is closed, and return whether nobody else holds it."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _start_of(pid: int) -> str:
    """Return when a process was started, to tell it from a later one of the same id."""
    stat = Path(f"/proc/{pid}/stat")
    if stat.exists():
        return stat.read_text().rpartition(")")[2].split()[19]  # field 22 of proc(5)
    command = ["ps", "-o", "lstart=", "-p", str(pid)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603
