"""A registry on loopback that tells the digest of one image, after the token that it asks for."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "everyone-gets-it"
PATH = "/v2/library/python/manifests/3.13"


@contextmanager
def serving(digest: str) -> Iterator[str]:
    """Yield the name of the image."""

    class Registry(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            allowed = self.headers.get("Authorization") == f"Bearer {TOKEN}"
            self.send_response(200 if allowed and self.path == PATH else 404 if allowed else 401)
            realm = f"http://{self.headers['Host']}/token"
            self.send_header("WWW-Authenticate", f'Bearer realm="{realm}",service="s",scope="p"')
            self.send_header("Docker-Content-Digest", digest)
            self.end_headers()

        def do_GET(self) -> None:
            assert self.path == "/token?service=s&scope=p"
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"token": TOKEN}).encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_port}/library/python:3.13"
    finally:
        server.shutdown()
        server.server_close()
