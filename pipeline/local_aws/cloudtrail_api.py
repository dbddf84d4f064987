"""The CloudTrail API of local AWS: LookupEvents, over the permissions that were asked for.

One event for each permission, not for each request, and also of reading and writing objects and
image layers, which AWS's LookupEvents leaves out.
"""

import json
from typing import Any, ClassVar

from pipeline.local_aws.authorization import Authorization, Call

from moto.cloudtrail.responses import CloudTrailResponse
from moto.core.responses import ActionResult

PAGE_SIZE = 50  # the largest; source: LookupEvents in the CloudTrail API reference


class LocalCloudTrail(CloudTrailResponse):
    """Made anew for each request; `authorization` is set once, when the server starts."""

    authorization: ClassVar[Authorization]

    def lookup_events(self) -> ActionResult:
        newest_first = list(self.authorization.calls)[::-1]
        begin = int(self._get_param("NextToken") or 0)
        end = begin + min(self._get_param("MaxResults") or PAGE_SIZE, PAGE_SIZE)
        answer: dict[str, Any] = {"Events": [_event(call) for call in newest_first[begin:end]]}
        return ActionResult(answer | ({"NextToken": str(end)} if end < len(newest_first) else {}))


def _event(call: Call) -> dict[str, Any]:
    service, _, operation = call.action.partition(":")
    record = {
        "userIdentity": {"arn": call.principal},
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
