"""Lambda steps: a function that is invoked with the pipeline's role."""

import json
from typing import Any

from local_aws.sagemaker.steps.outputs import as_listed, output_parameters
from local_aws.sagemaker.steps.step_run import StepFailed, StepRun


def invoke_function(step: StepRun) -> dict[str, Any]:
    """Invoke the function, and return the OutputParameters of its answer.

    As on AWS, an execution that is being stopped waits for the end of the function.
    """
    arn = step.resolve(step.definition["FunctionArn"])
    step.update(Metadata={"Lambda": {"Arn": arn, "OutputParameters": []}})
    payload = json.dumps(step.arguments).encode()
    answer = step.call("lambda", "invoke", FunctionName=arn, Payload=payload)
    result = json.loads(answer["Payload"].read() or b"null")
    if "FunctionError" in answer:
        said = f"{result.get('errorType')}: {result.get('errorMessage')}"
        raise StepFailed(f"ClientError: the Lambda function {arn} failed: {said}")
    outputs = output_parameters(step, result if isinstance(result, dict) else {})
    step.update(Metadata={"Lambda": {"Arn": arn, "OutputParameters": as_listed(outputs)}})
    return {"OutputParameters": outputs}
