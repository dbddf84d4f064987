"""The events of a CloudFormation stack, followed until an operation ends."""

import time
from collections.abc import Callable
from typing import Any

from local_aws import interrupts
from pipeline.terminal import say

POLL_SECONDS = 2.0

Event = dict[str, Any]
Sleep = Callable[[float], None]


class Events:
    """The events of a stack since the creation of this object, oldest first."""

    def __init__(self, cloudformation: Any, stack_id: str) -> None:
        self._cloudformation = cloudformation
        self._stack_id = stack_id  # a deleted stack is still found by its id
        self._last: str | None = None
        self.seen: list[Event] = []
        self.new()
        self.seen.clear()

    def new(self) -> list[Event]:
        """Return the events since the last call, oldest first."""
        found: list[Event] = []
        pages = self._cloudformation.get_paginator("describe_stack_events").paginate(
            StackName=self._stack_id
        )
        for event in (event for page in pages for event in page["StackEvents"]):
            if event["EventId"] == self._last:
                break
            found.insert(0, event)
        if found:
            self._last = found[-1]["EventId"]
        self.seen += found
        return found

    def failures(self) -> list[str]:
        """Return the resources that failed first, with reasons; else the reason of the rollback."""
        failed = [
            f"{event['LogicalResourceId']} ({event['ResourceType']}): "
            f"{event.get('ResourceStatusReason', 'no reason given')}"
            for event in self.seen
            if event["ResourceStatus"].endswith("_FAILED")
            and not _is_of_stack(event)
            # What was under way beside the first failure is stopped, and says just that.
            and "cancelled" not in event.get("ResourceStatusReason", "")
        ]
        return failed or [
            event["ResourceStatusReason"]
            for event in self.seen
            if _is_of_stack(event)
            and ("ROLLBACK" in event["ResourceStatus"] or "FAILED" in event["ResourceStatus"])
            and event.get("ResourceStatusReason")
        ]


def follow(events: Events, sleep: Sleep = time.sleep) -> str:
    """Wait for the end of an operation on a stack and print its events; return its status."""
    began = time.monotonic()
    try:
        while True:
            interrupts.check()
            for event in events.new():
                clock = time.strftime("%H:%M:%S", time.gmtime(time.monotonic() - began))
                status: str = event["ResourceStatus"]
                reason = event.get("ResourceStatusReason", "") if "FAILED" in status else ""
                say(f"{clock} {status:<18} {event['LogicalResourceId']}  {reason}".rstrip())
                if _is_of_stack(event) and not status.endswith("_IN_PROGRESS"):
                    return status
            sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        say("CloudFormation continues the operation without this command")
        raise


def report_failure(stack_name: str, events: Events, hint: str) -> None:
    """Print why an operation on a stack failed, then the hint, to stderr."""
    for failure in events.failures() or ["no reason given"]:
        say(f"error: stack {stack_name}: {failure}")
    say(f"hint: {hint}")


def _is_of_stack(event: Event) -> bool:
    return bool(event["PhysicalResourceId"] == event["StackId"])
