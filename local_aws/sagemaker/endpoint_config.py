"""Endpoint configurations: the models and the instances of an endpoint.

Source: "CreateEndpointConfig" in the SageMaker API reference; "Deploy models with Amazon SageMaker
Serverless Inference" in the developer guide.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from local_aws.account.account import ENDPOINT, Usage
from local_aws.clock import now
from local_aws.definition.names import given_twice
from local_aws.sagemaker.job import without_tags
from local_aws.sagemaker.model import Model

SERVERLESS_STEP_MB = 1024  # MemorySizeInMB is a multiple of it


@dataclass(frozen=True)
class EndpointConfig:
    """A created endpoint configuration."""

    arn: str
    request: Mapping[str, Any]  # CreateEndpointConfig's
    created: datetime = field(default_factory=now)

    @property
    def name(self) -> str:
        """The EndpointConfigName."""
        return str(self.request["EndpointConfigName"])

    @property
    def variants(self) -> list[dict[str, Any]]:
        """The ProductionVariants."""
        return list(self.request["ProductionVariants"])

    @property
    def usage(self) -> list[Usage]:
        """The instances of the variants; a serverless variant has none."""
        counts: Counter[str] = Counter()
        for variant in self.variants:
            if "InstanceType" in variant:
                counts[variant["InstanceType"]] += variant["InitialInstanceCount"]
        return [Usage(ENDPOINT, *each) for each in counts.items()]

    def describe(self) -> dict[str, Any]:
        """Return the answer of DescribeEndpointConfig."""
        variants = [{"InitialVariantWeight": 1.0, **variant} for variant in self.variants]
        return {
            **without_tags(self.request),
            "ProductionVariants": variants,
            "EndpointConfigArn": self.arn,
            "CreationTime": self.created,
        }


def config_problems(request: Mapping[str, Any], models: Mapping[str, Model]) -> list[str]:
    """Return a line for each problem that CreateEndpointConfig refuses beyond its model."""
    variants = request["ProductionVariants"]
    names = [variant["VariantName"] for variant in variants]
    found = [f"Production variant {name} is given twice" for name in given_twice(names)]
    for variant in variants:
        serverless, name = variant.get("ServerlessConfig"), variant["VariantName"]
        if (serverless is None) == ("InstanceType" not in variant):
            found.append(f"{name}: exactly one of InstanceType and ServerlessConfig must be given")
        if "InstanceType" in variant and "InitialInstanceCount" not in variant:
            found.append(f"{name}: InitialInstanceCount is missing")
        if serverless is None:
            continue
        if serverless["MemorySizeInMB"] % SERVERLESS_STEP_MB:
            found.append(f"{name}: MemorySizeInMB must be a multiple of {SERVERLESS_STEP_MB}")
        if len(variants) > 1:
            found.append("a serverless endpoint has one production variant")
        if request.get("DataCaptureConfig", {}).get("EnableCapture"):
            found.append("a serverless endpoint captures no data")
        if request.get("KmsKeyId"):
            found.append("a serverless endpoint has no volume to encrypt: KmsKeyId")
        model = models[variant["ModelName"]]
        if model.isolated or "VpcConfig" in model.request:
            found.append(
                f"a serverless endpoint supports neither VpcConfig nor EnableNetworkIsolation of "
                f"its model ({model.name})"
            )
    return found
