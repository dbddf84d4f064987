"""The model server: `python -m container serve`.

The model is loaded, and has scored once, before the port is opened: where /ping is answered,
there is a model that works.

Source of the environment: "Custom Inference Code with Hosting Services" and "Troubleshoot
multi-container endpoints" in the SageMaker developer guide.
"""

import logging
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import NoReturn
from wsgiref.types import WSGIApplication

from container.artifact import Artifact
from container.errors import InputError
from container.invocations import Application
from container.rows import UNKNOWN_PASSENGER

from waitress import create_server
from waitress.server import BaseWSGIServer

PORT = 8080
MAX_BODY_BYTES = 100 * 2**20  # batch transform sends no more at once, an endpoint far less
THREADS = 8  # so that /ping is answered while large requests are being scored


def serve(model_dir: Path) -> int:
    """The exit code, after SIGTERM or when there is no model that works."""
    try:
        artifact = Artifact.load(model_dir)
        artifact.score(UNKNOWN_PASSENGER)
        print(f"model of {model_dir}", flush=True)
        answer(Application(artifact))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return 1
    return 0


def answer(application: WSGIApplication) -> None:
    """Until SIGTERM: then the requests that are being answered have 5 s to end."""
    signal.signal(signal.SIGTERM, _stop)
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # else a line for each that waits
    server = _listen(application)
    print(f"serving on http://{server.effective_host}:{server.effective_port}", flush=True)
    server.run()


def _listen(application: WSGIApplication) -> BaseWSGIServer:
    """On loopback only, unless the environment says otherwise, as that of the image does."""
    host = os.environ.get("BIND_TO_HOST", "127.0.0.1")
    port = os.environ.get("SAGEMAKER_BIND_TO_PORT", str(PORT))
    hint = "set SAGEMAKER_BIND_TO_PORT to a port that is free"
    if not (port.isascii() and port.isdigit() and int(port) < 2**16):
        raise InputError(f"port {port!r} is not a number from 0 to 65535", hint)
    try:
        return create_server(
            application,
            host=host,
            port=int(port),
            threads=THREADS,
            max_request_body_size=MAX_BODY_BYTES + 1,  # what is not below it is refused
        )
    except OSError as error:
        raise InputError(f"cannot listen on {host}:{port}: {error.strerror}", hint) from None


def _stop(_signum: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)
