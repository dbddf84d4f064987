"""The model server: `python -m container serve`, a WSGI application with two paths.

The model has scored once before the port is opened: where /ping is answered, there is a model that
works. Sources: "Custom Inference Code with Hosting Services", "Custom Inference Code with Batch
Transform" and "Troubleshoot multi-container endpoints" in the SageMaker developer guide.
"""

import functools
import logging
import os
import signal
import sys
import time
from collections.abc import Iterable
from http import HTTPStatus
from pathlib import Path
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from container.artifact import Artifact
from container.errors import InputError
from container.predict import READERS, WRITERS

from waitress import create_server
from waitress.server import BaseWSGIServer

PORT = 8080
MAX_BODY_BYTES = 100 * 2**20  # batch transform sends no more at once, an endpoint far less
THREADS = 8  # so that /ping is answered while large requests are being scored
CONNECTIONS = 900  # open at a time; slow ones must not keep others out
ACCEPT_SECONDS = 0.5  # after SIGTERM, for connections that wait already
DRAIN_SECONDS = 28  # SageMaker kills 30 s after SIGTERM


class Refusal(InputError):
    """A request that has another status than that of a body that is not usable (400)."""

    def __init__(self, status: int, message: str, hint: str) -> None:
        super().__init__(message, hint)
        self.status = HTTPStatus(status)


def respond(
    artifact: Artifact, environ: WSGIEnvironment, start_response: StartResponse
) -> Iterable[bytes]:
    """Answer a request: a WSGI application (PEP 3333), but for the artifact."""
    status = HTTPStatus.OK
    try:
        media_type, text = _answer(artifact, environ)
    except InputError as error:
        status = error.status if isinstance(error, Refusal) else HTTPStatus.BAD_REQUEST
        media_type, text = "text/plain; charset=utf-8", f"{error}\n"
    content = text.encode("utf-8", "backslashreplace")
    headers = [("Content-Type", media_type), ("Content-Length", str(len(content)))]
    start_response(f"{status.value} {status.phrase}", headers)
    return [content]


def _answer(artifact: Artifact, environ: WSGIEnvironment) -> tuple[str, str]:
    """Return the media type and the text of an answer. Raises InputError."""
    asked = f"{environ['REQUEST_METHOD']} {environ.get('PATH_INFO', '')}"
    if asked == "GET /ping":
        return "text/plain", ""
    if asked != "POST /invocations":
        raise Refusal(404, f"no {asked[:60]!r}", "ask for GET /ping or POST /invocations")
    given = _content_type(environ)
    wanted = _accepted(environ.get("HTTP_ACCEPT", ""), given)
    if not (body := environ["wsgi.input"].read()):
        raise InputError("body: empty", "send at least one row")
    return wanted, WRITERS[wanted](artifact.score(READERS[given](body)).tolist())


def _content_type(environ: WSGIEnvironment) -> str:
    """Return the media type of the body. Raises Refusal for one that is not read."""
    name = environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
    if name not in READERS:
        raise Refusal(415, f"Content-Type is {name[:60]!r}", f"send {', '.join(READERS)}")
    return str(name)


def _accepted(accept: str, given: str) -> str:
    """Return the first media type of an Accept header that is written; that of the body for any."""
    names = [each.partition(";")[0].strip().lower() for each in accept.split(",")]
    for name in names:
        if name in ("*/*", ""):
            return given
        if name in WRITERS:
            return name
    raise Refusal(406, f"Accept is {accept[:60]!r}", f"accept {', '.join(WRITERS)}")


def serve(model_dir: Path) -> int:
    """Serve until SIGTERM; return the exit code, 1 when there is no model that works."""
    try:
        artifact = Artifact.load(model_dir)
        print(f"model of {model_dir}", flush=True)
        run_server(functools.partial(respond, artifact))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return 1
    return 0


def run_server(application: WSGIApplication) -> None:
    """Answer requests until SIGTERM, then those that have come, for DRAIN_SECONDS at most."""
    stopped: list[float] = []
    signal.signal(signal.SIGTERM, lambda _signum, _frame: stopped.append(time.monotonic()))
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # else a line for each that waits
    server = _listen(application)
    print(f"serving on http://{server.effective_host}:{server.effective_port}", flush=True)
    seconds = 0.0  # since SIGTERM
    while seconds < ACCEPT_SECONDS or (seconds < DRAIN_SECONDS and _is_busy(server)):
        server.asyncore.loop(timeout=0.2, map=server._map, count=1)
        seconds = time.monotonic() - stopped[0] if stopped else 0.0
        if seconds > ACCEPT_SECONDS:  # close the port: what comes now is refused at once
            server.asyncore.dispatcher.close(server)


def _is_busy(server: BaseWSGIServer) -> bool:
    channels = list(server.active_channels.values())
    return any(each.request or each.requests or each.total_outbufs_len for each in channels)


def _listen(application: WSGIApplication) -> BaseWSGIServer:
    """Listen on loopback, unless the environment says otherwise, as that of the image does."""
    host = os.environ.get("BIND_TO_HOST", "127.0.0.1")
    port = os.environ.get("SAGEMAKER_BIND_TO_PORT", str(PORT))
    try:
        return create_server(
            application,
            host=host,
            port=int(port),
            threads=THREADS,
            connection_limit=CONNECTIONS,
            max_request_body_size=MAX_BODY_BYTES + 1,  # what is not below it is refused
        )
    except (OSError, ValueError) as error:
        hint = "set SAGEMAKER_BIND_TO_PORT to a port that is free"
        raise InputError(f"cannot listen on {host}:{port}: {error}", hint) from None
