"""The SageMaker Runtime API: InvokeEndpoint calls the model server of an endpoint.

Source: "InvokeEndpoint" in the SageMaker Runtime API reference. The messages are from public
reports, for example aws/amazon-sagemaker-examples issues 293 and 407.
"""

import json
from typing import Any, ClassVar

from local_aws.sagemaker.endpoint import NotInService
from local_aws.sagemaker.fleet import Busy
from local_aws.sagemaker.model_server import NoResponse
from local_aws.sagemaker.state import BackendState

from moto.core.common_types import TYPE_RESPONSE
from moto.sagemakerruntime.responses import SageMakerRuntimeResponse

LARGEST_BODY = 6 * 2**20  # bytes of a request to an endpoint on instances
LARGEST_SERVERLESS_BODY = 4 * 2**20
TOO_LONG = (
    "1 validation error detected: Value at 'body' failed to satisfy constraint: Member must have "
    "length less than or equal to"
)
LARGEST_MESSAGE = 4000  # characters of the container's answer, in an error
CUSTOM_ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
TARGET_VARIANT = "X-Amzn-SageMaker-Target-Variant"
VARIANT = "x-Amzn-Invoked-Production-Variant"
RESPONSE_STREAM = "{0}/endpoints/(?P<name>[^/]+)/invocations-response-stream$"  # as moto's urls
OPERATIONS = {  # by the end of their paths
    "invocations": "InvokeEndpoint",
    "async-invocations": "InvokeEndpointAsync",
    "invocations-response-stream": "InvokeEndpointWithResponseStream",
}
UNSUPPORTED = {  # headers that would change the answer
    "X-Amzn-SageMaker-Target-Model": "TargetModel",
    "X-Amzn-SageMaker-Target-Container-Hostname": "TargetContainerHostname",
    "X-Amzn-SageMaker-Enable-Explanations": "EnableExplanations",
    "X-Amzn-SageMaker-Inference-Component": "InferenceComponentName",
    "X-Amzn-SageMaker-Session-Id": "SessionId",
}


class LocalSageMakerRuntime(SageMakerRuntimeResponse):
    """The API. moto creates an object for each request; the server sets `state`."""

    state: ClassVar[BackendState]

    def setup_class(
        self,
        request: Any,
        full_url: str | None = None,
        headers: Any = None,
        use_raw_body: bool | None = None,  # noqa: ARG002 - moto's signature
    ) -> None:
        """Keep the body as bytes, because it may not be text."""
        body = request.get_data(parse_form_data=False, cache=True)
        super().setup_class(request, full_url, headers, use_raw_body=True)
        self.body = body

    def invoke_endpoint(self) -> TYPE_RESPONSE:
        """Send the request to the model server of a variant.

        Errors of the server become ModelError, as on AWS.
        """
        name = self._name()
        for header, member in UNSUPPORTED.items():
            if header in self.headers:
                return _error("ValidationError", f"local AWS does not support {member}")
        try:
            with self.state.endpoints[name].answering(self.headers.get(TARGET_VARIANT)) as chosen:
                variant, server = chosen
                serverless = "ServerlessConfig" in variant.request
                largest = LARGEST_SERVERLESS_BODY if serverless else LARGEST_BODY
                if len(self.body) > largest:
                    return _error("ValidationError", f"{TOO_LONG} {largest}")
                sent = ("Content-Type", "Accept", CUSTOM_ATTRIBUTES)
                headers = {key: self.headers[key] for key in sent if key in self.headers}
                answer = server.invoke(self.body, headers)
        except (KeyError, NotInService) as missing:
            of_variant = isinstance(missing, KeyError) and name in self.state.endpoints
            variant_name = self.headers.get(TARGET_VARIANT)
            what = f"Variant {variant_name} of endpoint" if of_variant else "Endpoint"
            text = f"{what} {name} of account {self.current_account} not found."
            return _error("ValidationError", text)
        except Busy:
            return _error("ThrottlingException", "Rate exceeded")
        except NoResponse as error:
            return self._model_error(name, 0, str(error))
        if answer.status != 200:
            text = answer.body.decode("utf-8", "replace")[:LARGEST_MESSAGE]
            return self._model_error(name, answer.status, text)
        kept = {"Content-Type": answer.headers.get("content-type", ""), VARIANT: variant.name}
        if CUSTOM_ATTRIBUTES.lower() in answer.headers:
            kept[CUSTOM_ATTRIBUTES] = answer.headers[CUSTOM_ATTRIBUTES.lower()]
        return 200, kept, answer.body

    def invoke_endpoint_with_response_stream(self) -> TYPE_RESPONSE:
        """Refuse: local AWS does not support it."""
        return _error(
            "ValidationError", "local AWS does not support InvokeEndpointWithResponseStream"
        )

    def invoke_endpoint_async(self) -> TYPE_RESPONSE:
        """Refuse: local AWS does not support it."""
        return _error("ValidationError", "local AWS does not support InvokeEndpointAsync")

    def _get_action(self) -> str:
        """Return the operation by the path; moto would parse the body of a form."""
        return OPERATIONS[self.path.rpartition("/")[2]]

    def _determine_resource(self) -> str:
        place = f"{self.region}:{self.current_account}:endpoint/{self._name()}"
        return f"arn:{self.partition}:sagemaker:{place}"

    def _name(self) -> str:
        return str(self.path.split("/")[2])

    def _model_error(self, name: str, status: int, message: str) -> TYPE_RESPONSE:
        whose = "client" if 400 <= status < 500 else "server"
        group = self.state.endpoints[name].log_group if name in self.state.endpoints else ""
        console = f"https://{self.region}.console.aws.amazon.com/cloudwatch/home"
        text = (
            f'Received {whose} error ({status}) from primary with message "{message}". See '
            f"{console}?region={self.region}#logEventViewer:group={group} in account "
            f"{self.current_account} for more information."
        )
        stream = f"arn:{self.partition}:logs:{self.region}:{self.current_account}:log-group:{group}"
        more = {"OriginalStatusCode": status, "OriginalMessage": message, "LogStreamArn": stream}
        return _error("ModelError", text, 424, **more)


def _error(code: str, message: str, status: int = 400, **members: Any) -> TYPE_RESPONSE:
    headers = {"x-amzn-ErrorType": code, "Content-Type": "application/json", "status": str(status)}
    return status, headers, json.dumps({"Message": message, "message": message, **members})
