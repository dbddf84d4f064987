"""The WSGI application in front of moto, which accepts only signed requests of programs.

A web page can also send requests to loopback. Therefore local AWS has no CORS, refuses browsers and
other names in the Host header (hosts of AWS are accepted through the proxy), and refuses requests
without a signature by a key of this local AWS. moto's paths beside the API of AWS (its control
paths, instance metadata) are closed.
"""

import hashlib
import io
import json
import logging
import re
import secrets
from collections.abc import Callable, Iterable
from typing import Any
from xml.sax.saxutils import escape

from local_aws import proxy
from local_aws.iam import signature
from local_aws.iam.signature import SecretOf, SignatureRefused, SignedRequest
from local_aws.partitions import service_part

from botocore.model import OperationNotFoundError

log = logging.getLogger(__name__)

JSON, QUERY, EC2, S3 = "json", "query", "ec2", "s3"  # protocols, as far as errors differ
CODES = {  # source: "Common Errors" of the APIs; "List of error codes", S3 API reference
    reason: dict(zip((S3, QUERY, EC2, JSON), codes.split(), strict=True))
    for reason, codes in {
        signature.MISSING: "AccessDenied MissingAuthenticationToken MissingAuthenticationToken "
        "MissingAuthenticationToken",
        signature.INCOMPLETE: "AuthorizationHeaderMalformed IncompleteSignature "
        "IncompleteSignature IncompleteSignatureException",
        signature.UNKNOWN_KEY: "InvalidAccessKeyId InvalidClientTokenId AuthFailure "
        "UnrecognizedClientException",
        signature.WRONG_TOKEN: "InvalidToken InvalidClientTokenId AuthFailure "
        "UnrecognizedClientException",
        signature.MISMATCH: "SignatureDoesNotMatch SignatureDoesNotMatch AuthFailure "
        "InvalidSignatureException",
        signature.UNTIMELY: "RequestTimeTooSkewed SignatureDoesNotMatch RequestExpired "
        "InvalidSignatureException",
    }.items()
}
TOO_SKEWED = "The difference between the request time and the current time is too large."
CLOSED = ("/moto-api", "/latest/meta-data/", "/latest/api/", "/favicon.ico")
NO_ROUTE = b"<!doctype html>"  # the start of Flask's page where no operation has a path
OF_BROWSERS = ("HTTP_ORIGIN", "HTTP_SEC_FETCH_SITE", "HTTP_SEC_FETCH_MODE")

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]
Answer = tuple[int, str, bytes]  # status, content type, body
Route = Callable[[str, bytes], Answer]  # takes the rest of the path and the body


class Guard:
    """The WSGI application in front of moto's."""

    def __init__(self, application: Application, secret_of: SecretOf) -> None:
        self._application = application
        self._secret_of = secret_of
        self.endpoint = ""  # host and port
        self.hosts: set[str] = set()  # what a Host header may be, in lower case
        # What local AWS answers beside the API of AWS, by the beginning of the path. Those of
        # `open_routes` are not signed: nobody can guess their paths.
        self.signed_routes: dict[str, Route] = {}
        self.open_routes: dict[str, Route] = {}

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer one request."""
        answer = self._answer(environ)
        if answer is None:
            try:
                return self._forward(environ, start_response)
            except Exception as fault:
                log.debug("on %s %s", environ["REQUEST_METHOD"], environ["RAW_URI"], exc_info=True)
                answer = _unable(environ, fault)
        status, content_type, body = answer
        headers = [("Content-Type", content_type), ("Content-Length", str(len(body)))]
        headers += [("x-amzn-RequestId", secrets.token_hex(16)), ("Connection", "close")]
        start_response(f"{status} {'OK' if status == 200 else 'Refused'}", headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def _forward(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Forward to moto. Raises NotImplementedError if moto has no operation on this path."""
        held: list[tuple[str, list[tuple[str, str]]]] = []

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            kept = [each for each in headers if not each[0].lower().startswith("access-control-")]
            if not status.startswith("404"):
                return start_response(status, kept, *rest)
            held.append((status, kept))
            return None

        chunks = self._application(environ, start)
        if not held:
            return chunks
        body = b"".join(chunks)
        if body.startswith(NO_ROUTE):
            raise NotImplementedError(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}")
        start_response(*held[0])
        return [body]

    def _answer(self, environ: dict[str, Any]) -> Answer | None:
        """Return the answer that replaces moto's, if there is one."""
        direct = environ.get("HTTP_HOST", "").lower() in self.hosts
        answer = self._refuse_sender(environ, direct)
        if answer is None and direct:
            answer = _routed(self.open_routes, environ)
        if answer is not None:
            return answer
        request = _signed_request(environ)
        try:
            signature.verify(request, self._secret_of)
        except SignatureRefused as refusal:
            return refused(environ, request.service, refusal)
        if not direct:
            proxy.to_endpoint(environ, self.endpoint)
        if environ["PATH_INFO"].startswith(CLOSED):
            return _plain(404, "local AWS does not answer on this path")
        if direct and (answer := _routed(self.signed_routes, environ)):
            return answer
        if "HTTP_X_AMZ_TARGET" in environ and not _is_json_object(_read_body(environ)):
            return error(JSON, 400, "SerializationException", "The body is not a JSON object")
        return None

    def _refuse_sender(self, environ: dict[str, Any], direct: bool) -> Answer | None:
        if not direct:
            if proxy.PROXIED not in environ:
                return _plain(403, f"local AWS is reached as {', '.join(sorted(self.hosts))} only")
            name = proxy.host_of(environ)
            if service_part(name) is None:
                return _plain(403, proxy.refusal(name))
        if any(name in environ for name in OF_BROWSERS):
            return _plain(403, "local AWS answers no browser")
        return None


def _routed(routes: dict[str, Route], environ: dict[str, Any]) -> Answer | None:
    path = environ["PATH_INFO"]
    for prefix, route in routes.items():
        if path.startswith(prefix):
            return route(path.removeprefix(prefix), _read_body(environ))
    return None


def refused(environ: dict[str, Any], service: str, refusal: SignatureRefused) -> Answer:
    """Return the answer to a request with a missing or wrong signature."""
    protocol = protocol_of(environ, service)
    message = str(refusal)
    if protocol == S3 and refusal.reason == signature.UNTIMELY:
        message = TOO_SKEWED
    return error(protocol, 403, CODES[refusal.reason][protocol], message)


def protocol_of(environ: dict[str, Any], service: str) -> str:
    """Return the protocol in which the client expects an error."""
    content_type = environ.get("CONTENT_TYPE", "")
    if service in (S3, EC2):
        return service
    if content_type.startswith("application/x-www-form-urlencoded"):
        return QUERY
    return JSON if "json" in content_type or service else S3


def error(protocol: str, status: int, code: str, message: str) -> Answer:
    """Return an error in the form of a protocol."""
    if protocol == JSON:
        content = {"__type": code, "message": message, "Message": message}
        return status, "application/x-amz-json-1.1", json.dumps(content).encode()
    inner = f"<Code>{code}</Code><Message>{escape(message)}</Message>"
    if protocol == S3:
        text = f"<Error>{inner}</Error>"
    elif protocol == EC2:
        text = f"<Response><Errors><Error>{inner}</Error></Errors></Response>"
    else:
        text = f"<ErrorResponse><Error><Type>Sender</Type>{inner}</Error></ErrorResponse>"
    return status, "text/xml", f'<?xml version="1.0" encoding="UTF-8"?>{text}'.encode()


def _unable(environ: dict[str, Any], fault: Exception) -> Answer:
    """Return the answer to a request that moto or local AWS cannot parse."""
    service = _signed_request(environ).service
    protocol = protocol_of(environ, service)
    if isinstance(fault, NotImplementedError | OperationNotFoundError):
        operation = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]
        what = operation or re.sub("^The | action has.*", "", str(fault))
        codes = {S3: "NotImplemented", QUERY: "InvalidAction", EC2: "InvalidAction"}
        code = codes.get(protocol, "UnknownOperationException")
        return error(protocol, 400, code, f"local AWS does not support {what} of {service}")
    codes = {S3: "InvalidRequest", QUERY: "ValidationError", EC2: "InvalidParameterValue"}
    what = " ".join(f"{type(fault).__name__}: {fault}".split())
    message = f"local AWS cannot carry out this request: {what}"
    return error(protocol, 400, codes.get(protocol, "ValidationException"), message)


def _is_json_object(body: bytes) -> bool:
    try:
        return isinstance(json.loads(body), dict)
    except (ValueError, RecursionError):
        return False


def _plain(status: int, message: str) -> Answer:
    return status, "text/plain; charset=utf-8", f"{message}\n".encode()


def _signed_request(environ: dict[str, Any]) -> SignedRequest:
    path, _, query = environ["RAW_URI"].partition("?")

    def header(name: str) -> str:
        key = name.upper().replace("-", "_")
        value = environ.get(key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}", "")
        return str(value)

    return SignedRequest(
        environ["REQUEST_METHOD"],
        path,
        query,
        header,
        lambda: hashlib.sha256(_read_body(environ)).hexdigest(),
    )


def _read_body(environ: dict[str, Any]) -> bytes:
    """Return the body of a request, so that it can be read again."""
    length = environ.get("CONTENT_LENGTH") or "0"
    body: bytes = environ["wsgi.input"].read(int(length)) if length.isdecimal() else b""
    environ["wsgi.input"] = io.BytesIO(body)
    return body
