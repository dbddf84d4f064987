"""Run git commands."""

import subprocess
from pathlib import Path


def git(folder: Path, *arguments: str) -> str | None:
    """Return the output of a git command; None when it fails, or git is missing."""
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603
    except OSError:
        return None
    return done.stdout.decode().strip() if done.returncode == 0 else None
