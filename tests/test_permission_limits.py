"""What the policies of build/infrastructure.yml refuse on purpose, tried as the principal itself.

Each limit is shown to be sufficient (the call is refused) and needed (with the limit taken out of
the policy, IAM lets the same call pass).
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from local_aws.clients import Clients

import pytest
from botocore.exceptions import ClientError
from conftest import ROOT, serving, trust
from generated import assert_section_current
from least_privilege import BUILD, OPERATOR, PIPELINE, TRAINING, Rehearsal

PAGE = ROOT / "docs" / "permissions.md"
REFUSED = ("AccessDenied", "AccessDeniedException", "403")

OTHER = "titanic-pipelines"  # another team's pipeline: the stack's name, but no dash after it
BUCKET = "titanic-pipeline-123456789012-us-east-1"
PIPELINES = "arn:aws:sagemaker:us-east-1:123456789012:pipeline/*"

Statement = dict[str, Any]
Change = Callable[[Statement], object]


@dataclass(frozen=True)
class Limit:
    principal: str
    sid: str  # of the statement that holds the limit
    refused: str  # for the documentation: what the principal may not do
    by: str  # for the documentation: the part of the statement that says so
    attempt: Callable[[Clients], object]
    lift: Change  # takes the limit out of the statement


def to(**elements: Any) -> Change:
    """Return a change of a statement that overwrites some of its elements."""
    return lambda statement: statement.update(elements)


DEFINITION = json.dumps(
    {
        "Version": "2020-12-01",
        "Steps": [{"Name": "Fail", "Type": "Fail", "Arguments": {"ErrorMessage": "theirs"}}],
    }
)
TOKEN = "x" * 32


def update_other_pipeline(clients: Clients) -> None:
    clients.client("sagemaker").update_pipeline(
        PipelineName=OTHER, PipelineDefinition=DEFINITION, PipelineDescription="rewritten"
    )


def start_other_pipeline(clients: Clients) -> None:
    clients.client("sagemaker").start_pipeline_execution(
        PipelineName=OTHER, ClientRequestToken=TOKEN
    )


def start_build(**changes: Any) -> Callable[[Clients], object]:
    """Return an attempt to start a build as push_image.py does, but for the changes."""

    def attempt(clients: Clients) -> None:
        given = {"sourceLocationOverride": f"{BUCKET}/build/0123456789abcdef.zip", **changes}
        clients.client("codebuild").start_build(projectName="titanic-pipeline-build", **given)

    return attempt


def without_key(operator: str, key: str) -> Change:
    """Return a change of a statement that takes one key out of its condition."""
    return lambda statement: statement["Condition"][operator].pop(key)


def override(member: str, value: Any, key: str, what: str) -> Limit:
    """Return the limit that keeps one member out of StartBuild."""
    return Limit(
        OPERATOR,
        "StartTheBuild",
        f"build with another {what}",
        f"`{key}`",
        start_build(**{member: value}),
        without_key("Null", key),
    )


def put(key: str) -> Callable[[Clients], object]:
    return lambda clients: clients.client("s3").put_object(Bucket=BUCKET, Key=key, Body=b"theirs")


def delete(key: str) -> Callable[[Clients], object]:
    return lambda clients: clients.client("s3").delete_object(Bucket=BUCKET, Key=key)


def find(**prefix: str) -> Callable[[Clients], object]:
    return lambda clients: clients.client("s3").list_objects_v2(Bucket=BUCKET, **prefix)


JOB = {
    "AlgorithmSpecification": {"TrainingImage": "theirs", "TrainingInputMode": "File"},
    "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/models/titanic"},
    "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
    "RoleArn": "arn:aws:iam::123456789012:role/titanic-pipeline-us-east-1-training",
    "StoppingCondition": {"MaxRuntimeInSeconds": 60},
}


def train(clients: Clients) -> None:
    clients.client("sagemaker").create_training_job(TrainingJobName="pipelines-theirs", **JOB)


def tune(clients: Clients) -> None:
    limits = {"MaxNumberOfTrainingJobs": 1, "MaxParallelTrainingJobs": 1}
    clients.client("sagemaker").create_hyper_parameter_tuning_job(
        HyperParameterTuningJobName="theirs-Tune-1",
        HyperParameterTuningJobConfig={"Strategy": "Random", "ResourceLimits": limits},
        TrainingJobDefinition=JOB,
    )


NO_CONDITION = to(Condition={})


def objects(principal: str, sid: str, what: str, attempt: Callable[[Clients], object]) -> Limit:
    """Return the limit of a statement to some objects of the bucket."""
    anywhere = to(Resource=f"arn:aws:s3:::{BUCKET}/*")
    return Limit(principal, sid, what, "`Resource`", attempt, anywhere)


def listing(principal: str, what: str, **prefix: str) -> Limit:
    """Return the limit to the part of the bucket that a principal may list."""
    return Limit(principal, "FindTheData", what, "`s3:prefix`", find(**prefix), NO_CONDITION)


def isolation(sid: str, what: str, attempt: Callable[[Clients], object]) -> Limit:
    """Return the limit of the pipeline's role to jobs without a network."""
    return Limit(PIPELINE, sid, what, "`sagemaker:NetworkIsolation`", attempt, NO_CONDITION)


S3_LOG = {"s3Logs": {"status": "ENABLED", "location": f"{BUCKET}/log"}}

LIMITS = [
    Limit(
        OPERATOR,
        "RunThePipeline",
        "update a pipeline whose name does not begin with the stack's name",
        "`Resource`",
        update_other_pipeline,
        to(Resource=PIPELINES),
    ),
    Limit(
        OPERATOR,
        "RunThePipeline",
        "start a pipeline whose name does not begin with the stack's name",
        "`Resource`",
        start_other_pipeline,
        to(Resource=PIPELINES),
    ),
    Limit(
        OPERATOR,
        "StartTheBuild",
        "build a source other than an archive in `build/` of the bucket",
        "`codebuild:source.location`",
        start_build(sourceLocationOverride="https://github.com/they/theirs"),
        without_key("StringLike", "codebuild:source.location"),
    ),
    Limit(
        OPERATOR,
        "StartTheBuild",
        "set a variable of the build that push_image.py does not set",
        "`codebuild:environment.environmentVariables.name`",
        start_build(environmentVariablesOverride=[{"name": "BASH_ENV", "value": "$(id)"}]),
        without_key("ForAllValues:StringEquals", "codebuild:environment.environmentVariables.name"),
    ),
    override("buildspecOverride", "version: 0.2", "codebuild:source.buildspec", "buildspec"),
    override("imageOverride", "their/image", "codebuild:environment.image", "builder image"),
    override(
        "privilegedModeOverride", True, "codebuild:environment.privilegedMode", "privileged mode"
    ),
    override("environmentTypeOverride", "ARM_CONTAINER", "codebuild:environment.type", "type"),
    override(
        "computeTypeOverride", "BUILD_GENERAL1_2XLARGE", "codebuild:environment.computeType", "size"
    ),
    override("serviceRoleOverride", "arn:aws:iam::1:role/x", "codebuild:serviceRole", "role"),
    override("logsConfigOverride", S3_LOG, "codebuild:logsConfig", "log location"),
    override("cacheOverride", {"type": "LOCAL"}, "codebuild:cache", "cache"),
    override("artifactsOverride", {"type": "S3"}, "codebuild:artifacts", "location of artifacts"),
    override(
        "secondaryArtifactsOverride",
        [{"type": "S3", "artifactIdentifier": "theirs"}],
        "codebuild:secondaryArtifacts",
        "location of secondary artifacts",
    ),
    override(
        "secondarySourcesOverride",
        [{"type": "GITHUB", "location": "https://github.com/they/theirs"}],
        "codebuild:secondarySources",
        "secondary source",
    ),
    listing(OPERATOR, "list models or archives", Prefix="models/"),
    listing(OPERATOR, "list the whole bucket"),
    objects(
        OPERATOR,
        "UploadTheData",
        "write outside `data/` of the bucket, even into a folder `data/` of a job",
        put("models/titanic/pipelines-theirs/data/model.tar.gz"),
    ),
    objects(
        OPERATOR,
        "UploadTheSource",
        "write files other than archives into `build/`, such as the SBOM of an image",
        put("build/0123456789abcdef.cdx.json"),
    ),
    objects(
        BUILD,
        "KeepTheSbom",
        "write files other than SBOMs into `build/`, such as its own source",
        put("build/0123456789abcdef.zip"),
    ),
    isolation(
        "TrainInIsolation", "start a training job whose program could use the training role", train
    ),
    isolation(
        "TuneInIsolation", "start a tuning job whose programs could use the training role", tune
    ),
    listing(TRAINING, "list models or archives", Prefix="models/"),
    listing(TRAINING, "list the whole bucket"),
    objects(
        TRAINING,
        "WriteTheResults",
        "overwrite data or archives, even in a folder `models/` there",
        put("build/models/0123456789abcdef.zip"),
    ),
    objects(
        TRAINING,
        "KeepCheckpoints",
        "delete objects other than checkpoints, even in a folder `checkpoints/` there",
        delete("models/titanic/checkpoints/model.tar.gz"),
    ),
]


@pytest.fixture(scope="module")
def rehearsal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    """A local AWS that enforces IAM, with the pipeline of another team in it."""
    folder = tmp_path_factory.mktemp("limits")
    with serving(folder, "--enforce-iam") as environment:
        rehearsal = Rehearsal(environment, folder, "pipeline.yaml")
        role = rehearsal.administrator.client("iam").create_role(
            RoleName=OTHER, AssumeRolePolicyDocument=json.dumps(trust())
        )
        rehearsal.administrator.client("sagemaker").create_pipeline(
            PipelineName=OTHER,
            PipelineDefinition=DEFINITION,
            ClientRequestToken=TOKEN,
            RoleArn=role["Role"]["Arn"],
        )
        yield rehearsal


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: f"{limit.principal}-{limit.refused}")
def test_a_limit_is_sufficient_and_needed(limit: Limit, rehearsal: Rehearsal) -> None:
    clients = rehearsal.clients(limit.principal)
    assert refused(limit.attempt, clients)
    with rehearsal.changed(limit.principal, limit.sid, limit.lift):
        assert not refused(limit.attempt, clients)


def create_pipeline_of_another_name(clients: Clients, role_arn: str) -> None:
    clients.client("sagemaker").create_pipeline(
        PipelineName="another-teams",
        PipelineDefinition=DEFINITION,
        ClientRequestToken=TOKEN,
        RoleArn=role_arn,
    )


def train_in_another_region(clients: Clients, role_arn: str) -> None:
    keys = clients.environment()
    elsewhere = Clients(
        clients.endpoint, "eu-west-1", keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"]
    )
    elsewhere.client("sagemaker").create_training_job(
        TrainingJobName="pipelines-theirs", **(JOB | {"RoleArn": role_arn})
    )


@pytest.mark.parametrize(
    ("principal", "attempt"),
    [(PIPELINE, create_pipeline_of_another_name), (TRAINING, train_in_another_region)],
)
def test_a_role_is_not_taken_for_what_its_trust_does_not_name(
    principal: str, attempt: Callable[[Clients, str], object], rehearsal: Rehearsal
) -> None:
    iam, name = rehearsal.administrator.client("iam"), rehearsal.role(principal)
    role = iam.get_role(RoleName=name)["Role"]
    assert distrusted(attempt, rehearsal.administrator, role["Arn"])
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(trust()))
    try:
        assert not distrusted(attempt, rehearsal.administrator, role["Arn"])
    finally:
        before = json.dumps(role["AssumeRolePolicyDocument"])
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=before)


def distrusted(attempt: Callable[[Clients, str], object], clients: Clients, role_arn: str) -> bool:
    """Whether SageMaker may not take the role; what else may be wrong does not count."""
    try:
        attempt(clients, role_arn)
    except ClientError as error:
        return f"Could not assume role {role_arn}" in str(error)
    return False


def refused(attempt: Callable[[Clients], object], clients: Clients) -> bool:
    """Whether IAM refuses the calls; what else may be wrong with them does not count."""
    try:
        attempt(clients)
    except ClientError as error:
        return error.response["Error"]["Code"] in REFUSED
    return False


@pytest.mark.generated
def test_the_table_of_the_documentation_has_every_limit() -> None:
    assert_section_current(PAGE, "limits", table())


def table() -> str:
    header = "| who | may not | because of |\n| --- | --- | --- |\n"
    return header + "".join(
        f"| {limit.principal} | {limit.refused} | {limit.by} of {limit.sid} |\n" for limit in LIMITS
    )
