"""Members of the requests for models, their versions in the registry, and endpoints."""

from local_aws.sagemaker.request_members.treatments import TAGS, VPC, Only, Table, members

_CONTAINER = members(
    done="ContainerHostname Image ModelDataUrl Environment ModelPackageName",
    named="ImageConfig ContainerMetricsConfig",
    refused="AdditionalModelDataSources InferenceSpecificationName MultiModelConfig",
    Mode=Only(("SingleModel",)),
    ModelDataSource=members(
        S3DataSource=members(
            done="S3Uri S3DataType CompressionType",
            named="ModelAccessConfig",
            refused="HubAccessConfig ManifestS3Uri ETag ManifestEtag",
        )
    ),
)
_FILE = members(done="ContentType ContentDigest S3Uri")  # kept, not read
_QUALITY = members(Statistics=_FILE, Constraints=_FILE)

MODELS: dict[str, Table] = {
    "CreateModelPackage": members(
        done=(
            "ModelPackageGroupName ModelPackageDescription ModelApprovalStatus "
            "CustomerMetadataProperties Domain Task SamplePayloadUrl ClientToken"
        ),
        refused=(
            "ModelPackageName ModelPackageRegistrationType ValidationSpecification "
            "SourceAlgorithmSpecification AdditionalInferenceSpecifications SourceUri "
            "SecurityConfig ModelCard ModelLifeCycle ManagedStorageType"
        ),
        off="CertifyForMarketplace",
        MetadataProperties=members(done="CommitId Repository GeneratedBy ProjectId"),
        ModelMetrics=members(
            ModelQuality=_QUALITY,
            ModelDataQuality=_QUALITY,
            Bias=members(Report=_FILE, PreTrainingReport=_FILE, PostTrainingReport=_FILE),
            Explainability=members(Report=_FILE),
        ),
        DriftCheckBaselines=members(
            ModelQuality=_QUALITY,
            ModelDataQuality=_QUALITY,
            Bias=members(
                ConfigFile=_FILE, PreTrainingConstraints=_FILE, PostTrainingConstraints=_FILE
            ),
            Explainability=members(Constraints=_FILE, ConfigFile=_FILE),
        ),
        Tags=TAGS,
        InferenceSpecification=members(
            done=(
                "SupportedContentTypes SupportedResponseMIMETypes "
                "SupportedRealtimeInferenceInstanceTypes SupportedTransformInstanceTypes"
            ),
            Containers=members(
                done=(
                    "ContainerHostname Framework FrameworkVersion NearestModelName Image "
                    "ModelDataUrl Environment"
                ),
                refused=(
                    "ImageDigest ModelDataSource ProductId AdditionalModelDataSources "
                    "AdditionalS3DataSource ModelDataETag IsCheckpoint BaseModel"
                ),
                ModelInput=members(done="DataInputConfig"),
            ),
        ),
        SkipModelValidation=Only(("None",)),
    ),
    "CreateModel": members(
        done="ModelName ExecutionRoleArn EnableNetworkIsolation",
        named="InferenceExecutionConfig",  # of one container: nothing
        PrimaryContainer=_CONTAINER,
        Containers=_CONTAINER,
        Tags=TAGS,
        VpcConfig=VPC,
    ),
    "CreateEndpointConfig": members(
        done="EndpointConfigName",
        named="DataCaptureConfig KmsKeyId MetricsConfig",
        refused=(
            "AsyncInferenceConfig ExplainerConfig ShadowProductionVariants ExecutionRoleArn "
            "VpcConfig EnableNetworkIsolation CrossRegionTrafficConfig"
        ),
        ProductionVariants=members(
            done=(
                "VariantName ModelName InstanceType InitialVariantWeight "
                "ContainerStartupHealthCheckTimeoutInSeconds"
            ),
            named=(
                "VariantInstanceProvisionTimeoutInSeconds CoreDumpConfig VolumeSizeInGB "
                "ModelDataDownloadTimeoutInSeconds EnableSSMAccess ManagedInstanceScaling "
                "RoutingConfig InferenceAmiVersion CapacityReservationConfig"
            ),
            refused="InstancePools AcceleratorType AcceleratorPartitionLayouts",
            InitialInstanceCount=Only((1,), named=tuple(range(2, 1001))),  # one server answers
            ServerlessConfig=members(
                done="MemorySizeInMB MaxConcurrency", named="ProvisionedConcurrency"
            ),
        ),
        Tags=TAGS,
    ),
    "CreateEndpoint": members(
        done="EndpointName EndpointConfigName",
        named="DeploymentConfig",  # traffic moves at once
        Tags=TAGS,
    ),
    "UpdateEndpointWeightsAndCapacities": members(
        done="EndpointName",
        DesiredWeightsAndCapacities=members(
            done="VariantName DesiredWeight",
            named="DesiredInstanceCount",
            refused="ServerlessUpdateConfig",
        ),
    ),
    "UpdateEndpoint": members(
        done="EndpointName EndpointConfigName",
        named="DeploymentConfig RetainDeploymentConfig",
        refused="ExcludeRetainedVariantProperties",
        off="RetainAllVariantProperties",
    ),
}
