"""When a request was signed: AWS takes no signature of another time than its own.

Sources: "Troubleshoot Signature Version 4", IAM user guide; "RequestTimeTooSkewed", S3 API
reference, list of error codes.
"""

from datetime import UTC, datetime, timedelta

OLDEST = timedelta(minutes=15)
EARLIEST = timedelta(minutes=5)  # before its time
FORMAT = "%Y%m%dT%H%M%SZ"


def wrong_time(signed_at: str, now: datetime | None = None) -> str | None:
    """Return what AWS says of a signature's time (X-Amz-Date), or None when it is right."""
    now = now or datetime.now(UTC)
    signed = datetime.strptime(signed_at, FORMAT).replace(tzinfo=UTC)
    if signed < now - OLDEST:
        return f"Signature expired: {_ago(signed_at, 'earlier', now, -OLDEST)}"
    if signed > now + EARLIEST:
        return f"Signature not yet current: {_ago(signed_at, 'later', now, EARLIEST)}"
    return None


def _ago(signed_at: str, than: str, now: datetime, limit: timedelta) -> str:
    sign, still = ("-", "now") if limit < timedelta(0) else ("+", "still")
    minutes = abs(limit) // timedelta(minutes=1)
    return (
        f"{signed_at} is {still} {than} than {(now + limit).strftime(FORMAT)} "
        f"({now.strftime(FORMAT)} {sign} {minutes} min.)"
    )
