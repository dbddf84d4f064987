"""botocore's models of the APIs, used to find requests that AWS would refuse.

Before a request, botocore checks required members, types and some minima. It does not check
patterns, enumerations and maxima, which are in the same model.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

from local_aws.api_models import LOADER

import regex  # the patterns hold classes such as \p{L}, which `re` does not know
from botocore.model import ServiceModel

# Stands for a value that is known only when the pipeline runs: never a violation.
UNKNOWN: Any = object()


@cache
def service_model(service: str) -> ServiceModel:
    """Return the model of a service by its name in boto3."""
    return ServiceModel(LOADER.load_service_model(service, "service-2"), service)


def sagemaker_model() -> ServiceModel:
    """Return the model of SageMaker."""
    return service_model("sagemaker")


def training_instance_types() -> list[str]:
    """Return every instance type that the API accepts for a training job, sorted."""
    return sorted(sagemaker_model().shape_for("TrainingInstanceType").enum)


def endpoint_instance_types() -> list[str]:
    """Return every instance type that the API accepts for an endpoint, sorted."""
    return sorted(sagemaker_model().shape_for("ProductionVariantInstanceType").enum)


def violations(operation: str, request: dict[str, Any], service: str = "sagemaker") -> list[str]:
    """Return a line for each violation of the model of `operation` by `request`.

    Raises:
        OperationNotFoundError: The service has no such operation.
    """
    shape = service_model(service).operation_model(operation).input_shape
    return list(_violations(shape, request, operation)) if shape else []


@cache
def compiled(pattern: str) -> Any:
    """Compile a pattern, with Java's surrogate pairs replaced by code points."""
    return regex.compile(pattern.replace(r"\uD800\uDC00-\uDBFF\uDFFF", r"\U00010000-\U0010FFFF"))


_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "structure": (dict,),
    "map": (dict,),
    "list": (list,),
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "boolean": (bool,),
}


def _violations(shape: Any, value: Any, path: str) -> Iterator[str]:
    expected: Any = _PYTHON_TYPES.get(shape.type_name)
    if expected is None or value is UNKNOWN:
        return
    if not isinstance(value, expected) or (isinstance(value, bool) and bool not in expected):
        yield f"{path}: {value!r} is not a {shape.type_name}"
        return
    yield from _constraint_violations(shape, value, path)
    match shape.type_name:
        case "structure":
            for name in shape.required_members:
                if name not in value:
                    yield f"{path}: {name} is missing"
            for name, member in value.items():
                if name in shape.members:
                    yield from _violations(shape.members[name], member, f"{path}.{name}")
                else:
                    yield f"{path}: unknown member {name}"
        case "list":
            for index, item in enumerate(value):
                yield from _violations(shape.member, item, f"{path}[{index}]")
        case "map":
            for key, item in value.items():
                yield from _violations(shape.key, key, f"{path} key {key!r}")
                yield from _violations(shape.value, item, f"{path}[{key!r}]")


def _constraint_violations(shape: Any, value: Any, path: str) -> Iterator[str]:
    metadata = shape.metadata
    sized = not isinstance(value, int | float)
    size = len(value) if sized else value
    what = "length " if sized else ""
    if "min" in metadata and size < metadata["min"]:
        yield f"{path}: {what}{size} is less than {metadata['min']}"
    if "max" in metadata and size > metadata["max"]:
        yield f"{path}: {what}{size} is more than {metadata['max']}"
    if "pattern" in metadata and not compiled(metadata["pattern"]).fullmatch(value):
        yield f"{path}: {value!r} does not match {metadata['pattern']}"
    if "enum" in metadata and value not in metadata["enum"]:
        yield f"{path}: {value!r} is not one of the {len(metadata['enum'])} allowed values"
