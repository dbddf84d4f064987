"""The durations of a definition (CacheConfig.ExpireAfter)."""

import re
from datetime import timedelta

_DURATION = re.compile(
    r"P?(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?"
)
_UNITS = [timedelta(days=days) for days in (365, 30, 7, 1)]
_UNITS += [timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)]


def duration(text: str) -> timedelta:
    """Parse an ISO 8601 duration. Like the SDK, accept it without P or in lower case (`p30d`).

    Raises ValueError for other forms.
    """
    match = _DURATION.fullmatch(str(text).upper())
    if not match or not any(match.groups()):
        raise ValueError(f"{text!r} is not an ISO 8601 duration, as P30D")
    return sum(
        (int(n or 0) * unit for n, unit in zip(match.groups(), _UNITS, strict=True)), timedelta()
    )
