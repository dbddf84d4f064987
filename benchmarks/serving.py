"""The model server beside the model called in process: `python benchmarks/serving.py MODEL_DIR`.

Prints a table in Markdown. Every round measures all of its columns one after the other, so that
what else the machine does meets each of them; the ratios are what is compared. The answers are
checked to be what the call in process gives.
"""

import csv
import http.client
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ.setdefault("OMP_NUM_THREADS", "1")  # as the server has it

from container.artifact import Artifact
from container.predict import READERS, WRITERS

import numpy as np

ROOT = Path(__file__).parent.parent
REQUESTS = {1: 300, 1000: 60}  # of so many rows, in one round
CLIENTS = 4  # that ask at the same time, for the throughput
COLUMNS = (
    "rows",
    "form",
    "score, p50",
    "score, p99",
    "request, p50",
    "request, p99",
    "p50 / score",
    "p99 / score",
    "p50 / all of it in process",
    "throughput / score",
)

Call = Callable[[], object]


def main(argv: Sequence[str]) -> int:
    model = Path(argv[0]).resolve()
    artifact = Artifact.load(model)
    print(f"| {' | '.join(COLUMNS)} |\n{'| --- ' * len(COLUMNS)}|")
    with serving(model) as port:
        for count, requests in REQUESTS.items():
            for media_type in ("text/csv", "application/jsonlines"):
                cells = compare(artifact, port, media_type, body_of(media_type, count), requests)
                print(f"| {count} | {media_type} | {' | '.join(cells)} |", flush=True)
    return 0


def compare(
    artifact: Artifact, port: int, media_type: str, body: bytes, requests: int
) -> list[str]:
    read, write = READERS[media_type], WRITERS[media_type]
    rows = read(body)

    def in_process() -> bytes:
        return write(artifact.score(read(body)).tolist()).encode()

    with client(port, media_type, body) as request:
        if request() != in_process():
            raise SystemExit("error: the server answers something else than the call in process")
        score, whole, asked = seconds([lambda: artifact.score(rows), in_process, request], requests)
    rate = throughput(port, media_type, body, requests) * float(np.mean(score))
    p50, p99 = np.percentile(asked, [50, 99]) / np.percentile(score, [50, 99])
    milliseconds = [*np.percentile(score, [50, 99]), *np.percentile(asked, [50, 99])]
    ratios = [p50, p99, np.median(asked) / np.median(whole), rate]
    return [f"{each * 1000:.2f} ms" for each in milliseconds] + [f"{each:.2f}" for each in ratios]


def seconds(calls: Sequence[Call], repetitions: int) -> list[list[float]]:
    """How long each call took, one after the other in every repetition."""
    durations: list[list[float]] = [[] for _ in calls]
    for _ in range(repetitions):
        for taken, call in zip(durations, calls, strict=True):
            start = time.perf_counter()
            call()
            taken.append(time.perf_counter() - start)
    return durations


def throughput(port: int, media_type: str, body: bytes, requests: int) -> float:
    """Requests a second, of several clients at the same time."""

    def ask(_: int) -> None:
        with client(port, media_type, body) as request:
            for _ in range(requests // CLIENTS):
                request()

    start = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(ask, range(CLIENTS)))
    return requests // CLIENTS * CLIENTS / (time.perf_counter() - start)


@contextmanager
def client(port: int, media_type: str, body: bytes) -> Iterator[Callable[[], bytes]]:
    """A request, on one connection that stays open."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def request() -> bytes:
        connection.request("POST", "/invocations", body, {"Content-Type": media_type})
        return connection.getresponse().read()

    yield request
    connection.close()


@contextmanager
def serving(model: Path) -> Iterator[int]:
    """The port of a model server in a process of its own."""
    with TemporaryDirectory() as root:
        (Path(root) / "model").symlink_to(model)
        process = subprocess.Popen(
            [sys.executable, "-m", "container", "serve"],
            env={**os.environ, "SAGEMAKER_BASE_DIR": root, "SAGEMAKER_BIND_TO_PORT": "0"},
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        address = next((line for line in process.stdout or () if "serving" in line), None)
        if not address:
            raise SystemExit("error: the server ended")
        yield int(address.rpartition(":")[2])
        process.terminate()
        process.wait()


def body_of(media_type: str, count: int) -> bytes:
    """The first passengers of the Titanic data, without their labels."""
    file = ROOT / "pipeline" / "titanic" / "titanic.csv"
    rows = list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8"))))[:count]
    for row in rows:
        del row["survived"]
    if media_type == "application/jsonlines":
        return "".join(json.dumps(row) + "\n" for row in rows).encode()
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
