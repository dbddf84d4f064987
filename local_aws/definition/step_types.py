"""The supported types of steps, and the members that each type may have.

Sources: "SageMaker Pipelines JSON schema" (aws-sagemaker-mlops.github.io), and "Default cache key
attributes by pipeline step type" in the SageMaker developer guide.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class StepType:
    """The members that a step of one type may have."""

    operation: str = ""  # its Arguments are a request of this operation
    name_member: str = ""  # of the request; the execution makes the name
    cache_key: tuple[str, ...] = ()  # what makes two runs the same; none: it cannot be cached
    retried: bool = False
    members: frozenset[str] = frozenset()  # beside those of every step
    needed: str = ""  # one of `members` that it must have


_TRAINING_JOB = "TrainingJobDefinition"

STEP_TYPES = {
    "Training": StepType(
        "CreateTrainingJob",
        "TrainingJobName",
        (
            "AlgorithmSpecification",
            "CheckpointConfig",
            "DebugHookConfig",
            "DebugRuleConfigurations",
            "Environment",
            "HyperParameters",
            "InputDataConfig",
        ),
        retried=True,
    ),
    "Processing": StepType(
        "CreateProcessingJob",
        "ProcessingJobName",
        ("AppSpecification", "Environment", "ProcessingInputs"),
        retried=True,
        members=frozenset({"PropertyFiles"}),
    ),
    "Transform": StepType(
        "CreateTransformJob",
        "TransformJobName",
        ("DataProcessing", "Environment", "ModelName", "TransformInput"),
        retried=True,
    ),
    "Tuning": StepType(
        "CreateHyperParameterTuningJob",
        "HyperParameterTuningJobName",
        (
            "HyperParameterTuningJobConfig",
            f"{_TRAINING_JOB}.AlgorithmSpecification",
            f"{_TRAINING_JOB}.HyperParameterRanges",
            f"{_TRAINING_JOB}.InputDataConfig",
            f"{_TRAINING_JOB}.StaticHyperParameters",
            f"{_TRAINING_JOB}.TuningObjective",
            "TrainingJobDefinitions",
        ),
        retried=True,
    ),
    "Model": StepType("CreateModel", "ModelName", retried=True),
    "RegisterModel": StepType("CreateModelPackage", retried=True),
    "Lambda": StepType(
        cache_key=("FunctionArn", "Arguments"),
        members=frozenset({"FunctionArn", "OutputParameters"}),
        needed="FunctionArn",
    ),
    "Callback": StepType(
        cache_key=("SqsQueueUrl", "Arguments"),
        members=frozenset({"SqsQueueUrl", "OutputParameters"}),
        needed="SqsQueueUrl",
    ),
    "Condition": StepType(),
    "Fail": StepType(),
}

OUTPUT_TYPES = ("String", "Integer", "Float", "Boolean")  # of OutputParameters

STEP_MEMBERS = frozenset(
    ("Name", "Type", "Arguments", "DisplayName", "Description", "DependsOn", "CacheConfig")
)
