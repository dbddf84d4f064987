"""The API of models, made from a container or from a version in the model registry."""

from typing import Any

from local_aws.sagemaker.model import Model, ServedContainer, data_problem
from local_aws.sagemaker.resource_checks import ResourceChecks
from local_aws.sagemaker.supported import unsupported

from moto.core.responses import ActionResult, EmptyResult
from moto.sagemaker.exceptions import AWSValidationException


class ModelsApi(ResourceChecks):
    """The calls of the SageMaker API."""

    def create_model(self) -> ActionResult:
        """Check the role, the image and the data as AWS does, and store the model."""
        request = self._request()
        container = self._container(request)
        name = request["ModelName"]
        arn = self._arn_of(f"model/{name}")
        if name in self.state.models:
            raise AWSValidationException(f'Cannot create already existing model "{arn}".')
        role = request["ExecutionRoleArn"]
        self._check_role(role, f"model/{name}")
        self._check_image(container.image)
        if container.source:
            s3 = self.state.clients.as_role(role).client("s3")
            if problem := data_problem(s3, container.source, role):
                raise AWSValidationException(problem)
        self.state.models[name] = Model(arn, request, container)
        return ActionResult({"ModelArn": arn})

    def describe_model(self) -> ActionResult:
        """Answer with the model of the Create request."""
        return ActionResult(self._model(self._get_param("ModelName")).describe())

    def delete_model(self) -> ActionResult:
        """Delete a model, even if an endpoint serves it."""
        model = self._model(self._get_param("ModelName"))
        del self.state.models[model.name]
        self.state.tags.pop(model.arn, None)
        return EmptyResult()

    def list_models(self) -> ActionResult:
        """Answer with a page of models."""
        return self._list("Models", "Model", self.state.models)

    def _model(self, name: str) -> Model:
        if name not in self.state.models:
            raise AWSValidationException(f'Could not find model "{self._arn_of(f"model/{name}")}".')
        return self.state.models[name]

    def _container(self, request: dict[str, Any]) -> ServedContainer:
        """Return the container of a CreateModel request, or refuse the request."""
        given = [*([request["PrimaryContainer"]] if "PrimaryContainer" in request else [])]
        given += request.get("Containers", [])
        refused = unsupported("CreateModel", request)
        if len(given) != 1:
            refused.append(f"local AWS runs models of one container, not of {len(given)}")
        elif ("Image" in given[0]) == ("ModelPackageName" in given[0]):
            refused.append("Exactly one of Image and ModelPackageName must be given")
        if "ExecutionRoleArn" not in request:
            refused.append("ExecutionRoleArn is missing")
        self._refuse(refused)
        (definition,) = given
        if "Image" in definition:
            return ServedContainer.of(definition)
        package = self.sagemaker_backend.describe_model_package(definition["ModelPackageName"])
        containers = (package.inference_specification or {}).get("Containers", [])
        if len(containers) != 1:
            raise AWSValidationException(
                f"local AWS runs versions of one container; {package.arn} has {len(containers)}"
            )
        environment = {**containers[0].get("Environment", {}), **definition.get("Environment", {})}
        return ServedContainer.of({**containers[0], "Environment": environment})
