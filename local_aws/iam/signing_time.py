"""The time of a signature, which AWS refuses if it differs too much from its own time.

Sources: "Troubleshoot Signature Version 4", IAM user guide; "RequestTimeTooSkewed", S3 API
reference, list of error codes.
"""

from datetime import UTC, datetime, timedelta

OLDEST = timedelta(minutes=15)
EARLIEST = timedelta(minutes=5)  # before its time
FORMAT = "%Y%m%dT%H%M%SZ"


def wrong_time(signed_at: str, now: datetime | None = None) -> str | None:
    """Return AWS's message about a wrong signing time (X-Amz-Date), or None if it is right."""
    now = now or datetime.now(UTC)
    signed = datetime.strptime(signed_at, FORMAT).replace(tzinfo=UTC)
    oldest, latest = (f"{limit:{FORMAT}}" for limit in (now - OLDEST, now + EARLIEST))
    if signed < now - OLDEST:
        late = f"{signed_at} is now earlier than {oldest} ({now:{FORMAT}} - 15 min.)"
        return f"Signature expired: {late}"
    if signed > now + EARLIEST:
        early = f"{signed_at} is still later than {latest} ({now:{FORMAT}} + 5 min.)"
        return f"Signature not yet current: {early}"
    return None
