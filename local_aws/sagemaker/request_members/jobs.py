"""Members of the requests for training, processing and transform jobs."""

from local_aws.sagemaker.opt_ml_tree import CHECKPOINT_PATH
from local_aws.sagemaker.request_members.treatments import TAGS, VPC, Only, Table, members

_INPUT_MODE = Only(("File",), named=("FastFile",))  # FastFile: all files are there at the start

JOBS: dict[str, Table] = {
    "CreateTrainingJob": members(
        done=(
            "TrainingJobName HyperParameters RoleArn EnableNetworkIsolation "
            "EnableManagedSpotTraining Environment"
        ),
        named=(
            "EnableInterContainerTrafficEncryption DebugHookConfig DebugRuleConfigurations "
            "ExperimentConfig ProfilerRuleConfigurations RetryStrategy RemoteDebugConfig "
            "InfraCheckConfig SessionChainingConfig"
        ),
        refused="TensorBoardOutputConfig ServerlessJobConfig MlflowConfig ModelPackageConfig",
        AlgorithmSpecification=members(
            done="TrainingImage ContainerEntrypoint ContainerArguments",
            named="EnableSageMakerMetricsTimeSeries TrainingImageConfig",
            refused="AlgorithmName",
            TrainingInputMode=_INPUT_MODE,
            MetricDefinitions=members(done="Name Regex"),
        ),
        InputDataConfig=members(
            done="ChannelName ContentType",
            refused="ShuffleConfig",
            off="CompressionType RecordWrapperType",  # of Pipe mode
            DataSource=members(
                refused="FileSystemDataSource DatasetSource",
                S3DataSource=members(
                    done="S3Uri S3DataDistributionType",
                    refused="AttributeNames InstanceGroupNames ModelAccessConfig HubAccessConfig",
                    S3DataType=Only(("S3Prefix",)),
                ),
            ),
            InputMode=_INPUT_MODE,
        ),
        OutputDataConfig=members(done="S3OutputPath KmsKeyId CompressionType"),
        ResourceConfig=members(
            done="InstanceType InstanceCount VolumeSizeInGB",
            named="VolumeKmsKeyId KeepAlivePeriodInSeconds InstancePlacementConfig",
            refused="InstanceGroups TrainingPlanArn SelectedInstanceType SelectedInstanceCount",
            # The first one always has capacity here.
            InstancePreferences=members(
                done="InstanceType InstanceCount", refused="TrainingPlanArns"
            ),
        ),
        VpcConfig=VPC,
        StoppingCondition=members(
            done="MaxRuntimeInSeconds MaxWaitTimeInSeconds", named="MaxPendingTimeInSeconds"
        ),
        Tags=TAGS,
        CheckpointConfig=members(done="S3Uri", LocalPath=Only((CHECKPOINT_PATH,))),
        ProfilerConfig=members(
            named="S3OutputPath ProfilingIntervalInMilliseconds ProfilingParameters",
            DisableProfiler=Only((True,), named=(False,)),
        ),
    ),
    "CreateProcessingJob": members(
        done="ProcessingJobName Environment RoleArn",
        named="ExperimentConfig",
        ProcessingInputs=members(
            done="InputName",
            refused="DatasetDefinition",
            off="AppManaged",
            S3Input=members(
                done="S3Uri LocalPath S3DataDistributionType",
                off="S3CompressionType",  # of Pipe mode
                S3DataType=Only(("S3Prefix",)),
                S3InputMode=Only(("File",)),
            ),
        ),
        ProcessingOutputConfig=members(
            done="KmsKeyId",
            Outputs=members(
                done="OutputName",
                refused="FeatureStoreOutput",
                off="AppManaged",
                S3Output=members(
                    done="S3Uri LocalPath",
                    S3UploadMode=Only(("EndOfJob",), named=("Continuous",)),  # at the end
                ),
            ),
        ),
        ProcessingResources=members(
            ClusterConfig=members(
                done="InstanceCount InstanceType VolumeSizeInGB",
                named="VolumeKmsKeyId",
                refused="SelectedInstanceType SelectedInstanceCount",
                InstancePreferences=members(done="InstanceType InstanceCount"),
            )
        ),
        StoppingCondition=members(done="MaxRuntimeInSeconds"),
        AppSpecification=members(done="ImageUri ContainerEntrypoint ContainerArguments"),
        NetworkConfig=members(
            done="EnableNetworkIsolation",
            named="EnableInterContainerTrafficEncryption",
            VpcConfig=VPC,
        ),
        Tags=TAGS,
    ),
    "CreateTransformJob": members(
        done=(
            "TransformJobName ModelName MaxConcurrentTransforms MaxPayloadInMB BatchStrategy "
            "Environment"
        ),
        named="ExperimentConfig",
        refused="DataCaptureConfig",
        ModelClientConfig=members(done="InvocationsTimeoutInSeconds InvocationsMaxRetries"),
        TransformInput=members(
            done="ContentType CompressionType",
            DataSource=members(S3DataSource=members(done="S3Uri", S3DataType=Only(("S3Prefix",)))),
            SplitType=Only(("None", "Line")),
        ),
        TransformOutput=members(done="S3OutputPath Accept AssembleWith KmsKeyId"),
        TransformResources=members(
            done="InstanceType InstanceCount", named="VolumeKmsKeyId TransformAmiVersion"
        ),
        DataProcessing=members(done="InputFilter OutputFilter JoinSource"),
        Tags=TAGS,
    ),
}
