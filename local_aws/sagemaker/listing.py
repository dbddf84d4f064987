"""The filters and the order of the List calls."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

TIMES = ("CreationTime", "LastModifiedTime")


def listed(
    resources: Sequence[Mapping[str, Any]], kind: str, request: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return the resources that a List request selects, newest first by default.

    Args:
        resources: The answers of Describe.
        kind: The prefix of the members: `Endpoint` for `EndpointName` and `EndpointStatus`.
        request: The List request.
    """
    name, status = f"{kind}Name", f"{kind}Status"
    found = [
        dict(each)
        for each in resources
        if request.get("NameContains", "").lower() in each[name].lower()
        and request.get("StatusEquals", each.get(status)) == each.get(status)
        and all(_within(each.get(time), time, request) for time in TIMES)
    ]
    by = {"Name": name, "Status": status}.get(request.get("SortBy", ""), "CreationTime")
    descending = request.get("SortOrder", "Descending") == "Descending"
    return sorted(found, key=lambda each: each[by], reverse=descending)


def _within(value: datetime | None, time: str, request: Mapping[str, Any]) -> bool:
    after, before = request.get(f"{time}After"), request.get(f"{time}Before")
    if value is None:
        return True
    seconds = value.timestamp()
    return (after is None or seconds > after) and (before is None or seconds < before)
