"""The start of a pipeline from its definition alone, with the roles and buckets that it names."""

import json
import re
from pathlib import Path
from typing import Any

from local_aws.buckets import create_bucket
from local_aws.clients import Clients
from local_aws.definition.parameters import parameter_values
from local_aws.errors import UserError
from local_aws.iam.users import EVERYTHING

from botocore.exceptions import ClientError

PIPELINE_ROLE = "local-aws-pipeline"
ROLE = re.compile(r"(arn:aws[a-z-]*:iam::)\d{12}(:role/[\w+=,.@/-]+)")
BUCKET = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])")
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": ["sagemaker.amazonaws.com", "lambda.amazonaws.com"]},
            "Action": "sts:AssumeRole",
        }
    ],
}


def start_definition(
    clients: Clients, path: Path, definition: dict[str, Any], parameters: list[dict[str, str]]
) -> str:
    """Create and start the pipeline, and return the ARN of the execution.

    Missing roles and buckets that the definition names are created. A role of another account is
    replaced by a role with the same name.

    Raises:
        UserError: The definition or the start is refused.
    """
    account = clients.client("sts").get_caller_identity()["Account"]
    own = ROLE.sub(rf"\g<1>{account}\g<2>", json.dumps([definition, parameters]))
    definition, parameters = json.loads(own)
    iam = clients.client("iam")
    for arn in sorted({match[0] for match in ROLE.finditer(own)}):
        _ensure_role(iam, arn.partition(":role/")[2])
    role_arn = _ensure_role(iam, PIPELINE_ROLE)
    s3 = clients.client("s3")
    for bucket in sorted(set(BUCKET.findall(own))):
        try:
            s3.head_bucket(Bucket=bucket)
        except ClientError:
            create_bucket(s3, bucket)
    name = re.sub(r"[^A-Za-z0-9]+", "-", path.stem).strip("-") or "pipeline"
    sagemaker = clients.client("sagemaker")
    try:
        sagemaker.create_pipeline(
            PipelineName=name, PipelineDefinition=json.dumps(definition), RoleArn=role_arn
        )
        answer: dict[str, str] = sagemaker.start_pipeline_execution(
            PipelineName=name, PipelineParameters=parameters
        )
    except ClientError as error:
        message = error.response["Error"]["Message"]
        raise UserError(f"{path}: {message}", "correct what makes the definition") from None
    return answer["PipelineExecutionArn"]


def read_parameters(definition: dict[str, Any], given: list[str]) -> list[dict[str, str]]:
    """Return the PipelineParameters for `NAME=VALUE` arguments.

    Raises:
        UserError: An argument has no value, or does not fit the definition.
    """
    found = []
    for text in given:
        name, sign, value = text.partition("=")
        if not sign:
            raise UserError(f"--parameter {text}: no value", "write --parameter NAME=VALUE")
        found.append({"Name": name, "Value": value})
    try:
        parameter_values(definition, found)
    except ValueError as error:
        names = ", ".join(each["Name"] for each in definition.get("Parameters", [])) or "none"
        raise UserError(str(error), f"give --parameter NAME=VALUE; the names: {names}") from None
    return found


def _ensure_role(iam: Any, place: str) -> str:
    """Return the ARN of the role with a path and name; create it if it does not exist."""
    path, _, name = f"/{place}".rpartition("/")
    try:
        role = iam.get_role(RoleName=name)["Role"]
    except iam.exceptions.NoSuchEntityException:
        document = json.dumps(TRUST)
        role = iam.create_role(RoleName=name, Path=f"{path}/", AssumeRolePolicyDocument=document)
        role = role["Role"]
        policy = json.dumps(EVERYTHING)
        iam.put_role_policy(RoleName=name, PolicyName="everything", PolicyDocument=policy)
    arn: str = role["Arn"]
    return arn
