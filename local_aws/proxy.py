"""Local AWS as an HTTP proxy, which answers for the host names of AWS.

The SDK contains some fixed endpoints (`https://sts.<region>.amazonaws.com`), which AWS_ENDPOINT_URL
does not change. A client with this proxy sends such requests to local AWS: with CONNECT, which
local AWS answers over TLS with a certificate for the host, or with a full URL. No request is
forwarded.
"""

import logging
from typing import Any, ClassVar
from urllib.parse import unquote_to_bytes

from local_aws.certificates import CertificateAuthority
from local_aws.partitions import bucket_in, service_part

from moto.moto_server.werkzeug_app import MotoRequestHandler

log = logging.getLogger(__name__)

PROXIED = "local_aws.proxied"  # in the environ of a request that came through the proxy


class ProxyRequestHandler(MotoRequestHandler):
    """Handles requests to the endpoint and through the proxy."""

    authority: ClassVar[CertificateAuthority]  # set when the server starts

    _tunnel: str | None = None  # host of CONNECT

    def do_CONNECT(self) -> None:
        """Continue over TLS as the requested host, if it is a host of AWS."""
        host = self.path.rpartition(":")[0].lower()
        if self._tunnel or service_part(host) is None:
            self.close_connection = True
            refused = refusal(host)
            body = f"{refused}\n".encode()
            # Clients show the reason of a refused CONNECT, and not its body.
            self.send_response_only(403, refused)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            return
        self.send_response_only(200, "Connection established")
        self.end_headers()
        self._tunnel = host
        try:
            context = self.authority.context(host)
            self.request = context.wrap_socket(self.connection, server_side=True)
        except OSError as error:  # the client does not trust the certificate
            log.debug("%s: %s", host, error)
            self.close_connection = True
            return
        self.setup()
        self.close_connection = False  # the request itself comes now

    def make_environ(self) -> dict[str, Any]:
        """Mark requests through the proxy, and split a full URL."""
        target = self.requestline.split()[1]  # http.server drops slashes at the head of a path
        scheme, _, rest = target.partition("://")
        whole = scheme.lower() == "http"  # as a proxy is asked for plain HTTP
        if whole:
            host, _, path = rest.partition("/")
            target = self.path = f"/{path}"
        environ: dict[str, Any] = super().make_environ()
        path, _, _ = target.partition("?")
        environ["PATH_INFO"] = unquote_to_bytes(path).decode("latin-1")
        environ["RAW_URI"] = environ["REQUEST_URI"] = target
        if whole:
            environ["HTTP_HOST"] = host
        if whole or self._tunnel:
            environ[PROXIED] = True
        return environ

    def finish(self) -> None:
        """Also close the TLS connection."""
        super().finish()
        if self._tunnel:
            self.connection.close()


def refusal(host: str) -> str:
    """Log a request for a host outside AWS, and return the message for the client."""
    message = f"{ascii(host)[1:-1]} is not a host of AWS: local AWS passes nothing on"
    log.warning("refused: %s", message)
    return message


def to_endpoint(environ: dict[str, Any], endpoint: str) -> None:
    """Convert a request for an AWS host to one for the endpoint, with the bucket in the path."""
    bucket = bucket_in(host_of(environ))
    environ["HTTP_HOST"] = endpoint
    if bucket:
        for name in ("PATH_INFO", "REQUEST_URI", "RAW_URI"):
            environ[name] = f"/{bucket}{environ[name]}"


def host_of(environ: dict[str, Any]) -> str:
    """Return the name in the Host header, without a port."""
    return str(environ.get("HTTP_HOST", "")).lower().partition(":")[0]
