"""Members of the requests for models, their versions in the registry, and endpoints."""

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

MODELS: dict[str, Table] = {
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
        "CertifyForMarketplace": OFF,
        "Tags": TAGS,
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
        "Tags": TAGS,
        "VpcConfig": VPC,
        "EnableNetworkIsolation": DONE,
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
        "Tags": TAGS,
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
        "Tags": TAGS,
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
        "RetainAllVariantProperties": OFF,
        "ExcludeRetainedVariantProperties": REFUSED,
        "DeploymentConfig": NAMED,
        "RetainDeploymentConfig": NAMED,
    },
}
