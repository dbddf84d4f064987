"""The pipeline's parameters and the --parameter NAME=VALUE arguments.

The arguments are checked like pipeline.yaml, before anything is sent.
"""

import copy
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from container.contract import HYPERPARAMETERS, TRAIN_CHANNEL, VALIDATION_CHANNEL
from container.errors import InputError, did_you_mean
from local_aws.definition.parameters import parameter_value
from local_aws.definition.validation import problems
from pipeline.settings import Settings, check_change

# Names of the parameters that are not hyperparameters (those bear the hyperparameter's own name).
# They stand here because pipeline/definition.py imports the SDK.
INSTANCE_TYPE = "InstanceType"
INSTANCE_COUNT = "InstanceCount"
IMAGE_URI = "ImageUri"
SOURCE_REVISION = "SourceRevision"
TRAIN_DATA_URI = "TrainDataUri"
VALIDATION_DATA_URI = "ValidationDataUri"
MIN_VALIDATION_AUC = "MinValidationAuc"
CACHE_KEY = "CacheKey"

DATA_URIS = {TRAIN_CHANNEL: TRAIN_DATA_URI, VALIDATION_CHANNEL: VALIDATION_DATA_URI}

UNKNOWN_REVISION = "unknown"

DESCRIPTIONS = {  # as SageMaker Studio shows them in the form of a start
    INSTANCE_TYPE: "Instance type of the training job.",
    INSTANCE_COUNT: "Number of instances of the training job.",
    IMAGE_URI: "Image that trains and serves, pinned by its digest.",
    SOURCE_REVISION: "Tag of the image: the hash of the source that it was built from.",
    TRAIN_DATA_URI: "S3 prefix of the training data, under the hash of their content.",
    VALIDATION_DATA_URI: "S3 prefix of the validation data, under the hash of their content.",
    MIN_VALIDATION_AUC: "The execution fails when the validation AUC is below this, from 0 to 1.",
    CACHE_KEY: "Any new value trains anew, even if an equal training job has succeeded.",
    **{
        name: f"{spec.help[0].upper()}{spec.help[1:]}; {spec.allowed}."
        for name, spec in HYPERPARAMETERS.items()
    },
}

SETTINGS = {  # parameters that pipeline.yaml has under another name
    INSTANCE_TYPE: "instance_type",
    INSTANCE_COUNT: "instance_count",
    MIN_VALIDATION_AUC: "min_validation_auc",
}


def parse_overrides(
    texts: Sequence[str], definition: dict[str, Any], settings: Settings
) -> dict[str, Any]:
    """Parse NAME=VALUE texts. Raises InputError listing every unknown name and illegal value."""
    declared = {parameter["Name"]: parameter for parameter in definition["Parameters"]}
    values: dict[str, Any] = {}
    found, unknown = [], []
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            found.append(f"--parameter {text}: has no value; write {text}=VALUE")
        elif name not in declared:
            unknown.append(name)
            found.append(f"--parameter {name}: unknown{did_you_mean(name, declared)}")
        elif name in values:
            found.append(f"--parameter {name}: given twice")
        else:
            try:
                values[name] = _checked(name, value, declared[name], settings)
            except ValueError as error:
                found.append(f"--parameter {error}")
    if IMAGE_URI in values:  # whose revision is another one
        values.setdefault(SOURCE_REVISION, UNKNOWN_REVISION)
    found = found or problems(_with_defaults(definition, values))
    if found:
        raise InputError("\n".join(found), _hint(unknown, list(declared)))
    return values


def _hint(unknown: Sequence[str], declared: Sequence[str]) -> str:
    """Return the names that are near the unknown ones; all names when none is near."""
    if not unknown:
        return "correct the value, or omit the argument to use the value of pipeline.yaml"
    near = {n: None for name in unknown for n in get_close_matches(name, declared)}
    return f"{'similar parameters' if near else 'the parameters'}: {', '.join(near or declared)}"


def instances_of(
    definition: dict[str, Any], overrides: dict[str, Any], settings: Settings
) -> tuple[str | tuple[str, ...], int]:
    """Return the instance type (or types, by preference) and the number of instances of the job."""
    values = {each["Name"]: each["DefaultValue"] for each in definition["Parameters"]} | overrides
    return values.get(INSTANCE_TYPE, settings.instance_type), int(values[INSTANCE_COUNT])


def other_data(overrides: dict[str, Any]) -> dict[str, str]:
    """Return the S3 URIs of channels for which other data are given."""
    return {
        channel: str(overrides[name]) for channel, name in DATA_URIS.items() if name in overrides
    }


def _checked(name: str, text: str, parameter: dict[str, Any], settings: Settings) -> Any:
    if name in HYPERPARAMETERS:
        try:
            return HYPERPARAMETERS[name].parse(text)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    value = parameter_value(parameter, text)
    if name in SETTINGS:
        check_change(settings, SETTINGS[name], value)
    return value


def _with_defaults(definition: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    changed = copy.deepcopy(definition)
    for parameter in changed["Parameters"]:
        parameter["DefaultValue"] = values.get(parameter["Name"], parameter["DefaultValue"])
    return changed
