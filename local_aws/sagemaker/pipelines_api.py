"""The API of pipelines: moto stores them, and local AWS checks definitions, also in S3."""

import json
from typing import Any

from local_aws.clock import now
from local_aws.definition.validation import parse_definition
from local_aws.sagemaker.requests import SageMakerRequests
from local_aws.sagemaker.supported import unsupported_steps

from botocore.exceptions import ClientError
from moto.core.responses import ActionResult
from moto.sagemaker.exceptions import AWSValidationException, ResourceNotFound

VERSIONS = ("PipelineVersionId", "PipelineVersionAlias", "PipelineVersionAliases")


class PipelinesApi(SageMakerRequests):
    """The operations on pipelines; moto stores the definitions."""

    def create_pipeline(self) -> ActionResult:
        """Create a pipeline with a valid definition; an equal token creates nothing new."""
        request = self._request()
        name, token = request["PipelineName"], ("CreatePipeline", request["ClientRequestToken"])
        with self.state.lock:
            if self.state.tokens.get(token) == name and name in self.sagemaker_backend.pipelines:
                return ActionResult({"PipelineArn": self._pipeline_arn(name)})
            self._check_pipeline()
            answer = super().create_pipeline()
            self.state.tokens[token] = name
            return answer

    def update_pipeline(self) -> ActionResult:
        """Replace the definition of a pipeline, if the new one is valid."""
        self._check_exists()
        self._check_pipeline()
        answer = super().update_pipeline()
        pipeline = self.sagemaker_backend.pipelines[self._get_param("PipelineName")]
        pipeline.last_modified_time = now()
        return answer

    def describe_pipeline(self) -> ActionResult:
        """Answer with a pipeline, without the user that moto invents."""
        self._refuse_versions()
        self._check_exists()
        answer: Any = super().describe_pipeline()
        for name in ("CreatedBy", "LastModifiedBy"):  # a user that nobody made
            del answer.result[name]
        return ActionResult(answer.result)

    def delete_pipeline(self) -> ActionResult:
        """Delete a pipeline. Raises ResourceNotFound for an unknown one."""
        self._check_exists()
        return super().delete_pipeline()

    def _get_param(self, param_name: str, if_none: Any = None) -> Any:
        """Return a member of the request; a pipeline's ARN becomes its name."""
        value = super()._get_param(param_name, if_none)
        return (
            value.rpartition(":pipeline/")[2] if param_name == "PipelineName" and value else value
        )

    def _pipeline_arn(self, name: str) -> str:
        return self._arn_of(f"pipeline/{name}")

    def _check_exists(self) -> None:
        """Raise AWS's error for an unknown pipeline; moto raises a validation error."""
        name = self._get_param("PipelineName")
        if name not in self.sagemaker_backend.pipelines:
            raise ResourceNotFound(f"Pipeline '{self._pipeline_arn(name)}' does not exist.")

    def _refuse_versions(self) -> None:
        for name in VERSIONS:
            if name in self._request():
                raise AWSValidationException(f"local AWS does not support {name}")

    def _check_pipeline(self) -> None:
        self._refuse_versions()
        request = self._request()
        if "PipelineDefinitionS3Location" in request:
            if "PipelineDefinition" in request:
                raise AWSValidationException(
                    "Only one of PipelineDefinition and PipelineDefinitionS3Location can be given"
                )
            location = request.pop("PipelineDefinitionS3Location")
            request["PipelineDefinition"] = self._stored_definition(location)
            self.body, self.params = json.dumps(request), request
        if "RoleArn" in request:
            self._check_role(request["RoleArn"], f"pipeline/{request['PipelineName']}")
        if "PipelineDefinition" in request:
            try:
                definition = parse_definition(request["PipelineDefinition"])
                if found := unsupported_steps(definition):
                    raise ValueError("; ".join(found))
            except ValueError as error:
                raise AWSValidationException(
                    f"Unable to parse pipeline definition: {error}"
                ) from None

    def _stored_definition(self, location: dict[str, str]) -> str:
        place = {"Bucket": location["Bucket"], "Key": location["ObjectKey"]}
        place |= {key: value for key, value in location.items() if key == "VersionId"}
        try:
            body: bytes = self.state.clients.client("s3").get_object(**place)["Body"].read()
            return body.decode()
        except (ClientError, UnicodeDecodeError) as error:
            raise AWSValidationException(
                f"Unable to read s3://{place['Bucket']}/{place['Key']}: {error}"
            ) from None
