"""S3 URIs, and the paths of the files that S3 keys become."""

from pathlib import Path


def split_uri(uri: str) -> tuple[str, str]:
    """Return bucket and key, or prefix, of `s3://bucket/key`."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def path_below(root: Path, key: str) -> Path:
    """Return the path below `root` of the part of a key that follows the prefix.

    Raises:
        ValueError: The key is no path below a folder.
    """
    parts = [part for part in key.split("/") if part]
    if not parts or "\0" in key or {".", ".."} & set(parts):
        raise ValueError(f"the key {key!r} is not the path of a file below a folder")
    return root.joinpath(*parts)


def is_inside(root: Path, path: Path) -> bool:
    """Return whether `path` is below `root` when all links on the way are followed.

    A job's program owns its tree: it may put links there that lead to files of this machine.
    """
    return path.resolve().is_relative_to(root.resolve())
