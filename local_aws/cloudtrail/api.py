"""The CloudTrail API of local AWS: LookupEvents returns the permissions that were requested.

There is one event for each permission, not for each request. Unlike on AWS, there are also events
for reading and writing objects and image layers.
"""

import json
from typing import Any, ClassVar

from local_aws.iam.authorization import Authorization, Call

from moto.cloudtrail.responses import CloudTrailResponse
from moto.core.exceptions import JsonRESTError
from moto.core.responses import ActionResult

PAGE_SIZE = 50  # the largest; source: LookupEvents in the CloudTrail API reference


class LocalCloudTrail(CloudTrailResponse):
    """Made anew for each request; `authorization` is set once, when the server starts."""

    authorization: ClassVar[Authorization]

    def lookup_events(self) -> ActionResult:
        """Answer with the newest events first.

        A token is the number of older events, so new events do not shift it.
        """
        calls = list(self.authorization.calls)
        token = self._get_param("NextToken") or str(len(calls))
        if not token.isdecimal():
            raise JsonRESTError("InvalidNextTokenException", f"Invalid NextToken: {token!r}")
        end = int(token)
        begin = max(end - min(self._get_param("MaxResults") or PAGE_SIZE, PAGE_SIZE), 0)
        since = self._get_param("StartTime") or 0  # seconds since 1970
        page = [call for call in calls[begin:end] if call.time.timestamp() >= since]
        more = begin > 0 and len(page) == end - begin
        answer: dict[str, Any] = {"Events": [_event(call) for call in reversed(page)]}
        return ActionResult(answer | ({"NextToken": str(begin)} if more else {}))


def _event(call: Call) -> dict[str, Any]:
    service, _, operation = call.action.partition(":")
    record = {
        "userIdentity": {"arn": call.principal},
        "eventTime": call.time.isoformat(),
        "eventSource": f"{service}.amazonaws.com",
        "eventName": operation,
        "resources": [{"ARN": call.resource}],
        **({} if call.allowed else {"errorCode": "AccessDenied"}),
    }
    return {
        "EventName": operation,
        "EventSource": record["eventSource"],
        "EventTime": call.time,
        "Username": call.principal.rpartition("/")[2],
        "Resources": [{"ResourceName": call.resource}],
        "CloudTrailEvent": json.dumps(record),
    }
