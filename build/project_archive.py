"""Zip archives with fixed times, and the archive that CodeBuild deploys an approved model with."""

import io
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent
ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest a zip can hold: the same content, the same bytes

KEY = "build/deploy.zip"  # in the stack's bucket; DeployProject of infrastructure.yml reads it
DATA = "data_file"  # its name in the archive: what it holds tells its format
FOLDERS = ("container", "pipeline", "local_aws", "build")
NO_SOURCE = re.compile(r"/(\.|__pycache__/|tests/|[^/]*\.egg-info/)")
FILES = ("Makefile", "pyproject.toml", "requirements.lock", "local_aws.yaml")


def pack_files(files: Mapping[str, bytes]) -> bytes:
    """Return a zip archive of files, given as name -> content."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, ZIP_TIME)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)
    return buffer.getvalue()


def pack_project(config: Path, data_file: Path) -> bytes:
    """Return an archive of the programs and their lock files, with `config` as pipeline.yaml.

    It contains the data, because a deployment tests the endpoint with known rows.
    """
    paths = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*"))]
    names = [path.relative_to(ROOT).as_posix() for path in paths if path.is_file()]
    sources = [name for name in names if not NO_SOURCE.search(name)]
    files = {name: (ROOT / name).read_bytes() for name in (*FILES, *sources)}
    settings = yaml.safe_load(config.read_text(encoding="utf-8")) | {"data_file": DATA}
    files |= {DATA: data_file.read_bytes(), "pipeline.yaml": yaml.safe_dump(settings).encode()}
    return pack_files(files)
