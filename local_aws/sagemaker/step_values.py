"""The values of a definition's expressions in one execution."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from local_aws.clock import now
from local_aws.definition.expressions import Reference, parse_json_path, resolve, select
from local_aws.sagemaker.s3 import split_uri

from botocore.exceptions import ClientError


class StepValues:
    """The parameters, the variables, and the results of ended steps."""

    def __init__(self, execution_arn: str, parameters: Mapping[str, Any]) -> None:
        self.started = now()
        self.parameters = parameters
        self.results: dict[str, dict[str, Any]] = {}  # step name -> its properties
        self._arn = execution_arn

    def resolve(self, value: Any, client: Callable[[str], Any]) -> Any:
        """Replace every expression in a value; read files with the S3 client.

        Raises ValueError for an expression without a value.
        """
        return resolve(value, self._look_up, lambda uri, path: _read_json(client("s3"), uri, path))

    def _look_up(self, reference: Reference) -> Any:
        name, *path = reference.path
        if reference.kind == "Parameters":
            return self.parameters[str(name)]
        if reference.kind == "Execution":
            pipeline_arn, _, identity = self._arn.rpartition("/execution/")
            variables = {
                "PipelineName": pipeline_arn.rpartition("/")[2],
                "PipelineArn": pipeline_arn,
                "PipelineExecutionId": identity,
                "PipelineExecutionArn": self._arn,
                "StartDateTime": self.started.isoformat(),
                "CurrentDateTime": now().isoformat(),
            }
            if name not in variables:
                raise ValueError(f"{reference.text} is not supported")
            return variables[str(name)]
        if name not in self.results:
            raise ValueError(f"{reference.text}: the step has no result")
        try:
            return select(self.results[str(name)], tuple(path))
        except ValueError as error:
            raise ValueError(f"{reference.text}: {error}") from None


def _read_json(s3: Any, uri: Any, path: str) -> Any:
    bucket, key = split_uri(str(uri))
    try:
        body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        return select(json.loads(body), parse_json_path(path))
    except ClientError as error:
        raise ValueError(f"{uri}: {error.response['Error']['Message']}") from None
    except ValueError as error:
        raise ValueError(f"{uri}: {path}: {error}") from None
