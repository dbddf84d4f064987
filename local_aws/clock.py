"""The time, as the services write it."""

from datetime import UTC, datetime


def now() -> datetime:
    """Return the present time in UTC, with its zone."""
    return datetime.now(UTC)
