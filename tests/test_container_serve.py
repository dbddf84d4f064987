"""The model server: SageMaker's hosting contract, and what it refuses.

What asks the `server` is tested of the process and, as NEEDS_ENGINE, of the image.
"""

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from container import contract
from container.schema import NUMBERS, TEXTS
from container.serve import MAX_BODY_BYTES, THREADS

import model_server
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model_server import ModelServer
from program import ENVIRONMENT

CSV, JSON, JSON_LINES = "text/csv", "application/json", "application/jsonlines"
COLUMNS = [*NUMBERS, *TEXTS]
HEADER = ",".join(COLUMNS)
ALLEN = {
    "name": "Allen, Miss. Elisabeth Walton",
    "sex": "female",
    "age": 29,
    "sibsp": 0,
    "parch": 0,
    "pclass": 1,
    "ticket": 24160,
    "fare": 211.3375,
    "cabin": "B5",
    "embarked": "S",
}
UNKNOWN = dict.fromkeys(COLUMNS)


def lines_of(*rows: object) -> bytes:
    return "\n".join(map(json.dumps, rows)).encode()


def test_ping_is_answered_with_200_and_nothing(server: ModelServer) -> None:
    answer = server.ask("GET", "/ping")
    assert (answer.status, answer.body) == (200, b"")


def test_it_listens_on_loopback_unless_told_otherwise(served_root: Path) -> None:
    with model_server.running(served_root) as server:
        assert server.host == "127.0.0.1"
    with model_server.running(served_root, BIND_TO_HOST="0.0.0.0") as everywhere:
        assert everywhere.host == "0.0.0.0"
        assert everywhere.ask("GET", "/ping").status == 200


def test_a_row_gets_a_probability_in_the_form_that_it_came_in(server: ModelServer) -> None:
    csv = f"{HEADER}\n{','.join(json.dumps(ALLEN[name]) for name in COLUMNS)}\n".encode()
    as_csv = server.invoke(csv, CSV)
    assert (as_csv.status, as_csv.content_type) == (200, CSV)
    assert 0.5 < float(as_csv.text) < 1, "a woman in first class"
    probability = as_csv.text.strip()
    as_lines = server.invoke(lines_of(ALLEN, UNKNOWN), f"{JSON_LINES}; charset=UTF-8")
    assert (as_lines.status, as_lines.content_type) == (200, JSON_LINES)
    first, second = as_lines.text.splitlines()
    assert first == f'{{"probability": {probability}}}'
    assert list(json.loads(second)) == ["probability"]
    for document in (ALLEN, [ALLEN], {"instances": [ALLEN]}):
        as_json = server.invoke(json.dumps(document).encode(), JSON)
        assert (as_json.status, as_json.content_type) == (200, JSON)
        assert as_json.text == f'{{"predictions": [{{"probability": {probability}}}]}}\n'


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("*/*", JSON_LINES),
        ("", JSON_LINES),
        ("text/csv", CSV),
        ("TEXT/CSV; charset=utf-8", CSV),
        ("application/json", JSON),
        ("text/html, application/json;q=0.5, text/csv;q=0.5", JSON),
        ("text/html, */*;q=0.1", JSON_LINES),
    ],
)
def test_accept_chooses_the_form_of_the_answer(
    accept: str, expected: str, server: ModelServer
) -> None:
    answer = server.invoke(lines_of(ALLEN, UNKNOWN), JSON_LINES, accept=accept)
    assert (answer.status, answer.content_type) == (200, expected)
    assert answer.text.count("\n") == (1 if expected == JSON else 2)


@pytest.mark.parametrize(
    ("body", "content_type", "reason"),
    [
        (b"", CSV, "body: empty"),
        (f"{HEADER}\n1,2\n".encode(), CSV, "body: row 1 has 2 cells, the header has 10"),
        (f"{HEADER}\n{'x' * 200_000},,,,,,,,,\n".encode(), CSV, "body: pclass is 'xxx"),
        (lines_of(ALLEN, ALLEN | {"age": -1}), JSON_LINES, "body: age is '-1' (row 2); allowed"),
        (b"[" * 100_000, JSON, "body: not JSON: "),
    ],
)
def test_a_bad_body_gets_400_with_the_reason_and_a_hint(
    body: bytes, content_type: str, reason: str, server: ModelServer
) -> None:
    answer = server.invoke(body, content_type)
    assert answer.status == 400
    first, second = answer.text.splitlines()
    assert first.startswith(reason)
    assert second.startswith("hint: ")
    assert len(first) < 300


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "reason"),
    [
        ("GET", "/", {}, 404, "no 'GET /'"),
        ("POST", "/invocations/", {}, 404, "no 'POST /invocations/'"),
        ("GET", "/execution-parameters", {}, 404, "no 'GET /exec"),
        ("POST", "/ping", {}, 404, "no 'POST /ping'"),
        ("GET", "/invocations", {}, 404, "no 'GET /invocations'"),
        ("POST", "/invocations", {}, 415, "Content-Type is ''"),
        ("POST", "/invocations", {"content_type": "text/html"}, 415, "Content-Type is 'text/html'"),
        ("POST", "/invocations", {"content_type": CSV, "accept": "text/html"}, 406, "Accept is"),
    ],
)
def test_what_it_does_not_do_has_its_own_status_and_a_hint(
    method: str,
    path: str,
    headers: dict[str, str],
    status: int,
    reason: str,
    server: ModelServer,
) -> None:
    answer = server.ask(method, path, b"x" if method == "POST" else None, **headers)
    assert answer.status == status
    assert answer.text.startswith(reason)
    assert "\nhint: " in answer.text


def test_a_body_of_the_largest_size_is_read_and_a_larger_one_gets_413(server: ModelServer) -> None:
    assert MAX_BODY_BYTES == 100 * 2**20
    read = server.invoke(b"x" * MAX_BODY_BYTES, CSV)
    assert read.status == 400
    with socket.create_connection((server.host, server.port), timeout=60) as connection:
        head = f"POST /invocations HTTP/1.1\r\nContent-Length: {MAX_BODY_BYTES + 1}\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_a_body_in_chunks_of_unknown_length_is_read(server: ModelServer) -> None:
    chunks = iter([lines_of(ALLEN)[:9], lines_of(ALLEN)[9:]])
    assert server.invoke(chunks, JSON_LINES).status == 200


def test_a_long_cell_does_not_make_the_other_rows_long(server: ModelServer) -> None:
    """Texts in an array of fixed width would need rows x characters: 80 GB here."""
    rows = [UNKNOWN | {"cabin": "x" * 1_000_000}, *([UNKNOWN] * 20_000)]
    answer = server.invoke(lines_of(*rows), JSON_LINES, accept=CSV)
    assert answer.status == 200
    assert len(answer.text.splitlines()) == len(rows)


def test_requests_at_the_same_time_do_not_mix(server: ModelServer) -> None:
    rows = [ALLEN | {"age": age, "sex": sex} for age in range(60) for sex in ("male", "female")]

    def one(row: dict[str, object]) -> str:
        return server.invoke(lines_of(row), JSON_LINES).text

    together = server.invoke(lines_of(*rows), JSON_LINES).text.splitlines(keepends=True)
    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(one, rows)) == together


anything = st.one_of(st.binary(max_size=300), st.text(max_size=100).map(str.encode))
media_types = st.one_of(
    st.sampled_from([CSV, JSON, JSON_LINES, "application/x-jsonlines"]),
    st.binary(max_size=60).map(lambda text: text.translate(None, b"\r\n")),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text() | st.sampled_from(COLUMNS),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(COLUMNS), inner),
)
bodies = st.one_of(
    anything,
    json_values.map(lambda value: json.dumps(value).encode()),
    st.fixed_dictionaries(dict.fromkeys(COLUMNS, json_values)).map(lines_of),
    anything.map(lambda rest: HEADER.encode() + b"\n" + rest),
)


@settings(max_examples=150)
@given(body=bodies, content_type=media_types, accept=media_types)
def test_no_body_and_no_header_gives_500_or_hangs(
    body: bytes, content_type: str | bytes, accept: str | bytes, server: ModelServer
) -> None:
    answer = server.ask("POST", "/invocations", body, content_type=content_type, accept=accept)
    assert answer.status in (200, 400, 406, 415)


@settings(max_examples=100)
@given(request=st.binary(max_size=400))
def test_nothing_that_is_sent_stops_it(request: bytes, server: ModelServer) -> None:
    with socket.create_connection((server.host, server.port), timeout=60) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(100)
    assert b" 500 " not in answer
    assert server.ask("GET", "/ping").status == 200


SLOW_APPLICATION = """
import time
from container.serve import run_server

def application(environ, start_response):
    until = time.monotonic() + 0.1
    while time.monotonic() < until:  # leaves other threads little of the interpreter
        pass
    start_response("200 OK", [("Content-Length", "5")])
    return [b"ended"]

run_server(application)
"""


@pytest.mark.parametrize("delay", [0, 0.02, 0.1, 0.3])
def test_every_request_that_was_sent_before_sigterm_is_answered(delay: float) -> None:
    """Also those that wait for one of the threads, which are half as many."""
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW_APPLICATION],
        env=ENVIRONMENT | {"SAGEMAKER_BIND_TO_PORT": "0"},
        stdout=subprocess.PIPE,
        text=True,
    )
    address = model_server.address(process)
    clients = [socket.create_connection(address, timeout=60) for _ in range(2 * THREADS)]
    for client in clients:
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
    time.sleep(delay)
    process.send_signal(signal.SIGTERM)
    for client in clients:
        with client, client.makefile("rb") as answer:
            assert answer.readline() == b"HTTP/1.1 200 OK\r\n"
    assert process.wait(timeout=60) == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)


def test_slow_connections_keep_nobody_out(server: ModelServer) -> None:
    slow = [socket.create_connection((server.host, server.port)) for _ in range(120)]
    for connection in slow:
        connection.sendall(b"POST /invocations HTTP/1.1\r\nContent-Length: 100\r\n\r\n{")
    assert server.ask("GET", "/ping").status == 200, "before the slow ones time out"
    assert server.invoke(lines_of(ALLEN), JSON_LINES).status == 200
    for connection in slow:
        connection.close()


@pytest.mark.parametrize(
    ("model", "variables", "reason"),
    [
        (b"", {}, ".*/model: the artifact cannot be read: .*"),
        (None, {"SAGEMAKER_BIND_TO_PORT": "http"}, "cannot listen on .*:http: .*"),
        (None, {"BIND_TO_HOST": "192.0.2.1"}, "cannot listen on 192.0.2.1:0: .*"),
    ],
)
def test_what_keeps_it_from_serving_is_one_line_with_a_hint(
    model: bytes | None,
    variables: dict[str, str],
    reason: str,
    served_root: Path,
    tmp_path: Path,
) -> None:
    shutil.copytree(served_root / "model", tmp_path / "model")
    if model is not None:
        (tmp_path / "model" / contract.MODEL_FILE).write_bytes(model)
    process = model_server.start(tmp_path, **variables)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "serving" not in stdout
    assert re.fullmatch(f"error: {reason}\nhint: .*\n", stderr), stderr
    assert not (tmp_path / "output").exists(), "a failure file is for training jobs"
