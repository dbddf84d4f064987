"""Run a program with a folder of this machine as its private /opt/ml.

    python private_opt_ml.py FOLDER MOUNT_POINT PROGRAM [ARGUMENT...]

It works on Linux only. The program gets a mount namespace with a new root on MOUNT_POINT, an empty
folder. The new root has everything of this machine at the same place, except for /opt/ml. /opt need
not exist. Without root, the process becomes root of a user namespace. The file is a script without
imports of local AWS, because it starts before every job.
"""

import ctypes
import os
import sys

CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000  # linux/sched.h
MS_BIND, MS_REC, MS_UNBINDABLE, MS_PRIVATE = 1 << 12, 1 << 14, 1 << 17, 1 << 18  # linux/mount.h
CANNOT_EXECUTE, NOT_FOUND, NO_NAMESPACE = 126, 127, 125

libc = ctypes.CDLL(None, use_errno=True)


def main(folder: str, mount_point: str, *program: str) -> int:
    """Replace this process by the program. Returns an exit code only if this fails."""
    try:
        _enter_namespace()
        _build_root(folder, mount_point)
        os.chroot(mount_point)
        os.chdir("/opt/ml")
    except OSError as error:
        print(f"{error.strerror}", file=sys.stderr)
        return NO_NAMESPACE
    try:
        os.execvp(program[0], program)  # noqa: S606 - the job's own program
    except OSError as error:
        print(f'exec: "{program[0]}": {error.strerror}', file=sys.stderr)
        return NOT_FOUND if isinstance(error, FileNotFoundError) else CANNOT_EXECUTE


def _enter_namespace() -> None:
    user, group = os.getuid(), os.getgid()
    if user == 0 and libc.unshare(CLONE_NEWNS) == 0:
        return
    _check(libc.unshare(CLONE_NEWUSER | CLONE_NEWNS))
    for name, content in (
        ("setgroups", "deny"),
        ("uid_map", f"0 {user} 1"),
        ("gid_map", f"0 {group} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:  # noqa: PTH123 - pathlib is slow to import
            file.write(content)


def _build_root(folder: str, root: str) -> None:
    _mount(None, "/", MS_REC | MS_PRIVATE)
    _mount("tmpfs", root, 0, b"tmpfs")
    _mount(None, root, MS_UNBINDABLE)  # else it would be found again below its own folders
    for name in os.listdir("/"):  # noqa: PTH208
        if name != "opt":
            _bind(f"/{name}", f"{root}/{name}")
    os.mkdir(f"{root}/opt")  # noqa: PTH102
    for name in os.listdir("/opt") if os.path.isdir("/opt") else ():  # noqa: PTH112, PTH208
        if name != "ml":
            _bind(f"/opt/{name}", f"{root}/opt/{name}")
    _bind(folder, f"{root}/opt/ml")


def _bind(source: str, target: str) -> None:
    if os.path.islink(source):  # noqa: PTH114
        os.symlink(os.readlink(source), target)  # noqa: PTH115, PTH211
        return
    if os.path.isdir(source):  # noqa: PTH112
        os.mkdir(target)  # noqa: PTH102
    else:
        os.close(os.open(target, os.O_CREAT))
    _mount(source, target, MS_BIND | MS_REC)


def _mount(source: str | None, target: str, flags: int, kind: bytes | None = None) -> None:
    name = source.encode() if source else None
    _check(libc.mount(name, target.encode(), kind, ctypes.c_ulong(flags), None))


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
