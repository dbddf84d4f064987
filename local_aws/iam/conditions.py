"""Conditions of IAM policies, and the condition keys of a request.

A missing key meets a condition only with `Null`, `...IfExists`, `ForAllValues:...` and the
operators with `Not`.
Sources: "Condition operators" and "Multivalued context keys", IAM user guide; "AWS CodeBuild
condition keys", CodeBuild user guide; the Service Authorization Reference.
"""

import json
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from moto.core.exceptions import JsonRESTError
from moto.iam.access_control import IAMRequestBase

Context = Mapping[str, str | list[str]]  # condition key -> value or values


def _like(value: str, expected: str) -> bool:
    pattern = re.escape(expected).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(pattern, value, re.DOTALL) is not None


def _same_truth(value: str, expected: str) -> bool:
    return value.lower() == expected.lower()


OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": operator.eq,
    "StringLike": _like,
    "ArnEquals": _like,
    "ArnLike": _like,
    "Bool": _same_truth,
}

# Members of StartBuild -> the keys that say they are there. `sourceTypeOverride` has none.
BUILD_KEYS = {
    "artifactsOverride": "codebuild:artifacts",
    "buildspecOverride": "codebuild:source.buildspec",
    "cacheOverride": "codebuild:cache",
    "computeTypeOverride": "codebuild:environment.computeType",
    "environmentTypeOverride": "codebuild:environment.type",
    "imageOverride": "codebuild:environment.image",
    "logsConfigOverride": "codebuild:logsConfig",
    "privilegedModeOverride": "codebuild:environment.privilegedMode",
    "secondaryArtifactsOverride": "codebuild:secondaryArtifacts",
    "secondarySourcesOverride": "codebuild:secondarySources",
    "serviceRoleOverride": "codebuild:serviceRole",
    "sourceLocationOverride": "codebuild:source.location",
}
BUILD_VARIABLES = "codebuild:environment.environmentVariables.name"


def met(condition: Mapping[str, Mapping[str, Any]], context: Context) -> bool:
    """Return whether a request with these condition keys meets a statement's `Condition`."""
    return all(
        _holds(operator, context.get(key), as_list(expected))
        for operator, keys in condition.items()
        for key, expected in keys.items()
    )


def _holds(operator: str, given: str | list[str] | None, expected: list[str]) -> bool:
    quantifier, _, name = operator.rpartition(":")
    if name == "Null":
        return (given is None) == (expected == ["true"])
    plain = name.removesuffix("IfExists")
    negated = "Not" in plain
    matches = OPERATORS.get(plain.replace("Not", ""))
    if matches is None:
        raise JsonRESTError("NotImplemented", f"local AWS does not support condition {operator}")
    if given is None:
        return negated or name != plain or quantifier == "ForAllValues"
    found = [any(matches(value, each) for each in expected) != negated for value in as_list(given)]
    every = quantifier == "ForAllValues" or (negated and quantifier != "ForAnyValue")
    return all(found) if every else any(found)


def request_keys(request: IAMRequestBase) -> Context:
    """Return the condition keys of a request that local AWS supports."""
    match request._action:
        case "codebuild:StartBuild":
            return _build_keys(json.loads(request._body))
        case "sagemaker:CreateTrainingJob" | "sagemaker:CreateHyperParameterTuningJob":
            body = json.loads(request._body)
            job = body.get("TrainingJobDefinition", body)
            return {"sagemaker:NetworkIsolation": _text(job.get("EnableNetworkIsolation", False))}
        case "s3:ListBucket":
            query = parse_qs(urlsplit(request._path).query, keep_blank_values=True)
            return {"s3:prefix": query["prefix"]} if "prefix" in query else {}
        case _:
            return {}


def _build_keys(body: Mapping[str, Any]) -> Context:
    keys: dict[str, str | list[str]] = {
        key: _text(body[member]) for member, key in BUILD_KEYS.items() if member in body
    }
    if "environmentVariablesOverride" in body:
        keys[BUILD_VARIABLES] = [each["name"] for each in body["environmentVariablesOverride"]]
    return keys


def _text(value: Any) -> str:
    """Return a text unchanged, a boolean as text, and `true` for a structure that exists."""
    return value if isinstance(value, str) else str(bool(value)).lower()


def as_list(value: Any) -> list[Any]:
    """Return a member of a policy as a list; in the policy, it may be a single value."""
    return value if isinstance(value, list) else [value]
