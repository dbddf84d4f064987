"""pipeline.yaml as one frozen, typed object; all mistakes in it are reported together."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from container.contract import parse_hyperparameters
from container.errors import InputError, did_you_mean
from local_aws.partitions import sagemaker_regions
from local_aws.service_model import training_instance_types
from pipeline.company import CompanySettings, Number, one_of
from pipeline.tuning_settings import Tuning

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

YAML_FORM = "save it as UTF-8, indent with spaces, write `key: value`, close each quote and bracket"
DEFAULT_CONFIG = Path(__file__).parent.parent / "pipeline.yaml"


def config_argument(config: Path) -> str:
    """Return the argument of --config, or an empty text for the project's pipeline.yaml."""
    return "" if config.resolve() == DEFAULT_CONFIG.resolve() else str(config)


SMALLEST = "smallest"  # instance_type: what pipeline/smallest_instance.py finds in the account
MOST_INSTANCE_TYPES = 5  # InstancePreferences of CreateTrainingJob


PLAIN_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9_]*)")


class Settings(CompanySettings):
    """The meaning and the unit of each value stand beside it in pipeline.yaml.

    The patterns are those of the services (CloudFormation, SageMaker CreatePipeline).
    """

    region: Annotated[str, one_of(sagemaker_regions, "a region of SageMaker")]
    # Names of the stack's roles and bucket begin with it, and must fit in 63 characters.
    stack_name: Annotated[
        str, Field(min_length=2, max_length=30, pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$")
    ]
    pipeline_name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,255}$")]
    prefix: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    base_image: Annotated[str, Field(pattern=r"^[^\s]+$")]
    accelerator: Literal["none", "cuda"]
    data_file: Path
    validation_fraction: Annotated[float, Number, Field(gt=0, lt=1)]
    split_seed: Annotated[int, Number, Field(ge=0)]
    instance_type: str | tuple[str, ...]  # several: the first one with capacity
    spot: bool
    instance_count: Annotated[int, Number, Field(ge=1, le=100)]
    volume_size_gb: Annotated[int, Number, Field(ge=1, le=16_384)]
    max_run_seconds: Annotated[int, Number, Field(ge=1, le=2_419_200)]
    max_wait_seconds: Annotated[int, Number, Field(ge=1)]
    max_cost_usd: Annotated[float, Number, Field(gt=0)] | None
    min_validation_auc: Annotated[float, Number, Field(ge=0, le=1)]
    hyperparameters: dict[str, int | float]
    tuning: Tuning | None = None  # only pipeline/tune.py needs it

    @field_validator("data_file")
    @classmethod
    def _file_name(cls, value: Path) -> Path:
        if not value.name or "\0" in str(value):
            raise ValueError("the name of a file is needed")
        return value.expanduser()

    @field_validator("instance_type", mode="before")
    @classmethod
    def _known_instance_types(cls, given: Any) -> str | tuple[str, ...]:
        several = isinstance(given, list | tuple)
        known = [*training_instance_types(), *([] if several else [SMALLEST])]
        values = tuple(given) if several else (given,)
        for value in values:
            if value not in known:
                raise ValueError(
                    f"{value!r} is not a training instance type{did_you_mean(str(value), known)}"
                )
        if not 1 <= len(set(values)) == len(values) <= MOST_INSTANCE_TYPES:
            raise ValueError(f"1 to {MOST_INSTANCE_TYPES} different instance types are needed")
        return values if len(values) > 1 else str(values[0])

    @field_validator("hyperparameters", mode="before")
    @classmethod
    def _declared_hyperparameters(cls, given: Any) -> dict[str, int | float]:
        if not isinstance(given, dict):
            raise ValueError("names with values are needed")
        try:
            return parse_hyperparameters({str(name): value for name, value in given.items()})
        except InputError as error:
            raise ValueError(error.args[0].removeprefix("hyperparameters: ")) from None

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        for name, arn in (("kms_key", self.kms_key), ("notify", self.notify)):
            if arn and arn.startswith("arn:") and arn.split(":")[3] != self.region:
                raise ValueError(f"{name}: {arn} is not in region {self.region}")
        # The operator policy of build/infrastructure.yml allows no other names.
        if not self.pipeline_name.startswith(f"{self.stack_name}-"):
            raise ValueError(
                f"pipeline_name: {self.pipeline_name!r} does not begin with '{self.stack_name}-', "
                f"the stack's name and a dash (did you mean "
                f"{self.stack_name}-{self.pipeline_name}?)"
            )
        if self.spot and self.warm_pool_seconds:
            raise ValueError("warm_pool_seconds: not possible with spot instances; set spot: false")
        if self.spot and len(self.instance_types) > 1:
            raise ValueError("instance_type: with spot one type is needed, not a list")
        if self.spot and self.max_wait_seconds < self.max_run_seconds:
            raise ValueError(
                f"max_wait_seconds ({self.max_wait_seconds}) includes the run: with spot it must "
                f"be at least max_run_seconds ({self.max_run_seconds})"
            )
        return self

    @property
    def instance_types(self) -> tuple[str, ...]:
        """The instance types in the order of preference."""
        return listed_types(self.instance_type)


def listed_types(instance_type: str | Sequence[str]) -> tuple[str, ...]:
    """Return one instance type, or several, as a tuple."""
    return (instance_type,) if isinstance(instance_type, str) else tuple(instance_type)


def load_settings(path: Path) -> Settings:
    """Load pipeline.yaml. Raises InputError listing every mistake, sorted by key."""
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _NoDuplicates)  # noqa: S506 - a SafeLoader
    except FileNotFoundError:
        raise InputError(
            f"{path}: no such file",
            "name an existing file, or omit --config to use the project's pipeline.yaml",
        ) from None
    except (yaml.YAMLError, ValueError, RecursionError, OSError) as error:
        raise InputError(f"{path}: not readable as YAML: {error}", YAML_FORM) from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: not a list of keys with values", "write `key: value` lines")
    try:
        settings = Settings.model_validate(content)
    except ValidationError as error:
        mistakes = sorted(_mistake(detail) for detail in error.errors())
        raise InputError(
            "\n".join(f"{path.name}: {mistake}" for mistake in mistakes),
            "the project's pipeline.yaml has every key with its meaning; container/contract.py has "
            "every hyperparameter",
        ) from None
    return settings.model_copy(update={"data_file": path.parent / settings.data_file})


def check_change(settings: Settings, key: str, value: Any) -> None:
    """Check a value for this key of pipeline.yaml. Raises ValueError."""
    try:
        Settings.model_validate(settings.model_dump() | {key: value})
    except ValidationError as error:
        raise ValueError(_mistake(error.errors()[0])) from None


class _NoDuplicates(yaml.SafeLoader):
    """YAML in which a key given twice and a number with a leading zero are mistakes.

    PyYAML itself keeps the last of the keys, and reads the number as octal.
    """


def _mapping(loader: _NoDuplicates, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        raise yaml.constructor.ConstructorError(
            None, None, f"key given twice: {', '.join(twice)}", node.start_mark
        )
    return loader.construct_mapping(node)


def _integer(loader: _NoDuplicates, node: yaml.ScalarNode) -> int:
    if not PLAIN_INTEGER.fullmatch(node.value):
        raise yaml.constructor.ConstructorError(
            None,
            None,
            f"{node.value} is not a plain number (YAML reads 0100 as 64 and 1:30 as 90): "
            "write it without leading zeros, or as text in quotes",
            node.start_mark,
        )
    return loader.construct_yaml_int(node)


_NoDuplicates.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
_NoDuplicates.add_constructor("tag:yaml.org,2002:int", _integer)


def _mistake(detail: Any) -> str:
    """Return one line for one of pydantic's error details."""
    key = ".".join(str(part) for part in detail["loc"])
    match detail["type"]:
        case "extra_forbidden":
            return f"unknown key: {key}{did_you_mean(key, Settings.model_fields)}"
        case "missing":
            return f"missing key: {key}"
        case "value_error":
            return f"{key}: {detail['ctx']['error']}".removeprefix(": ")
        case _:
            return f"{key}: {detail['input']!r}: {detail['msg']}"
