"""Whether generated passengers train in a container with the memory of an instance.

    largest.py FOLDER --image IMAGE --memory 4g     as ml.t3.medium has, 8g as ml.m5.large

The project's image, on the files of FOLDER. Given an interpreter, the pandas script too, in another
container of the same image and limits, in which the interpreter's environment is mounted. Prints
rows of a table: what ran, the limit, how it ended, seconds, and the program's own peak in MiB.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from programs import HERE


def docker(*arguments: object) -> str:
    done = subprocess.run(
        ["docker", *map(str, arguments)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout + done.stderr


def run(name: str, given: argparse.Namespace, *arguments: object) -> str:
    """A row of the table."""
    limits = (f"--memory={given.memory}", f"--memory-swap={given.memory}", f"--cpus={given.cpus}")
    began = time.perf_counter()
    container = docker("run", "--detach", "--network=none", *limits, *arguments).strip()
    try:
        status = docker("wait", container).strip()
        seconds = time.perf_counter() - began
        log = docker("logs", container)
        killed = json.loads(docker("inspect", container))[0]["State"]["OOMKilled"]
    finally:
        docker("rm", "--force", container)
    print(name, *log.splitlines()[-8:], sep="\n  ", file=sys.stderr, flush=True)
    peak = re.search(r"^peak memory (\d+) MiB", log, re.MULTILINE)
    end = "finished" if status == "0" else f"status {status}{', killed for memory' * killed}"
    cells = [name, given.memory, end, f"{seconds:.0f}", peak[1] if peak else ""]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--image", required=True)
    parser.add_argument("--memory", required=True)
    parser.add_argument("--cpus", type=int, default=2)
    parser.add_argument("--trees", type=int, default=3)
    parser.add_argument("--depth", type=int, default=3)
    parser.add_argument("--form", choices=("csv", "parquet"), default="parquet")
    parser.add_argument("--pandas-python", metavar="PYTHON")
    given = parser.parse_args()
    data = given.folder.resolve() / given.form
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "input" / "config"
        config.mkdir(parents=True)
        (Path(folder) / "input" / "data").mkdir()
        values = {"num_round": str(given.trees), "max_depth": str(given.depth)}
        (config / "hyperparameters.json").write_text(json.dumps(values))
        volumes = f"--volume={folder}:/opt/ml", f"--volume={data}:/opt/ml/input/data:ro"
        name = f"{given.folder.name}, {given.form}"
        print(run(f"{name}, this program", given, *volumes, given.image, "train"), flush=True)
    if python := given.pandas_python:
        code = "import sys; print(sys.prefix, sys.base_prefix)"
        prefixes = subprocess.check_output([python, "-c", code], text=True).split()
        mounted = (f"--volume={path}:{path}:ro" for path in (*prefixes, HERE, data))
        script = (HERE / "pandas_titanic.py", data, given.trees, given.depth, "/tmp/model.ubj")
        entry = f"--entrypoint={Path(python).absolute()}", "--env=PYTHONPATH="
        print(run(f"{name}, pandas script", given, *mounted, *entry, given.image, *script))


if __name__ == "__main__":
    main()
