"""Checks of the definition: it is valid for SageMaker, and equals the deployed one."""

import difflib
import json
from typing import Any

from container.errors import InputError
from local_aws.definition.validation import problems
from local_aws.service_model import violations
from pipeline.checks.check import CheckWarning, settled
from pipeline.checks.run_context import RunContext, Services, known


def definition(_: Services, run: RunContext) -> str:
    """Check every name, length and value of the definition, and of the request that sends it."""
    content = settled(run.definition)
    request = {
        "PipelineName": run.settings.pipeline_name,
        "PipelineDefinition": json.dumps(content),
        "ClientRequestToken": "0" * 32,
        "RoleArn": known(run.stack, "stack").pipeline_role_arn,
    }
    found = [*problems(content), *violations("CreatePipeline", request)]
    if found:
        raise InputError(
            "; ".join(found), "correct the value in pipeline.yaml; SageMaker does not accept it"
        )
    return f"{len(content['Parameters'])} parameters, all names and values are legal"


def drift(services: Services, run: RunContext) -> str:
    """Compare the deployed pipeline with the definition, line by line."""
    name, here = run.settings.pipeline_name, known(run.definition, "definition")
    try:
        deployed = services.sagemaker.describe_pipeline(PipelineName=name)
    except services.sagemaker.exceptions.ResourceNotFound:
        return f"{name} is not deployed yet"
    there = json.loads(deployed["PipelineDefinition"])
    if there == here:
        return f"{name} is deployed with this definition"
    raise CheckWarning(
        f"the deployed {name} has another definition",
        ".venv/bin/python pipeline/upsert_and_start.py updates it",
        difference(there, here),
    )


def difference(there: dict[str, Any], here: dict[str, Any]) -> str:
    """Return a unified diff of the indented JSON of two definitions."""
    before, after = (json.dumps(each, indent=2).splitlines() for each in (there, here))
    lines = difflib.unified_diff(before, after, "deployed", "defined here", n=1, lineterm="")
    return "\n".join(lines)
