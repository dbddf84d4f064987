"""What the image answers as a model server: a WSGI application with two paths.

Source: "Custom Inference Code with Hosting Services" and "Custom Inference Code with Batch
Transform" in the SageMaker developer guide. `/execution-parameters`, which batch transform may ask
for, is optional: without it, what the transform job says holds.
"""

import re
from collections.abc import Iterable
from http import HTTPStatus
from wsgiref.types import StartResponse, WSGIEnvironment

from container.artifact import Artifact
from container.errors import InputError
from container.predictions import WRITERS
from container.rows import READERS

METHODS = {"/ping": "GET", "/invocations": "POST"}
UTF_8 = frozenset({"", "utf-8", "utf8", "us-ascii"})  # the charsets that are read, none by default

_CHARSET = re.compile(r';\s*charset\s*=\s*"?([^\s;"]*)', re.IGNORECASE)
_WEIGHT = re.compile(r"\s*q\s*=\s*([01](?:\.[0-9]{0,3})?)\s*", re.IGNORECASE)


class Refusal(Exception):
    """A request that is not answered: the status, and the reason as one line with a hint."""

    def __init__(self, status: HTTPStatus, reason: InputError) -> None:
        super().__init__(str(reason))
        self.status = status


class Application:
    def __init__(self, artifact: Artifact) -> None:
        self.artifact = artifact

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        headers = []
        try:
            status = HTTPStatus.OK
            content_type, text = self._answer(environ)
        except Refusal as refusal:
            status = refusal.status
            content_type, text = "text/plain; charset=utf-8", f"{refusal}\n"
            if status == HTTPStatus.METHOD_NOT_ALLOWED:
                headers.append(("Allow", METHODS[environ["PATH_INFO"]]))
        content = text.encode("utf-8", "backslashreplace")
        headers += [("Content-Type", content_type), ("Content-Length", str(len(content)))]
        start_response(f"{status.value} {status.phrase}", headers)
        return [content]

    def _answer(self, environ: WSGIEnvironment) -> tuple[str, str]:
        """The media type and the text; raises Refusal."""
        path, method = environ.get("PATH_INFO", ""), environ["REQUEST_METHOD"]
        if path not in METHODS:
            raise _refusal(404, f"no path {path[:60]!r}", f"ask for {' or '.join(METHODS)}")
        if method != METHODS[path]:
            raise _refusal(405, f"{path} does not take {method}", f"use {METHODS[path]}")
        if path == "/ping":
            return "text/plain", ""
        given = _media_type(environ)
        wanted = _negotiate(environ.get("HTTP_ACCEPT", ""), given)
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        if not body:
            raise _refusal(400, "body: empty", "send at least one passenger")
        try:
            passengers = READERS[given](body)
        except InputError as error:
            raise Refusal(HTTPStatus.BAD_REQUEST, error) from None
        return wanted, WRITERS[wanted](self.artifact.score(passengers).tolist())


def _media_type(environ: WSGIEnvironment) -> str:
    """That of the body, without its parameters."""
    header: str = environ.get("CONTENT_TYPE", "")
    name = header.partition(";")[0].strip().lower()
    if name not in READERS:
        raise _refusal(415, f"Content-Type is {name[:60]!r}", f"send {_listed(READERS)}")
    charset = _CHARSET.search(header)
    if charset and charset[1].lower() not in UTF_8:
        raise _refusal(415, f"the charset is {charset[1][:60]!r}", "send UTF-8")
    encoding = environ.get("HTTP_CONTENT_ENCODING", "").strip().lower()
    if encoding not in ("", "identity"):
        raise _refusal(
            415, f"Content-Encoding is {encoding[:60]!r}", "send the body as it is, not compressed"
        )
    return name


def _negotiate(accept: str, preferred: str) -> str:
    """The media type with the greatest weight in an Accept header (RFC 9110, 12.5.1).

    `preferred`, that of the body, comes first among equals and when nothing is asked for.
    """
    weights = dict(map(_weighted, filter(str.strip, accept.split(",")))) or {"*/*": 1.0}

    def weight(name: str) -> float:
        ranges = (name, f"{name.partition('/')[0]}/*", "*/*")
        return next((weights[each] for each in ranges if each in weights), 0.0)

    best = max((preferred, *WRITERS), key=weight)
    if not weight(best):
        raise _refusal(406, f"Accept is {accept[:60]!r}", f"accept {_listed(WRITERS)}")
    return best


def _weighted(media_range: str) -> tuple[str, float]:
    name, *parameters = media_range.split(";")
    found = next(filter(None, map(_WEIGHT.fullmatch, parameters)), None)
    return name.strip().lower(), float(found[1]) if found else 1.0


def _listed(media_types: Iterable[str]) -> str:
    *others, last = media_types
    return f"{', '.join(others)} or {last}"


def _refusal(status: int, message: str, hint: str) -> Refusal:
    return Refusal(HTTPStatus(status), InputError(message, hint))
