"""Callback steps: a message to a queue, and the wait for an answer."""

import json
from typing import Any

from local_aws.sagemaker.steps.outputs import as_listed, output_parameters
from local_aws.sagemaker.steps.step_run import POLL_SECONDS, StepFailed, StepRun, Stopped


def wait_for_callback(step: StepRun) -> dict[str, Any]:
    """Send the message, and return the OutputParameters of the answer.

    When the execution is stopped, the step sends another message and still waits for the answer.
    Source: StopPipelineExecution, SageMaker API reference.
    """
    url = step.resolve(step.definition["SqsQueueUrl"])
    callback = step.callbacks.open(step.execution_arn)
    metadata = {"CallbackToken": callback.token, "SqsQueueUrl": url}
    step.update(Metadata={"Callback": metadata | {"OutputParameters": []}})

    def send(status: str) -> None:
        message = {
            "token": callback.token,
            "pipelineExecutionArn": step.execution_arn,
            "stepName": step.name,
            "arguments": step.arguments,
            "status": status,
        }
        step.call("sqs", "send_message", QueueUrl=url, MessageBody=json.dumps(message))

    try:
        send("Executing")
        waited, told = 0.0, False
        while not callback.answered.is_set():
            if step.is_ending():
                raise Stopped
            if step.is_stopping() and not told:
                send("Stopping")
                told = True
            if waited >= step.callbacks.longest_seconds:
                raise StepFailed("ClientError: the callback was not answered in time")
            step.sleep(POLL_SECONDS)
            waited += POLL_SECONDS
    finally:
        step.callbacks.close(callback)
    if callback.failure is not None:
        raise StepFailed(f"ClientError: {callback.failure or 'the callback reports a failure'}")
    outputs = output_parameters(step, callback.outputs)
    step.update(Metadata={"Callback": metadata | {"OutputParameters": as_listed(outputs)}})
    return {"OutputParameters": outputs}
