"""Each check with what it is there to find, on a running local AWS."""

import json
import mmap
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from local_aws.ecr.images import put_image as put_source
from pipeline import preflight
from pipeline.checks.check import FAILURE, NOT_CHECKED, OK, WARNING, Check, run_check
from pipeline.checks.permissions import of_operator, of_pipeline, of_training
from pipeline.checks.roles import trusts_sagemaker
from pipeline.checks.run_context import RunContext, Services, make_services
from pipeline.data import Dataset
from pipeline.instances.survey import SURVEY_FILE, save_survey, take_survey
from pipeline.local import ProjectAws
from pipeline.settings import DEFAULT_CONFIG, Settings, load_settings
from pipeline.source_image import CONFIG
from pipeline.stack import Stack, example_stack

import boto3
import image_registry
import pytest
from conftest import trust
from explained import entry_of
from test_build_template import listed, policies
from test_pipeline_data import CASES, REFUSED

GIB = 1024**3
DEPLOY = ".venv/bin/python build/deploy.py restores the roles of build/infrastructure.yml"

Document = dict[str, Any]

EXAMPLE = example_stack("titanic-pipeline", "us-east-1")


@pytest.fixture(scope="module")
def services(local_aws: ProjectAws) -> Services:
    return make_services(boto3.Session(region_name=local_aws.clients.region))


@pytest.fixture(scope="module")
def run(settings: Settings, services: Services) -> RunContext:
    return preflight.find_run_context(
        settings, boto3.Session(region_name=settings.region), services
    )


def check(name: str, services: Services, run: RunContext) -> Check:
    return run_check(name, (preflight.CHECKS | preflight.DRIFT)[name], services, run)


def stack_of(run: RunContext) -> Stack:
    assert isinstance(run.stack, Stack)
    return run.stack


def definition_of(run: RunContext) -> Document:
    assert isinstance(run.definition, dict)
    return run.definition


def repository_of(run: RunContext) -> str:
    return stack_of(run).repository_uri.partition("/")[2]


# Endpoints.


def test_a_service_at_another_place_than_the_others_is_a_failure(
    run: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    split = make_services(boto3.Session(region_name="us-east-1"))
    found = check("endpoints", split, run)
    assert found.status == FAILURE
    assert "the services have different endpoints: " in found.message
    assert "s3 at http://127.0.0.1:9" in found.message
    assert str(found.hint).startswith("unset AWS_ENDPOINT_URL and each")


def test_an_endpoint_in_another_region_is_a_failure(
    run: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    at_aws = make_services(boto3.Session(region_name="us-east-1"))
    assert check("endpoints", at_aws, run).message == "region us-east-1, at AWS"
    elsewhere = make_services(boto3.Session(region_name="eu-west-1"))
    found = check("endpoints", elsewhere, run)
    assert found.status == FAILURE
    assert "sagemaker at https://api.sagemaker.eu-west-1.amazonaws.com" in found.message
    assert "iam" not in found.message, "it has no regions"


def test_a_repository_in_another_region_is_a_failure(services: Services, run: RunContext) -> None:
    uri = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/titanic"
    elsewhere = replace(run, stack=replace(stack_of(run), repository_uri=uri))
    found = check("repository", services, elsewhere)
    assert (found.status, found.message) == (FAILURE, f"{uri} is not in region us-east-1")


# Roles.


def of_account(account: str) -> Document:
    return {"StringEquals": {"aws:SourceAccount": account}}


JOB = "arn:aws:sagemaker:us-east-1:111122223333:training-job/pipelines-x"


def of_sources(*patterns: str) -> Document:
    return {"ArnLike": {"aws:SourceArn": list(patterns)}}


@pytest.mark.parametrize(
    ("document", "trusted"),
    [
        (trust(), True),
        (trust(Condition=of_account("111122223333")), True),
        (trust(Principal={"Service": ["ec2.amazonaws.com", "sagemaker.amazonaws.com"]}), True),
        (trust(Condition=of_account("444455556666")), False),
        (trust(Condition=of_sources("arn:aws:x", JOB.replace("pipelines-x", "*"))), True),
        (trust(Condition=of_sources(JOB.replace("us-east-1", "eu-west-1"))), False),
        (trust(Condition=of_account("444455556666") | of_sources(JOB)), False),
        (trust(Principal={"Service": "ec2.amazonaws.com"}), False),
        (trust(Principal={"AWS": "arn:aws:iam::111122223333:root"}), False),
        (trust(Action="sts:TagSession"), False),
        (trust(Effect="Deny"), False),
    ],
)
def test_trust_is_of_sagemaker_for_this_account_and_resource(
    document: Document, trusted: bool
) -> None:
    assert trusts_sagemaker(document, "111122223333", JOB) is trusted


def test_a_role_that_is_gone_is_a_failure(services: Services, run: RunContext) -> None:
    arn = "arn:aws:iam::123456789012:role/no-such-role"
    found = check("roles", services, replace(run, stack=replace(EXAMPLE, pipeline_role_arn=arn)))
    assert (found.status, found.hint) == (FAILURE, DEPLOY)
    assert found.message == f"{arn} does not exist, although the stack names it"


# Permissions: with spot all of them are needed.


def with_spot(settings: Settings) -> Settings:
    return settings.model_copy(update={"spot": True})


NEEDED = {
    f"{principal} permissions": needed
    for principal, needed in {
        "operator": of_operator,
        "pipeline": of_pipeline,
        "training": of_training,
    }.items()
}
ACTIONS = sorted(
    {
        (name, permission.resource, action)
        for name, needed in NEEDED.items()
        for permission in needed(with_spot(load_settings(DEFAULT_CONFIG)), EXAMPLE)
        for action in permission.actions
    }
)


def inline_policy(iam: Any, role_arn: str) -> Document:
    name = role_arn.rpartition("/")[2]
    (policy,) = iam.list_role_policies(RoleName=name)["PolicyNames"]
    document: Document = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
    return document


def operator_policy(local_aws: ProjectAws) -> Document:
    iam = local_aws.clients.client("iam")
    stacks = local_aws.clients.client("cloudformation").describe_stacks()["Stacks"]
    outputs = {each["OutputKey"]: each["OutputValue"] for each in stacks[0]["Outputs"]}
    arn = outputs["OperatorPolicyArn"]
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    answer = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]
    document: Document = answer["Document"]
    return document


def without(document: Document, action: str) -> Document:
    statements = [
        statement
        | {"Action": [each for each in listed(statement["Action"]) if each != action] or "none:No"}
        for statement in document["Statement"]
    ]
    return document | {"Statement": statements}


@pytest.fixture(scope="module")
def shrunken(local_aws: ProjectAws) -> Iterator[str]:
    """Name of a role and of a user whose policies the tests write."""
    iam, name = local_aws.clients.client("iam"), "shrunken"
    iam.create_user(UserName=name)
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust()), Path="/of/tests/")
    yield name
    iam.delete_user_policy(UserName=name, PolicyName="p")
    iam.delete_user(UserName=name)
    iam.delete_role_policy(RoleName=name, PolicyName="p")
    iam.delete_role(RoleName=name)


def with_policy(
    name: str, role: str, document: Document, services: Services, run: RunContext
) -> RunContext:
    """The run in which the principal of a check has this policy."""
    text, stack = json.dumps(document), stack_of(run)
    run = replace(run, settings=with_spot(run.settings))
    services.iam.put_user_policy(UserName=role, PolicyName="p", PolicyDocument=text)
    services.iam.put_role_policy(RoleName=role, PolicyName="p", PolicyDocument=text)
    arn = services.iam.get_role(RoleName=role)["Role"]["Arn"]
    if name == "pipeline permissions":
        return replace(run, stack=replace(stack, pipeline_role_arn=arn))
    if name == "training permissions":
        return replace(run, stack=replace(stack, training_role_arn=arn))
    return replace(run, identity=services.iam.get_user(UserName=role)["User"]["Arn"])


def policy_of(name: str, local_aws: ProjectAws) -> Document:
    iam = local_aws.clients.client("iam")
    if name == "pipeline permissions":
        return inline_policy(iam, local_aws.stack.pipeline_role_arn)
    if name == "training permissions":
        return inline_policy(iam, local_aws.stack.training_role_arn)
    return operator_policy(local_aws)


@pytest.mark.parametrize("name", NEEDED)
def test_the_policies_of_the_template_are_enough(
    name: str, shrunken: str, services: Services, run: RunContext, local_aws: ProjectAws
) -> None:
    whole = with_policy(name, shrunken, policy_of(name, local_aws), services, run)
    assert check(name, services, whole).status == OK


@pytest.mark.parametrize(
    ("name", "action"), sorted({(name, action) for name, _, action in ACTIONS})
)
def test_each_permission_that_is_missing_is_named(
    name: str,
    action: str,
    shrunken: str,
    services: Services,
    run: RunContext,
    local_aws: ProjectAws,
) -> None:
    document = without(policy_of(name, local_aws), action)
    found = check(name, services, with_policy(name, shrunken, document, services, run))
    assert (found.status, found.exit_code) == (FAILURE, 3)
    assert f"{action} on " in found.message
    assert found.message.count(" on ") == len(
        [each for each in ACTIONS if each[::2] == (name, action)]
    )


def test_what_is_needed_is_what_the_template_allows() -> None:
    """But for building, for looking before the start, and for lists that only people read."""
    other = {
        "UploadTheSource",
        "StartTheBuild",
        "FollowTheBuild",
        "ReadTheRegistry",
        "FindTheSmallestInstance",
        "CheckTheRoles",
        "CheckOneself",
        "CheckOneselfOfIdentityCenter",
        "CheckTheEncryption",
        "SeeWhatIsServed",
        "ScoreInBatches",
    }
    looked_at = {
        "ecr:BatchGetImage",
        "ecr:DescribeImageScanFindings",
        "ecr:GetDownloadUrlForLayer",
        "sagemaker:DescribePipeline",
        "sagemaker:ListPipelineExecutions",
    }
    resources = {
        "operator": "OperatorPolicy",
        "pipeline": "PipelineRole",
        "training": "TrainingRole",
    }
    for principal, resource in resources.items():
        allowed = {
            action
            for statement in policies(resource)
            if statement["Sid"] not in other
            for action in listed(statement["Action"])
        }
        needed = {action for name, _, action in ACTIONS if name.startswith(principal)}
        assert needed == (allowed - looked_at if principal == "operator" else allowed)


def test_a_denial_counts_more_than_what_is_allowed(
    shrunken: str, services: Services, run: RunContext, local_aws: ProjectAws
) -> None:
    name = "training permissions"
    document = policy_of(name, local_aws)
    denied = {"Effect": "Deny", "Action": "s3:*", "Resource": "*"}
    document = document | {"Statement": [*document["Statement"], denied]}
    found = check(name, services, with_policy(name, shrunken, document, services, run))
    assert "s3:GetObject on " in found.message
    assert "ecr:" not in found.message


def test_a_role_may_be_passed_to_sagemaker_alone(
    shrunken: str, services: Services, run: RunContext, local_aws: ProjectAws
) -> None:
    name = "pipeline permissions"
    document = json.loads(
        json.dumps(policy_of(name, local_aws)).replace(
            '"iam:PassedToService": "sagemaker', '"iam:PassedToService": "ec2'
        )
    )
    found = check(name, services, with_policy(name, shrunken, document, services, run))
    training_role = local_aws.stack.training_role_arn
    assert found.message.endswith(f" may not: iam:PassRole on {training_role}")


def test_an_operator_in_a_role_is_found_in_spite_of_its_path(
    shrunken: str, services: Services, run: RunContext, local_aws: ProjectAws
) -> None:
    name = "operator permissions"
    with_policy(name, shrunken, operator_policy(local_aws), services, run)
    arn = "arn:aws:sts::123456789012:assumed-role/shrunken/me@example.com"
    assert check(name, services, replace(run, identity=arn)).status == OK
    document = without(operator_policy(local_aws), "s3:PutObject")
    with_policy(name, shrunken, document, services, run)
    found = check(name, services, replace(run, identity=arn))
    assert found.message.startswith(
        "arn:aws:iam::123456789012:role/of/tests/shrunken may not: s3:PutObject on arn:aws:s3:::"
    )
    assert found.hint == "ask for the policy OperatorPolicyArn of stack titanic-pipeline"


SSO = "AWSReservedSSO_Operator_0123456789abcdef"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/", "operators"),
        ("/aws-reserved/sso.amazonaws.com/", SSO),
        ("/aws-reserved/sso.amazonaws.com/us-east-1/", SSO),
    ],
)
def test_the_usual_roles_are_found_without_asking_for_them(
    path: str, name: str, services: Services, run: RunContext, local_aws: ProjectAws
) -> None:
    admin, iam, asked = services.iam, local_aws.clients.client("iam"), []
    iam.meta.events.register("before-call.iam", lambda model, **_: asked.append(model.name))
    admin.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust()), Path=path)
    text = json.dumps(operator_policy(local_aws))
    admin.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=text)
    arn = f"arn:aws:sts::123456789012:assumed-role/{name}/me@example.com"
    try:
        found = check(
            "operator permissions", replace(services, iam=iam), replace(run, identity=arn)
        )
    finally:
        admin.delete_role_policy(RoleName=name, PolicyName="p")
        admin.delete_role(RoleName=name)
    assert found.status == OK, found.message
    assert set(asked) == {"SimulatePrincipalPolicy"}


@pytest.mark.parametrize(
    ("arn", "why"),
    [
        ("arn:aws:iam::123456789012:root", "the root user has no policies"),
        ("arn:aws:sts::123456789012:federated-user/x", "is neither a user nor a role of IAM"),
    ],
)
def test_who_has_no_policies_is_not_checked(
    arn: str, why: str, services: Services, run: RunContext
) -> None:
    found = check("operator permissions", services, replace(run, identity=arn))
    assert found.status == NOT_CHECKED
    assert why in found.message


# Bucket and data.


def test_a_bucket_that_is_gone_is_a_failure(services: Services, run: RunContext) -> None:
    found = check("bucket", services, replace(run, stack=EXAMPLE))
    assert found.status == FAILURE
    assert found.message == f"{EXAMPLE.bucket} does not exist, although the stack names it"


def test_data_larger_than_the_disk_is_a_failure(
    services: Services, run: RunContext, settings: Settings
) -> None:
    large: Any = mmap.mmap(-1, GIB)  # an empty gibibyte, which takes no memory
    channels = {"train": large, "validation": b"x"}
    smaller = settings.model_copy(update={"volume_size_gb": 1})
    found = check("data", services, replace(run, settings=smaller, dataset=Dataset(channels)))
    assert found.status == FAILURE
    assert found.message == "1,073,741,825 bytes do not fit on a disk of 1 GB"
    assert found.name in entry_of("disk").preflight
    assert check("data", services, replace(run, dataset=Dataset(channels))).status == OK


@pytest.fixture
def with_channel(services: Services, run: RunContext) -> Iterator[Callable[..., RunContext]]:
    """Puts objects below a prefix for a channel, which is given in place of the run's own."""
    bucket = stack_of(run).bucket

    def put(channel: str, **objects: bytes) -> RunContext:
        for name, content in objects.items():
            services.s3.put_object(Bucket=bucket, Key=f"data/titanic/mine/{name}", Body=content)
        return replace(run, other_data={channel: f"s3://{bucket}/data/titanic/mine/"})

    yield put
    for item in services.s3.list_objects_v2(Bucket=bucket, Prefix="data/titanic/mine/")["Contents"]:
        services.s3.delete_object(Bucket=bucket, Key=item["Key"])


@pytest.mark.parametrize("name", [name for name in REFUSED if name != "few-rows.csv"])
def test_a_channel_in_s3_that_cannot_be_trained_on_is_a_failure(
    name: str, services: Services, with_channel: Callable[..., RunContext]
) -> None:
    run = with_channel("train", part=(CASES / name).read_bytes())
    found = check("data", services, run)
    assert found.status == FAILURE
    assert found.message.startswith("s3://")
    message, hint = REFUSED[name]
    assert message in found.message
    assert hint in str(found.hint)


def test_too_few_validation_rows_in_s3_are_warned_of(
    services: Services, with_channel: Callable[..., RunContext]
) -> None:
    run = with_channel("validation", part=(CASES / "few-rows.csv").read_bytes())
    found = check("data", services, run)
    assert found.status == WARNING
    assert "10 rows of s3://" in found.message
    assert found.hint == "give 100 rows or more"
    enough = with_channel("validation", part=(CASES / "kaggle.csv").read_bytes())
    assert check("data", services, enough).status == OK


def test_hidden_and_empty_objects_of_a_channel_are_no_data(
    services: Services, with_channel: Callable[..., RunContext]
) -> None:
    content = (CASES / "kaggle.csv").read_bytes()
    hidden = {"_SUCCESS": b"", "_temporary/part": b"no CSV", ".ipynb_checkpoints/a": b"no CSV"}
    run = with_channel("train", **hidden)
    found = check("data", services, run)
    assert found.status == FAILURE
    assert found.message.startswith("train: no file in s3://")
    run = with_channel("train", part=content, empty=b"", header=content.splitlines()[0])
    assert check("data", services, run).status == OK


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("gib", "status"), [(1, OK), (5, WARNING), (9, FAILURE)])
def test_data_must_fit_twice_into_the_memory_of_the_instance(
    gib: int, status: str, services: Services, run: RunContext
) -> None:
    large: Any = mmap.mmap(-1, gib * GIB)
    found = check("memory", services, replace(run, dataset=Dataset({"train": large})))
    assert found.status == status
    assert found.message == f"ml.m5.large has 8,192 MiB, the data has {gib * 1024:,} MiB"


def test_the_memory_that_a_run_held_counts_more_than_the_data(
    here: Path, services: Services, run: RunContext
) -> None:
    name = run.settings.pipeline_name
    record = {
        "region": "us-east-1",
        "pipeline_arn": f"arn:aws:sagemaker:us-east-1:123456789012:pipeline/{name}",
        "training_job_status": "Completed",
        "ended_at": "2026-01-01T00:00:00+00:00",
        "peak_memory_mib": 9000,
    }
    (here / "runs" / "a").mkdir(parents=True)
    (here / "runs" / "a" / "run.json").write_text(json.dumps(record))
    found = check("memory", services, run)
    assert found.status == FAILURE
    assert found.message == "ml.m5.large has 8,192 MiB, the training program used 9,000 MiB"
    assert found.name in entry_of("memory").preflight
    (here / "runs" / "a" / "run.json").write_text("{}")
    assert check("memory", services, run).message.endswith(" the data has 0 MiB")


NO_USE = (
    "ml.g5.xlarge has 1 GPU, the image is for none: the GPU would be idle",
    "set accelerator: cuda in pipeline.yaml and run `.venv/bin/python build/push_image.py`, or "
    "choose an instance_type without a GPU",
)
ONE_OF_MANY = (
    "ml.g5.12xlarge has 4 GPUs, the image is for cuda: the program uses one on each instance",
    "choose an instance_type with one GPU, and more of them with instance_count",
)


@pytest.mark.parametrize(
    ("instance_type", "accelerator", "status", "said"),
    [
        ("ml.m5.large", "none", OK, ("ml.m5.large has no GPU, the image is for none", None)),
        ("ml.g5.xlarge", "cuda", OK, ("ml.g5.xlarge has 1 GPU, the image is for cuda", None)),
        ("ml.g5.xlarge", "none", WARNING, NO_USE),
        ("ml.g5.12xlarge", "cuda", WARNING, ONE_OF_MANY),
        (
            "ml.m5.large",
            "cuda",
            OK,
            ("ml.m5.large has no GPU, the image is for cuda: it will train on the CPU", None),
        ),
        ("ml.p2.xlarge", "cuda", NOT_CHECKED, ("EC2 does not have ml.p2.xlarge", None)),
    ],
)
def test_a_gpu_that_the_image_does_not_use_is_told_before_it_is_paid_for(
    instance_type: str,
    accelerator: str,
    status: str,
    said: tuple[str, str | None],
    services: Services,
    run: RunContext,
    settings: Settings,
) -> None:
    other = settings.model_copy(update={"accelerator": accelerator})
    found = check(
        "accelerator", services, replace(run, settings=other, instance_type=instance_type)
    )
    assert (found.status, (found.message, found.hint)) == (status, said)


# The image.


@pytest.fixture
def put_image(
    services: Services, run: RunContext
) -> Iterator[Callable[[Document, str], RunContext]]:
    """Puts another image; the run that names it."""
    digests = []

    def put(manifest: Document, media_type: str) -> RunContext:
        answer = services.ecr.put_image(
            repositoryName=repository_of(run),
            imageManifest=json.dumps(manifest | {"mediaType": media_type}),
            imageManifestMediaType=media_type,
            imageTag="other",
        )
        digests.append(answer["image"]["imageId"]["imageDigest"])
        return replace(run, image_uri=f"{stack_of(run).repository_uri}@{digests[-1]}")

    yield put
    for digest in digests:
        services.ecr.batch_delete_image(
            repositoryName=repository_of(run), imageIds=[{"imageDigest": digest}]
        )


@pytest.mark.parametrize("name", ["image", "image scan"])
def test_an_image_of_someone_else_is_not_checked(
    name: str, services: Services, run: RunContext
) -> None:
    uri = "public.ecr.aws/some/image:tag"
    assert check(name, services, replace(run, image_uri=uri)).status == NOT_CHECKED


def test_what_a_scan_found_is_a_warning(
    services: Services, put_image: Callable[[Document, str], RunContext]
) -> None:
    layer = {"digest": f"sha256:{'2' * 64}"}
    run = put_image(
        {"schemaVersion": 2, "config": {"size": 2}, "layers": [layer]},
        "application/vnd.oci.image.manifest.v1+json",
    )
    assert check("image", services, run).status == OK
    assert check("image scan", services, run).message == "the image has not been scanned"
    services.ecr.start_image_scan(repositoryName=repository_of(run), imageId={"imageTag": "other"})
    found = check("image scan", services, run)
    assert (found.status, found.message) == (WARNING, "1 HIGH findings in the image")
    assert str(found.hint).startswith("aws ecr describe-image-scan-findings --repository-name ")


def test_a_base_image_that_is_newer_than_the_image_is_a_warning(
    services: Services, run: RunContext
) -> None:
    built_on, present = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"
    uri = stack_of(run).repository_uri
    labels = {"config": {"Labels": {"org.opencontainers.image.base.name": f"python@{built_on}"}}}
    digest = put_source(services.ecr, uri, "labelled", b"layer", {**CONFIG, **labels})
    labelled = replace(run, image_uri=f"{uri}@{digest}")
    for now, status in ((built_on, OK), (present, WARNING)):
        with image_registry.serving(now) as name:
            named = run.settings.model_copy(update={"base_image": name})
            found = check("base image", services, replace(labelled, settings=named))
        assert found.status == status, found.message
    assert found.message == f"{name} is now {present}, but the image was built on {built_on}"
    assert str(found.hint).startswith(f"set base_image to {name}@{present} in pipeline.yaml, then ")
    unreachable = run.settings.model_copy(update={"base_image": "127.0.0.1:9/python"})
    found = check("base image", services, replace(labelled, settings=unreachable))
    assert found.status == NOT_CHECKED
    services.ecr.batch_delete_image(
        repositoryName=repository_of(run), imageIds=[{"imageDigest": digest}]
    )


# The instance.


def test_a_type_that_is_not_proved_to_be_the_smallest_is_a_warning(
    services: Services, run: RunContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    at_aws = make_services(boto3.Session(region_name="us-east-1"))
    assert check("smallest", services, run).status == NOT_CHECKED, "a rehearsal"
    unproved = check("smallest", at_aws, run)
    assert unproved.status == WARNING
    assert unproved.message.startswith("no smallest-instance.json of us-east-1 proves that ml.m5")
    assert unproved.hint == ".venv/bin/python pipeline/smallest_instance.py writes the proof"
    session = boto3.Session(region_name=run.settings.region)
    monkeypatch.setenv("AWS_ENDPOINT_URL", services.sts.meta.endpoint_url)
    save_survey(take_survey(session, run.settings, [])[1], SURVEY_FILE)
    assert check("smallest", services, run).message == "ml.m5.large, by smallest-instance.json"
    assert check("smallest", at_aws, run).status == WARNING, "the survey is of local AWS"
    larger = check("smallest", services, replace(run, instance_type="ml.m5.xlarge"))
    assert larger.status == WARNING
    assert larger.message.startswith("ml.m5.xlarge is not the smallest: ml.m5.large is")


def test_more_instances_than_the_quota_are_a_failure(services: Services, run: RunContext) -> None:
    none = replace(run, instance_type="ml.t3.large")
    found = check("quota", services, none)
    assert found.status == FAILURE
    assert found.message == "the account may have 0 ml.t3.large on demand, 1 is needed"
    assert str(found.hint).startswith(
        "aws service-quotas request-service-quota-increase --service-code sagemaker "
        "--quota-code L-B95AAE44 --desired-value 1 --region us-east-1; or "
    )
    many = run.settings.model_copy(update={"instance_count": 16})
    found = check("quota", services, replace(run, settings=many))
    assert found.message == "the account may have 15 ml.m5.large on demand, 16 is needed"


def test_the_quota_is_that_of_spot_when_spot_is_asked_for(
    services: Services, run: RunContext
) -> None:
    spot = run.settings.model_copy(update={"spot": True})
    assert check("quota", services, replace(run, settings=spot)).message == (
        "1 of 10 ml.m5.large spot"
    )
    found = check("quota", services, replace(run, settings=spot, instance_type="ml.m5.xlarge"))
    assert (found.status, found.message[:26]) == (FAILURE, "the account may have 0 ml.")


def test_a_type_without_a_quota_is_a_warning(services: Services, run: RunContext) -> None:
    found = check("quota", services, replace(run, instance_type="ml.t3.medium"))
    assert found.status == WARNING
    assert found.message.startswith("Service Quotas has no quota for ml.t3.medium on demand")


# The definition.


def test_a_name_or_a_length_that_is_not_legal_is_a_failure(
    services: Services, run: RunContext
) -> None:
    long = run.settings.model_copy(update={"pipeline_name": "n" * 300})
    found = check("definition", services, replace(run, settings=long))
    assert found.status == FAILURE
    assert "PipelineName" in found.message
    changed = json.loads(json.dumps(run.definition))
    changed["Steps"][0]["Arguments"]["StoppingCondition"]["MaxRuntimeInSeconds"] = 0
    changed["Steps"][0]["Name"] = "not legal"
    found = check("definition", services, replace(run, definition=changed))
    assert "step 'not legal': the name is not legal" in found.message
    assert "MaxRuntimeInSeconds" in found.message
    assert found.name in entry_of("constraint").preflight
    assert found.name in entry_of("definition").preflight


def test_the_deployed_pipeline_is_compared_line_by_line(
    services: Services, run: RunContext
) -> None:
    name, sagemaker = "titanic-pipeline-drifting", services.sagemaker
    run = replace(run, settings=run.settings.model_copy(update={"pipeline_name": name}))
    assert check("drift", services, run).message == "titanic-pipeline-drifting is not deployed yet"
    sagemaker.create_pipeline(
        PipelineName=name,
        PipelineDefinition=json.dumps(definition_of(run)),
        ClientRequestToken="x" * 32,
        RoleArn=stack_of(run).pipeline_role_arn,
    )
    try:
        assert (
            check("drift", services, run).message
            == "titanic-pipeline-drifting is deployed with this definition"
        )
        changed = json.loads(json.dumps(run.definition))
        changed["Parameters"][0]["DefaultValue"] = "ml.m5.xlarge"
        found = check("drift", services, replace(run, definition=changed))
    finally:
        sagemaker.delete_pipeline(PipelineName=name, ClientRequestToken="x" * 32)
    assert found.status == WARNING
    lines = str(found.detail).splitlines()
    assert [line for line in lines if line[0] in "+-"] == [
        "--- deployed",
        "+++ defined here",
        '-      "DefaultValue": "ml.m5.large",',
        '+      "DefaultValue": "ml.m5.xlarge",',
    ]


# What is missing.


def test_a_service_that_cannot_be_reached_costs_the_check_only(
    run: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    nowhere = make_services(boto3.Session(region_name="us-east-1"))
    found = check("pipeline permissions", nowhere, run)
    assert found.status == WARNING
    assert found.message.startswith("not checked: Could not connect to the endpoint URL")
