"""What is done with each member of a request: the one list of it.

A member that cannot be carried out and changes no result is accepted, stored, described, and named
in the log of the job. One that would change a result is refused by name. A test holds the list
against botocore's model, so that a new member is a decision.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Any

from local_aws.sagemaker.opt_ml_tree import CHECKPOINT_PATH


class Treatment(Enum):
    """What is done with a member, whatever its value is."""

    DONE = "carried out"
    NAMED = "accepted, and named in the log"
    REFUSED = "refused"


DONE, NAMED, REFUSED = Treatment


@dataclass(frozen=True)
class Only:
    """A member of which some values are carried out, some are named, and the others refused."""

    done: tuple[Any, ...]
    named: tuple[Any, ...] = ()


Table = dict[str, "Treatment | Only | Table"]

_INPUT_MODE = Only(("File",), named=("FastFile",))  # FastFile: all files are there at the start
_VPC: Table = {"SecurityGroupIds": DONE, "Subnets": DONE}  # as far as S3 is reached through it
_OFF = Only((None, False, "None"))
_TAGS: Table = {"Key": DONE, "Value": DONE}
_MODEL_CONTAINER: Table = {
    "ContainerHostname": DONE,
    "Image": DONE,
    "ImageConfig": NAMED,
    "Mode": Only(("SingleModel",)),
    "ModelDataUrl": DONE,
    "ModelDataSource": {
        "S3DataSource": {
            "S3Uri": DONE,
            "S3DataType": DONE,
            "CompressionType": DONE,
            "ModelAccessConfig": NAMED,
            "HubAccessConfig": REFUSED,
            "ManifestS3Uri": REFUSED,
            "ETag": REFUSED,
            "ManifestEtag": REFUSED,
        }
    },
    "AdditionalModelDataSources": REFUSED,
    "Environment": DONE,
    "ModelPackageName": DONE,
    "InferenceSpecificationName": REFUSED,
    "MultiModelConfig": REFUSED,
    "ContainerMetricsConfig": NAMED,
}
_FILE: Table = {"ContentType": DONE, "ContentDigest": DONE, "S3Uri": DONE}  # kept, not read
_QUALITY: Table = {"Statistics": _FILE, "Constraints": _FILE}
_OF_A_PACKAGE = (  # members of CreateModelPackage that are not kept
    "ModelPackageName",
    "ModelPackageRegistrationType",
    "ValidationSpecification",
    "SourceAlgorithmSpecification",
    "AdditionalInferenceSpecifications",
    "SourceUri",
    "SecurityConfig",
    "ModelCard",
    "ModelLifeCycle",
    "ManagedStorageType",
)
_OF_A_VERSION = (  # of one of its containers
    "ImageDigest",
    "ModelDataSource",
    "ProductId",
    "AdditionalModelDataSources",
    "AdditionalS3DataSource",
    "ModelDataETag",
    "IsCheckpoint",
    "BaseModel",
)

REQUESTS: dict[str, Table] = {
    "CreateTrainingJob": {
        "TrainingJobName": DONE,
        "HyperParameters": DONE,
        "AlgorithmSpecification": {
            "TrainingImage": DONE,
            "AlgorithmName": REFUSED,
            "TrainingInputMode": _INPUT_MODE,
            "MetricDefinitions": {"Name": DONE, "Regex": DONE},
            "EnableSageMakerMetricsTimeSeries": NAMED,
            "ContainerEntrypoint": DONE,
            "ContainerArguments": DONE,
            "TrainingImageConfig": NAMED,
        },
        "RoleArn": DONE,
        "InputDataConfig": {
            "ChannelName": DONE,
            "DataSource": {
                "S3DataSource": {
                    "S3DataType": Only(("S3Prefix",)),
                    "S3Uri": DONE,
                    "S3DataDistributionType": DONE,
                    "AttributeNames": REFUSED,
                    "InstanceGroupNames": REFUSED,
                    "ModelAccessConfig": REFUSED,
                    "HubAccessConfig": REFUSED,
                },
                "FileSystemDataSource": REFUSED,
                "DatasetSource": REFUSED,
            },
            "ContentType": DONE,
            "CompressionType": _OFF,  # of Pipe mode
            "RecordWrapperType": _OFF,  # of Pipe mode
            "InputMode": _INPUT_MODE,
            "ShuffleConfig": REFUSED,
        },
        "OutputDataConfig": {"S3OutputPath": DONE, "KmsKeyId": DONE, "CompressionType": DONE},
        "ResourceConfig": {
            "InstanceType": DONE,
            "InstanceCount": DONE,
            "VolumeSizeInGB": DONE,
            "VolumeKmsKeyId": NAMED,
            "KeepAlivePeriodInSeconds": NAMED,
            "InstanceGroups": REFUSED,
            "TrainingPlanArn": REFUSED,
            "InstancePlacementConfig": NAMED,
            "InstancePreferences": {  # the first one always has capacity here
                "InstanceType": DONE,
                "InstanceCount": DONE,
                "TrainingPlanArns": REFUSED,
            },
            "SelectedInstanceType": REFUSED,
            "SelectedInstanceCount": REFUSED,
        },
        "VpcConfig": _VPC,
        "StoppingCondition": {
            "MaxRuntimeInSeconds": DONE,
            "MaxWaitTimeInSeconds": DONE,
            "MaxPendingTimeInSeconds": NAMED,
        },
        "Tags": _TAGS,
        "EnableNetworkIsolation": DONE,
        "EnableInterContainerTrafficEncryption": NAMED,
        "EnableManagedSpotTraining": DONE,
        "CheckpointConfig": {"S3Uri": DONE, "LocalPath": Only((CHECKPOINT_PATH,))},
        "DebugHookConfig": NAMED,
        "DebugRuleConfigurations": NAMED,
        "TensorBoardOutputConfig": REFUSED,
        "ExperimentConfig": NAMED,
        "ProfilerConfig": {
            "S3OutputPath": NAMED,
            "ProfilingIntervalInMilliseconds": NAMED,
            "ProfilingParameters": NAMED,
            "DisableProfiler": Only((True,), named=(False,)),
        },
        "ProfilerRuleConfigurations": NAMED,
        "Environment": DONE,
        "RetryStrategy": NAMED,  # of internal errors
        "RemoteDebugConfig": NAMED,
        "InfraCheckConfig": NAMED,
        "SessionChainingConfig": NAMED,
        "ServerlessJobConfig": REFUSED,
        "MlflowConfig": REFUSED,
        "ModelPackageConfig": REFUSED,
    },
    "CreateProcessingJob": {
        "ProcessingInputs": {
            "InputName": DONE,
            "AppManaged": _OFF,
            "S3Input": {
                "S3Uri": DONE,
                "LocalPath": DONE,
                "S3DataType": Only(("S3Prefix",)),
                "S3InputMode": Only(("File",)),
                "S3DataDistributionType": DONE,
                "S3CompressionType": _OFF,  # of Pipe mode
            },
            "DatasetDefinition": REFUSED,
        },
        "ProcessingOutputConfig": {
            "Outputs": {
                "OutputName": DONE,
                "S3Output": {
                    "S3Uri": DONE,
                    "LocalPath": DONE,
                    "S3UploadMode": Only(("EndOfJob",), named=("Continuous",)),  # at the end
                },
                "FeatureStoreOutput": REFUSED,
                "AppManaged": _OFF,
            },
            "KmsKeyId": DONE,
        },
        "ProcessingJobName": DONE,
        "ProcessingResources": {
            "ClusterConfig": {
                "InstanceCount": DONE,
                "InstanceType": DONE,
                "VolumeSizeInGB": DONE,
                "VolumeKmsKeyId": NAMED,
                "InstancePreferences": {"InstanceType": DONE, "InstanceCount": DONE},
                "SelectedInstanceType": REFUSED,
                "SelectedInstanceCount": REFUSED,
            }
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": DONE},
        "AppSpecification": {
            "ImageUri": DONE,
            "ContainerEntrypoint": DONE,
            "ContainerArguments": DONE,
        },
        "Environment": DONE,
        "NetworkConfig": {
            "EnableInterContainerTrafficEncryption": NAMED,
            "EnableNetworkIsolation": DONE,
            "VpcConfig": _VPC,
        },
        "RoleArn": DONE,
        "Tags": _TAGS,
        "ExperimentConfig": NAMED,
    },
    "CreateModelPackage": {
        **dict.fromkeys(_OF_A_PACKAGE, REFUSED),
        "ModelPackageGroupName": DONE,
        "ModelPackageDescription": DONE,
        "ModelApprovalStatus": DONE,
        "CustomerMetadataProperties": DONE,
        "MetadataProperties": dict.fromkeys(
            ("CommitId", "Repository", "GeneratedBy", "ProjectId"), DONE
        ),
        "ModelMetrics": {
            "ModelQuality": _QUALITY,
            "ModelDataQuality": _QUALITY,
            "Bias": dict.fromkeys(("Report", "PreTrainingReport", "PostTrainingReport"), _FILE),
            "Explainability": {"Report": _FILE},
        },
        "DriftCheckBaselines": {
            "ModelQuality": _QUALITY,
            "ModelDataQuality": _QUALITY,
            "Bias": dict.fromkeys(
                ("ConfigFile", "PreTrainingConstraints", "PostTrainingConstraints"), _FILE
            ),
            "Explainability": {"Constraints": _FILE, "ConfigFile": _FILE},
        },
        "Domain": DONE,
        "Task": DONE,
        "SamplePayloadUrl": DONE,
        "CertifyForMarketplace": _OFF,
        "Tags": _TAGS,
        "InferenceSpecification": {
            "Containers": {
                **dict.fromkeys(_OF_A_VERSION, REFUSED),
                "ContainerHostname": DONE,
                "ModelInput": {"DataInputConfig": DONE},
                "Framework": DONE,
                "FrameworkVersion": DONE,
                "NearestModelName": DONE,
                "Image": DONE,
                "ModelDataUrl": DONE,
                "Environment": DONE,
            },
            "SupportedContentTypes": DONE,
            "SupportedResponseMIMETypes": DONE,
            "SupportedRealtimeInferenceInstanceTypes": DONE,
            "SupportedTransformInstanceTypes": DONE,
        },
        "SkipModelValidation": Only(("None",)),
        "ClientToken": DONE,
    },
    "CreateModel": {
        "ModelName": DONE,
        "PrimaryContainer": _MODEL_CONTAINER,
        "Containers": _MODEL_CONTAINER,
        "InferenceExecutionConfig": NAMED,  # of one container: nothing
        "ExecutionRoleArn": DONE,
        "Tags": _TAGS,
        "VpcConfig": _VPC,
        "EnableNetworkIsolation": DONE,
    },
    "CreateTransformJob": {
        "TransformJobName": DONE,
        "ModelName": DONE,
        "MaxConcurrentTransforms": DONE,
        "ModelClientConfig": {"InvocationsTimeoutInSeconds": DONE, "InvocationsMaxRetries": DONE},
        "MaxPayloadInMB": DONE,
        "BatchStrategy": DONE,
        "Environment": DONE,
        "TransformInput": {
            "DataSource": {"S3DataSource": {"S3DataType": Only(("S3Prefix",)), "S3Uri": DONE}},
            "ContentType": DONE,
            "CompressionType": DONE,
            "SplitType": Only(("None", "Line")),
        },
        "TransformOutput": {
            "S3OutputPath": DONE,
            "Accept": DONE,
            "AssembleWith": DONE,
            "KmsKeyId": DONE,
        },
        "DataCaptureConfig": REFUSED,
        "TransformResources": {
            "InstanceType": DONE,
            "InstanceCount": DONE,
            "VolumeKmsKeyId": NAMED,
            "TransformAmiVersion": NAMED,
        },
        "DataProcessing": {"InputFilter": DONE, "OutputFilter": DONE, "JoinSource": DONE},
        "Tags": _TAGS,
        "ExperimentConfig": NAMED,
    },
    "CreateEndpointConfig": {
        "EndpointConfigName": DONE,
        "ProductionVariants": {
            "VariantName": DONE,
            "ModelName": DONE,
            "InitialInstanceCount": Only((1,), named=tuple(range(2, 1001))),  # one server answers
            "InstanceType": DONE,
            "InstancePools": REFUSED,
            "VariantInstanceProvisionTimeoutInSeconds": NAMED,
            "InitialVariantWeight": DONE,
            "AcceleratorType": REFUSED,
            "CoreDumpConfig": NAMED,
            "ServerlessConfig": {
                "MemorySizeInMB": DONE,
                "MaxConcurrency": DONE,
                "ProvisionedConcurrency": NAMED,
            },
            "VolumeSizeInGB": NAMED,
            "ModelDataDownloadTimeoutInSeconds": NAMED,
            "ContainerStartupHealthCheckTimeoutInSeconds": DONE,
            "EnableSSMAccess": NAMED,
            "ManagedInstanceScaling": NAMED,
            "RoutingConfig": NAMED,
            "InferenceAmiVersion": NAMED,
            "CapacityReservationConfig": NAMED,
            "AcceleratorPartitionLayouts": REFUSED,
        },
        "DataCaptureConfig": NAMED,
        "Tags": _TAGS,
        "KmsKeyId": NAMED,
        "AsyncInferenceConfig": REFUSED,
        "ExplainerConfig": REFUSED,
        "ShadowProductionVariants": REFUSED,
        "ExecutionRoleArn": REFUSED,  # of inference components
        "VpcConfig": REFUSED,
        "EnableNetworkIsolation": REFUSED,
        "MetricsConfig": NAMED,
        "CrossRegionTrafficConfig": REFUSED,
    },
    "CreateEndpoint": {
        "EndpointName": DONE,
        "EndpointConfigName": DONE,
        "DeploymentConfig": NAMED,  # traffic moves at once
        "Tags": _TAGS,
    },
    "UpdateEndpointWeightsAndCapacities": {
        "EndpointName": DONE,
        "DesiredWeightsAndCapacities": {
            "VariantName": DONE,
            "DesiredWeight": DONE,
            "DesiredInstanceCount": NAMED,
            "ServerlessUpdateConfig": REFUSED,
        },
    },
    "UpdateEndpoint": {
        "EndpointName": DONE,
        "EndpointConfigName": DONE,
        "RetainAllVariantProperties": _OFF,
        "ExcludeRetainedVariantProperties": REFUSED,
        "DeploymentConfig": NAMED,
        "RetainDeploymentConfig": NAMED,
    },
}
