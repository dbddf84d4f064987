"""The handlers of all step types, with caching and retry policies."""

import math
from collections.abc import Callable
from typing import Any

from local_aws.sagemaker.step_cache import StepCache
from local_aws.sagemaker.steps.callback_step import wait_for_callback
from local_aws.sagemaker.steps.decisions import decide, fail
from local_aws.sagemaker.steps.jobs import property_files, run_job
from local_aws.sagemaker.steps.lambda_step import invoke_function
from local_aws.sagemaker.steps.models import create_model, register_model
from local_aws.sagemaker.steps.step_run import StepFailed, StepRun

HANDLERS: dict[str, Callable[[StepRun], dict[str, Any]]] = {
    "Training": run_job,
    "Processing": run_job,
    "Transform": run_job,
    "Tuning": run_job,
    "Model": create_model,
    "RegisterModel": register_model,
    "Lambda": invoke_function,
    "Callback": wait_for_callback,
    "Condition": decide,
    "Fail": fail,
}


def run_step(step: StepRun, cache: StepCache) -> dict[str, Any]:
    """Run a step, and return its properties, to which other steps can refer.

    Raises:
        StepFailed: The step failed, and no retry policy applies.
        Stopped: The execution is being stopped.
    """
    if not step.type.cache_key:
        return _with_retries(step)
    caching = step.definition.get("CacheConfig", {})
    key = StepCache.key(step.execution_arn, step.resolve(step.definition))
    hit = cache.find(key, caching.get("ExpireAfter")) if caching.get("Enabled") else None
    if hit:
        found = {"SourcePipelineExecutionArn": hit.execution_arn}
        step.update(CacheHitResult=found, Metadata=hit.metadata)
        properties = hit.properties
    else:
        properties = _with_retries(step)
        cache.store(key, step.execution_arn, step.record["Metadata"], properties)
    files = property_files(step, properties)
    return properties | ({"PropertyFiles": files} if files else {})


def _with_retries(step: StepRun) -> dict[str, Any]:
    handler, waited = HANDLERS[step.definition["Type"]], 0.0
    while True:
        try:
            return handler(step)
        except StepFailed as error:
            policy = _policy_for(error, step.definition.get("RetryPolicies", []))
            attempts = step.record["AttemptCount"]
            if policy is None or attempts > policy.get("MaxAttempts", attempts):
                raise
            backoff = policy.get("BackoffRate", 2.0) ** (attempts - 1)
            pause = policy.get("IntervalSeconds", 1) * backoff
            waited += pause
            if waited > policy.get("ExpireAfterMin", math.inf) * 60:
                raise
            step.wait(pause)
            step.update(AttemptCount=attempts + 1)


def _policy_for(error: StepFailed, policies: list[dict[str, Any]]) -> dict[str, Any] | None:
    return next((policy for policy in policies if error.kind in policy["ExceptionType"]), None)
