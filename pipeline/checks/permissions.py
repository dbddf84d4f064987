"""The permissions that each principal needs for a run to succeed.

A test compares them with build/infrastructure.yml. docs/permissions.md lists what fails without
each of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.data import DATA
from pipeline.execution.log_stream import TRAINING_LOG_GROUP
from pipeline.settings import Settings
from pipeline.stack import Stack

SAGEMAKER = "sagemaker.amazonaws.com"
METRICS_NAMESPACE = "/aws/sagemaker/TrainingJobs"
TAGGING = ("sagemaker:AddTags", "sagemaker:ListTags")
ISOLATED = {"sagemaker:NetworkIsolation": "true"}  # as every job of this project is

# Names as SageMaker gives them: of an execution, and of the jobs of one.
EXECUTION = "abcdefghijkl"
TRAINING_JOB = f"pipelines-{EXECUTION}-Train-0123456789"
TUNING_JOB = f"{EXECUTION}-Tune-0123456789"


@dataclass(frozen=True)
class Permission:
    """Actions on one resource, checked by one call to IAM's simulator."""

    resource: str  # ARN, or * where there is none to name
    actions: tuple[str, ...]
    run: Mapping[str, str] = field(default_factory=dict)  # condition keys of the request


class Resources:
    """ARNs of one stack and pipeline."""

    def __init__(self, settings: Settings, stack: Stack) -> None:
        arn, partition = stack.pipeline_role_arn.split(":")[:2]
        here = f"{stack.region}:{stack.account}"
        sagemaker = f"{arn}:{partition}:sagemaker:{here}"
        repository = stack.repository_uri.partition("/")[2]
        self.stack = f"{arn}:{partition}:cloudformation:{here}:stack/{settings.stack_name}/*"
        self.bucket = f"{arn}:{partition}:s3:::{stack.bucket}"
        self.data = f"{self.bucket}/data/{settings.prefix}/0/train/train.csv"
        self.model = f"{self.bucket}/models/{settings.prefix}/{TRAINING_JOB}/output/model.tar.gz"
        self.checkpoint = f"{self.bucket}/checkpoints/{settings.prefix}/0/booster.000010"
        self.repository = f"{arn}:{partition}:ecr:{here}:repository/{repository}"
        self.pipeline = f"{sagemaker}:pipeline/{settings.pipeline_name}"
        self.execution = f"{self.pipeline}/execution/{EXECUTION}"
        self.training_job = f"{sagemaker}:training-job/{TRAINING_JOB}"
        self.model_group = f"{sagemaker}:model-package-group/{stack.model_package_group}"
        self.model_version = f"{sagemaker}:model-package/{stack.model_package_group}/1"
        self.tuning_job = f"{sagemaker}:hyper-parameter-tuning-job/{TUNING_JOB}"
        logs = f"{arn}:{partition}:logs:{here}:log-group:{TRAINING_LOG_GROUP}:log-stream:"
        self.network_interface = f"{arn}:{partition}:ec2:{here}:network-interface/*"
        self.log_group = logs
        self.log_stream = f"{logs}{TRAINING_JOB}/algo-1-0123456789"

    def list_below(self, prefix: str) -> Permission:
        """Return the permission to list the objects of the bucket below a prefix."""
        return Permission(self.bucket, ("s3:ListBucket",), {"s3:prefix": prefix})


def of_operator(settings: Settings, stack: Stack) -> list[Permission]:
    """Return what the person who runs `upsert_and_start.py` must be allowed to do."""
    on = Resources(settings, stack)
    return [
        Permission(on.stack, ("cloudformation:DescribeStacks",)),
        on.list_below(DATA),
        Permission(on.data, ("s3:GetObject", "s3:PutObject")),
        Permission(on.model, ("s3:GetObject",)),
        Permission(on.repository, ("ecr:DescribeImages",)),
        Permission(
            on.pipeline,
            (
                "sagemaker:CreatePipeline",
                "sagemaker:UpdatePipeline",
                "sagemaker:StartPipelineExecution",
            ),
        ),
        _pass_role(stack.pipeline_role_arn),
        Permission(
            on.execution,
            (
                "sagemaker:DescribePipelineDefinitionForExecution",
                "sagemaker:DescribePipelineExecution",
                "sagemaker:ListPipelineExecutionSteps",
                "sagemaker:ListPipelineParametersForExecution",
                "sagemaker:StopPipelineExecution",
            ),
        ),
        Permission(on.training_job, ("sagemaker:DescribeTrainingJob",)),
        Permission(
            on.tuning_job,
            (
                "sagemaker:DescribeHyperParameterTuningJob",
                "sagemaker:ListTrainingJobsForHyperParameterTuningJob",
            ),
        ),
        Permission(on.log_group, ("logs:DescribeLogStreams",)),
        Permission(on.log_stream, ("logs:GetLogEvents",)),
        *([Permission(on.pipeline, TAGGING)] if settings.tags else []),
        *_key(settings, "Decrypt", "GenerateDataKey"),
    ]


def of_pipeline(settings: Settings, stack: Stack) -> list[Permission]:
    """Return what the pipeline's role must be allowed to do."""
    on = Resources(settings, stack)
    return [
        Permission(
            on.training_job,
            (
                "sagemaker:CreateTrainingJob",
                "sagemaker:DescribeTrainingJob",
                "sagemaker:StopTrainingJob",
                "sagemaker:AddTags",
            ),
            ISOLATED,
        ),
        Permission(
            on.tuning_job,
            (
                "sagemaker:CreateHyperParameterTuningJob",
                "sagemaker:DescribeHyperParameterTuningJob",
                "sagemaker:ListTrainingJobsForHyperParameterTuningJob",
                "sagemaker:StopHyperParameterTuningJob",
                "sagemaker:AddTags",
            ),
            ISOLATED,
        ),
        _pass_role(stack.training_role_arn),
        Permission(
            on.model_group, ("sagemaker:CreateModelPackage", "sagemaker:CreateModelPackageGroup")
        ),
        Permission(on.model_version, ("sagemaker:CreateModelPackage", "sagemaker:AddTags")),
        Permission(on.model, ("s3:GetObject",)),
        Permission(on.repository, ("ecr:BatchGetImage", "ecr:DescribeImages")),
        *_key(settings, "Decrypt"),
    ]


def of_training(settings: Settings, stack: Stack) -> list[Permission]:
    """Return what the role of training and tuning jobs must be allowed to do."""
    on = Resources(settings, stack)
    keep = ("s3:DeleteObject", "s3:GetObject", "s3:PutObject")
    pull = ("BatchCheckLayerAvailability", "BatchGetImage", "GetDownloadUrlForLayer")
    return [
        Permission("*", ("ecr:GetAuthorizationToken",)),
        Permission(on.repository, tuple(f"ecr:{action}" for action in pull)),
        on.list_below(DATA),
        Permission(on.data, ("s3:GetObject",)),
        Permission(on.model, ("s3:PutObject",)),
        *([Permission(on.checkpoint, keep)] if settings.spot else []),
        Permission("*", ("cloudwatch:PutMetricData",), {"cloudwatch:namespace": METRICS_NAMESPACE}),
        Permission(on.log_group, ("logs:CreateLogGroup", "logs:DescribeLogStreams")),
        Permission(on.log_stream, ("logs:CreateLogStream", "logs:PutLogEvents")),
        *_key(settings, "CreateGrant", "Decrypt", "Encrypt", "GenerateDataKey"),
        *_network(settings, on),
    ]


def _key(settings: Settings, *actions: str) -> list[Permission]:
    if settings.kms_key is None:
        return []
    return [Permission(settings.kms_key, tuple(f"kms:{action}" for action in actions))]


def _network(settings: Settings, on: Resources) -> list[Permission]:
    """Return the permissions that SageMaker needs for a job in a VPC.

    Source: "CreateTrainingJob API: Execution Role Permissions", developer guide.
    """
    if settings.vpc is None:
        return []
    what = ("NetworkInterface", "NetworkInterfacePermission")
    interfaces = tuple(f"ec2:{verb}{each}" for verb in ("Create", "Delete") for each in what)
    shown = ("DhcpOptions", "NetworkInterfaces", "SecurityGroups", "Subnets", "Vpcs")
    return [
        Permission(on.network_interface, interfaces),
        Permission("*", tuple(f"ec2:Describe{each}" for each in shown)),
    ]


def _pass_role(role_arn: str) -> Permission:
    return Permission(role_arn, ("iam:PassRole",), {"iam:PassedToService": SAGEMAKER})
