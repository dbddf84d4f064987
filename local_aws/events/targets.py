"""Events of SageMaker on the default bus of EventBridge, and targets that moto lacks.

moto stores the rules and delivers to queues and log groups. Local AWS adds projects of CodeBuild:
it starts the build with the role of the target. Sources: "Amazon SageMaker AI events" and "Amazon
EventBridge targets" in the EventBridge user guide.
"""

import contextlib
import sys
import threading
import uuid
from datetime import UTC, datetime
from typing import Any

from local_aws.clients import Clients

from botocore.exceptions import ClientError
from moto.events.models import events_backends

MODEL_PACKAGE = "SageMaker Model Package State Change"


def publish(clients: Clients, arn: str, detail_type: str, detail: dict[str, Any]) -> None:
    """Send an event about the resource `arn`. The targets run in threads."""
    region, account = arn.split(":")[3:5]
    backend = events_backends[account][region]
    now = datetime.now(UTC)
    message: Any = {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": detail_type,
        "source": "aws.sagemaker",
        "account": account,
        "time": now.isoformat(timespec="seconds"),
        "ingestion-time": now.timestamp(),  # of moto's own, for its targets
        "region": region,
        "resources": [arn],
        "detail": detail,
    }
    for rule in backend.describe_event_bus("default").rules.values():
        if rule.state == "ENABLED" and rule.event_pattern.matches_event(message):
            projects = [target for target in rule.targets if ":project/" in target["Arn"]]
            for target in projects:
                threading.Thread(target=_start_build, args=(clients, target)).start()
            if not projects:
                with contextlib.suppress(NotImplementedError):  # a kind that moto does not know
                    rule.send_to_targets(message)


def _start_build(clients: Clients, target: dict[str, Any]) -> None:
    name = target["Arn"].rpartition(":project/")[2]
    try:
        as_role = clients.as_role(target["RoleArn"])
        as_role.client("codebuild").start_build(projectName=name)
    except ClientError as error:  # EventBridge tells nobody either, but there a metric counts it
        print(f"EventBridge: the build of {name} was not started: {error}", file=sys.stderr)
