"""The API of endpoints and their configurations. It replaces moto's, which serve no requests."""

from typing import Any

from local_aws.sagemaker.endpoint import Endpoint
from local_aws.sagemaker.endpoint_config import EndpointConfig, config_problems
from local_aws.sagemaker.model import Model
from local_aws.sagemaker.supported import unsupported
from local_aws.sagemaker.transform_api import TransformApi

from moto.core.responses import ActionResult, EmptyResult
from moto.sagemaker.exceptions import AWSValidationException


class EndpointsApi(TransformApi):
    """The calls of the SageMaker API."""

    def create_endpoint_config(self) -> ActionResult:
        """Check the variants as AWS does, and store the configuration."""
        request = self._request()
        self._refuse(unsupported("CreateEndpointConfig", request))
        variants = request["ProductionVariants"]
        names = [each["VariantName"] for each in variants if "ModelName" not in each]
        self._refuse([f"local AWS does not support a variant without a model: {n}" for n in names])
        models = self._models_of(variants)
        self._refuse(config_problems(request, models))
        name = request["EndpointConfigName"]
        arn = self._arn_of(f"endpoint-config/{name}")
        if name in self.state.endpoint_configs:
            raise AWSValidationException(
                f'Cannot create already existing endpoint configuration "{arn}".'
            )
        self.state.endpoint_configs[name] = EndpointConfig(arn, request)
        return ActionResult({"EndpointConfigArn": arn})

    def describe_endpoint_config(self) -> ActionResult:
        """Answer with the configuration of the Create request."""
        return ActionResult(self._config().describe())

    def delete_endpoint_config(self) -> ActionResult:
        """Delete a configuration, even if an endpoint uses it."""
        config = self._config()
        del self.state.endpoint_configs[config.name]
        self.state.tags.pop(config.arn, None)
        return EmptyResult()

    def list_endpoint_configs(self) -> ActionResult:
        """Answer with a page of configurations."""
        return self._list("EndpointConfigs", "EndpointConfig", self.state.endpoint_configs)

    def create_endpoint(self) -> ActionResult:
        """Start the model servers in a thread; until then, the endpoint is Creating."""
        request = self._request()
        self._check_throttling()
        self._refuse(unsupported("CreateEndpoint", request))
        config, name = self._config(), request["EndpointName"]
        models = self._models_of(config.variants)
        arn = self._arn_of(f"endpoint/{name}")
        if name in self.state.endpoints:
            raise AWSValidationException(f'Cannot create already existing endpoint "{arn}".')
        self._check_room(config)
        endpoint = self.state.endpoints[name] = Endpoint(request, arn, self.state)
        endpoint.deploy(config, models, **_details(request))
        return ActionResult({"EndpointArn": arn})

    def update_endpoint(self) -> ActionResult:
        """Start the servers of another configuration; the old ones answer until then."""
        request = self._request()
        self._check_throttling()
        self._refuse(unsupported("UpdateEndpoint", request))
        endpoint = self._settled_endpoint()
        if endpoint.status == "Failed":
            raise AWSValidationException(
                f'Cannot update failed endpoint "{endpoint.arn}": it can only be deleted.'
            )
        config = self._config()
        self._check_room(config)
        endpoint.deploy(config, self._models_of(config.variants), **_details(request))
        return ActionResult({"EndpointArn": endpoint.arn})

    def describe_endpoint(self) -> ActionResult:
        """Answer with the endpoint's status and variants."""
        return ActionResult(self._endpoint().describe())

    def delete_endpoint(self) -> ActionResult:
        """Stop the servers and delete the endpoint in a thread."""
        endpoint, state = self._settled_endpoint(), self.state

        def forget() -> None:
            del state.endpoints[endpoint.name]
            state.tags.pop(endpoint.arn, None)

        endpoint.delete(forget)
        return EmptyResult()

    def list_endpoints(self) -> ActionResult:
        """Answer with a page of endpoints."""
        return self._list("Endpoints", "Endpoint", self.state.endpoints)

    def update_endpoint_weights_and_capacities(self) -> ActionResult:
        """Change the variants' shares of the traffic; instance counts have no effect."""
        request = self._request()
        self._refuse(unsupported("UpdateEndpointWeightsAndCapacities", request))
        endpoint = self._settled_endpoint()
        wanted = request["DesiredWeightsAndCapacities"]
        weights = {e["VariantName"]: e["DesiredWeight"] for e in wanted if "DesiredWeight" in e}
        try:
            endpoint.set_weights(weights)
        except KeyError as error:
            raise AWSValidationException(f"Could not find production variant {error}") from None
        return ActionResult({"EndpointArn": endpoint.arn})

    def _check_room(self, config: EndpointConfig) -> None:
        for wanted in config.usage:
            self._check_instances(wanted)

    def _models_of(self, variants: list[dict[str, Any]]) -> dict[str, Model]:
        return {variant["ModelName"]: self._model(variant["ModelName"]) for variant in variants}

    def _config(self) -> EndpointConfig:
        name = self._get_param("EndpointConfigName")
        if name not in self.state.endpoint_configs:
            arn = self._arn_of(f"endpoint-config/{name}")
            raise AWSValidationException(f'Could not find endpoint configuration "{arn}".')
        return self.state.endpoint_configs[name]

    def _endpoint(self) -> Endpoint:
        name = self._get_param("EndpointName")
        if name not in self.state.endpoints:
            arn = self._arn_of(f"endpoint/{name}")
            raise AWSValidationException(f'Could not find endpoint "{arn}".')
        return self.state.endpoints[name]

    def _settled_endpoint(self) -> Endpoint:
        endpoint = self._endpoint()
        if endpoint.in_progress:
            raise AWSValidationException(f'Cannot update in-progress endpoint "{endpoint.arn}".')
        return endpoint


def _details(request: dict[str, Any]) -> dict[str, Any]:
    config = request.get("DeploymentConfig")
    return {"LastDeploymentConfig": config} if config else {}
