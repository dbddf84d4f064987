"""Verification of Signature Version 4: the key that signed a request, and its integrity.

Sources: "AWS Signature Version 4 for API requests" and "Troubleshoot Signature Version 4 signed
requests", IAM user guide; "Authenticating requests (AWS Signature Version 4)" and "Signing and
authenticating REST requests" (version 2, of presigned URLs), S3 API reference.
"""

import base64
import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, quote

from local_aws.clock import now
from local_aws.iam.signing_time import FORMAT, wrong_time
from local_aws.partitions import bucket_in

ALGORITHM = "AWS4-HMAC-SHA256"

# What is wrong with a request; each protocol has its own code for it.
MISSING, INCOMPLETE, UNKNOWN_KEY, WRONG_TOKEN, MISMATCH, UNTIMELY = (
    "missing",
    "incomplete",
    "key",
    "token",
    "mismatch",
    "time",
)

SecretOf = Callable[[str, str | None], str]  # access key, session token -> secret


class SignatureRefused(Exception):
    """A request without a valid signature."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason  # one of the reasons above


@dataclass(frozen=True)
class SignedRequest:
    """The parts of a request that a signature covers, in their form on the wire."""

    method: str
    path: str  # still percent-encoded
    query: str  # without the question mark
    header: Callable[[str], str]  # lower-case name -> value, or an empty text
    body_sha256: Callable[[], str]
    parameters: Mapping[str, list[str]] = field(init=False)

    def __post_init__(self) -> None:
        parsed = parse_qs(self.query, keep_blank_values=True)
        object.__setattr__(self, "parameters", parsed)

    def parameter(self, name: str) -> str:
        """Return a parameter of the query, or an empty string."""
        return self.parameters.get(name, [""])[0]

    @property
    def service(self) -> str:
        """The signing name of the service, if the request has it."""
        fields = dict(_fields(self.header("authorization")))
        scope = fields.get("Credential") or self.parameter("X-Amz-Credential")
        return scope.split("/")[3] if scope.count("/") == 4 else ""


def verify(request: SignedRequest, secret_of: SecretOf) -> str:
    """Return the access key that signed `request`.

    Raises:
        SignatureRefused: The signature is missing or wrong, or its key is unknown.
    """
    if request.header("authorization").startswith(ALGORITHM):
        return _verify_header(request, secret_of)
    if request.parameter("X-Amz-Algorithm") == ALGORITHM:
        return _verify_presigned(request, secret_of)
    if request.parameter("AWSAccessKeyId") and request.parameter("Signature"):
        return _verify_version_2(request, secret_of)
    raise SignatureRefused(MISSING, "Missing Authentication Token: the request is not signed")


def _verify_header(request: SignedRequest, secret_of: SecretOf) -> str:
    header = request.header("authorization")
    fields = dict(_fields(header))
    if " " in (credential := fields.get("Credential", "")):
        raise SignatureRefused(
            INCOMPLETE,
            f"'{credential.rpartition(' ')[2]}' not a valid key=value pair (missing equal-sign) in "
            f"Authorization header: '{header}'.",
        )
    signed_at = request.header("x-amz-date")
    payload = request.header("x-amz-content-sha256") or request.body_sha256()
    _check_time(wrong_time, signed_at)
    token = request.header("x-amz-security-token") or None
    given = (fields.get("Credential", ""), fields.get("SignedHeaders", ""))
    key, calculated = _signature(request, *given, signed_at, payload, token, secret_of)
    _compare(calculated, fields.get("Signature", ""))
    return key


def _verify_presigned(request: SignedRequest, secret_of: SecretOf) -> str:
    signed_at, seconds = request.parameter("X-Amz-Date"), request.parameter("X-Amz-Expires")
    _check_time(lambda at: _expired(at, seconds), signed_at)
    payload = "UNSIGNED-PAYLOAD" if request.service == "s3" else request.body_sha256()
    token = request.parameter("X-Amz-Security-Token") or None
    given = (request.parameter("X-Amz-Credential"), request.parameter("X-Amz-SignedHeaders"))
    key, calculated = _signature(request, *given, signed_at, payload, token, secret_of)
    _compare(calculated, request.parameter("X-Amz-Signature"))
    return key


def _verify_version_2(request: SignedRequest, secret_of: SecretOf) -> str:
    """Verify a presigned URL of S3 in the form that boto3 uses for endpoints outside AWS."""
    key, expires = request.parameter("AWSAccessKeyId"), request.parameter("Expires")
    if not expires.isdecimal() or int(expires) < time.time():
        raise SignatureRefused(UNTIMELY, "Request has expired")
    token = request.parameter("x-amz-security-token") or None
    # Of the query, subresources are signed; a presigned GET or PUT has none but these.
    kept = [f"x-amz-security-token:{token}\n"] if token else []
    lines = [request.method, request.header("content-md5"), request.header("content-type"), expires]
    bucket = bucket_in(request.header("host").lower())  # signed as part of the path
    path = f"/{bucket}{request.path}" if bucket else request.path
    text = "\n".join([*lines, "".join(kept) + path])
    digest = hmac.new(secret_of(key, token).encode(), text.encode(), hashlib.sha1).digest()
    _compare(base64.b64encode(digest).decode(), request.parameter("Signature"))
    return key


def _signature(
    request: SignedRequest,
    credential: str,
    signed_headers: str,
    signed_at: str,
    payload: str,
    token: str | None,
    secret_of: SecretOf,
) -> tuple[str, str]:
    """Return the access key and the correct signature."""
    key, _, scope = credential.partition("/")
    if scope.count("/") != 3:
        raise SignatureRefused(MISSING, "Credential must have 5 parts: <key>/<date>/<region>/...")
    date, region, service, end = scope.split("/")
    pairs = [pair.partition("=") for pair in request.query.split("&") if pair]
    query = sorted((name, value) for name, _, value in pairs if name != "X-Amz-Signature")
    headers = [
        f"{name}:{' '.join(request.header(name).split())}\n" for name in signed_headers.split(";")
    ]
    canonical = "\n".join(
        [
            request.method,
            request.path if service == "s3" else quote(request.path, safe="/~"),
            "&".join(f"{name}={value}" for name, value in query),
            "".join(headers),
            signed_headers,
            payload,
        ]
    )
    digest = hashlib.sha256(canonical.encode("latin-1", "replace")).hexdigest()
    signing_key = f"AWS4{secret_of(key, token)}".encode()
    for part in (date, region, service, end):
        signing_key = hmac.new(signing_key, part.encode(), hashlib.sha256).digest()
    text = "\n".join([ALGORITHM, signed_at, scope, digest])
    return key, hmac.new(signing_key, text.encode(), hashlib.sha256).hexdigest()


def _compare(calculated: str, given: str) -> None:
    if not hmac.compare_digest(calculated.encode(), given.encode()):
        raise SignatureRefused(
            MISMATCH,
            "The request signature we calculated does not match the signature you provided. Check "
            "your AWS Secret Access Key and signing method. Consult the service documentation for "
            "details.",
        )


def _check_time(problem: Callable[[str], str | None], signed_at: str) -> None:
    try:
        late = problem(signed_at)
    except ValueError:
        late = f"Date must be in ISO-8601 'basic format'. Got '{signed_at}'."
    if late:
        raise SignatureRefused(UNTIMELY, late)


def _expired(signed_at: str, seconds: str) -> str | None:
    signed = datetime.strptime(signed_at, FORMAT).replace(tzinfo=UTC)
    over = now() > signed + timedelta(seconds=int(seconds))
    return "Request has expired" if over else None


def _fields(authorization: str) -> list[tuple[str, str]]:
    parts = authorization.removeprefix(ALGORITHM).split(",")
    return [(name.strip(), value.strip()) for name, _, value in (p.partition("=") for p in parts)]
