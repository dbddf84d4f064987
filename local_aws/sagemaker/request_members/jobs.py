"""Members of the requests for training, processing and transform jobs."""

from local_aws.sagemaker.opt_ml_tree import CHECKPOINT_PATH
from local_aws.sagemaker.request_members.treatments import (
    DONE,
    NAMED,
    OFF,
    REFUSED,
    TAGS,
    VPC,
    Only,
    Table,
)

_INPUT_MODE = Only(("File",), named=("FastFile",))  # FastFile: all files are there at the start

JOBS: dict[str, Table] = {
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
            "CompressionType": OFF,  # of Pipe mode
            "RecordWrapperType": OFF,  # of Pipe mode
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
        "VpcConfig": VPC,
        "StoppingCondition": {
            "MaxRuntimeInSeconds": DONE,
            "MaxWaitTimeInSeconds": DONE,
            "MaxPendingTimeInSeconds": NAMED,
        },
        "Tags": TAGS,
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
            "AppManaged": OFF,
            "S3Input": {
                "S3Uri": DONE,
                "LocalPath": DONE,
                "S3DataType": Only(("S3Prefix",)),
                "S3InputMode": Only(("File",)),
                "S3DataDistributionType": DONE,
                "S3CompressionType": OFF,  # of Pipe mode
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
                "AppManaged": OFF,
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
            "VpcConfig": VPC,
        },
        "RoleArn": DONE,
        "Tags": TAGS,
        "ExperimentConfig": NAMED,
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
        "Tags": TAGS,
        "ExperimentConfig": NAMED,
    },
}
