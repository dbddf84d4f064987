"""The ports of local AWS: one on loopback, and one for the containers of its jobs."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from local_aws.certificates import CertificateAuthority
from local_aws.config import LOOPBACK
from local_aws.errors import UserError
from local_aws.guard import Guard
from local_aws.proxy import ProxyRequestHandler

from werkzeug.serving import BaseWSGIServer, make_server

SHUTDOWN_POLL_SECONDS = 0.05  # how soon the server sees that it is to end


@contextmanager
def listening(
    address: str,
    port: int,
    guard: Guard,
    authority: CertificateAuthority,
    admits: Callable[[str], bool] = lambda _peer: True,
) -> Iterator[int]:
    """Serve requests, also as a proxy, and yield the port.

    Args:
        address: An address of this machine.
        port: 0 for any free port.
        guard: The WSGI application.
        authority: Signs the certificates of the hosts that the proxy answers for.
        admits: Returns whether a client with this address gets an answer.
    """
    handler = type("Handler", (ProxyRequestHandler,), {"authority": authority})
    server = make_server(address, port, guard, threaded=True, request_handler=handler)
    server.verify_request = lambda _request, client: admits(client[0])  # type: ignore[method-assign, assignment]
    with serving(server):
        yield server.server_port


@contextmanager
def serving(server: BaseWSGIServer) -> Iterator[None]:
    """Serve requests in a thread during the context."""
    thread = threading.Thread(
        target=server.serve_forever, args=[SHUTDOWN_POLL_SECONDS], daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def free_port() -> int:
    """Return a free port of loopback."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def check_free(address: str, port: int) -> None:
    """Raise UserError if another process has the port; moto's server would wait forever."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except (OSError, OverflowError) as error:
            raise UserError(
                f"port {port} of {address}: {error}", "give another one with --port"
            ) from None
