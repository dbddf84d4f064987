"""Start an execution, and follow it to its end or until Ctrl-C."""

import uuid
from typing import Any

from local_aws import interrupts
from pipeline.execution.progress import Follower
from pipeline.terminal import say

from botocore.exceptions import BotoCoreError, ClientError


def start_execution(sagemaker: Any, pipeline_name: str, parameters: dict[str, Any]) -> str:
    """Start an execution and return its ARN.

    The SDK's `start` is not used: it retries a denied request for two minutes.
    """
    started = sagemaker.start_pipeline_execution(
        PipelineName=pipeline_name,
        PipelineParameters=[
            {"Name": name, "Value": str(value)} for name, value in parameters.items()
        ],
        ClientRequestToken=uuid.uuid4().hex,
    )
    return str(started["PipelineExecutionArn"])


def follow(follower: Follower) -> bool:
    """Wait for the end, and return whether Ctrl-C asked for it. A second Ctrl-C leaves at once."""
    try:
        with interrupts.first_ctrl_c(follower.stop.set):
            follower.wait()
    except (BotoCoreError, ClientError):
        say("stopped following the execution, which continues", follower.console)
        raise
    return follower.stop.is_set()
