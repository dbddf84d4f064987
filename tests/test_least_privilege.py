"""Every permission of build/infrastructure.yml is needed, or stays for a reason."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from pipeline import cli

import pytest
from conftest import ROOT
from container_engine import NEEDS_ENGINE, base_image, serve, write_settings
from explained import foreseen, says
from generated import assert_section_current
from least_privilege import (
    BUILD,
    LONG,
    OPERATOR,
    PIPELINE,
    TRAINING,
    Call,
    Outcome,
    Permission,
    Rehearsal,
    Statement,
)
from test_build_template import listed, policies

pytestmark = NEEDS_ENGINE

PAGE = ROOT / "docs" / "permissions.md"
RESOURCES = {
    OPERATOR: "OperatorPolicy",
    BUILD: "BuildRole",
    PIPELINE: "PipelineRole",
    TRAINING: "TrainingRole",
}
PERMISSIONS = [
    Permission(principal, statement["Sid"], action)
    for principal, resource in RESOURCES.items()
    for statement in policies(resource)
    for action in listed(statement["Action"])
]

CODEBUILD = 'CodeBuild needs it ("Allow CodeBuild to interact with other AWS services", user guide)'
CACHE = "for the last image as a cache; without it, a build takes longer"
EXECUTION_ROLE = (
    'SageMaker needs it ("CreateTrainingJob API: Execution Role Permissions", developer guide)'
)

REGISTRY = 'SageMaker needs it ("AWS Managed Policies for Model Registry", developer guide)'
SERVING_TEST = "[tested](../tests/test_least_privilege_of_serving.py)"
SERVED = f"for the version that is served; {SERVING_TEST}"
VERSIONS = "for `aws sagemaker list-model-packages` and `describe-model-package`"

# Permissions that the flow on local AWS does not use, and why the policies allow them.
STAYS = {
    Permission(OPERATOR, "RunThePipeline", "sagemaker:ListPipelineExecutions"): (
        "for `report.py latest`, and for the list of executions in SageMaker Studio"
    ),
    Permission(OPERATOR, "ReadTheRegistry", "sagemaker:DescribeModelPackage"): VERSIONS,
    Permission(OPERATOR, "ReadTheRegistry", "sagemaker:ListModelPackages"): VERSIONS,
    Permission(OPERATOR, "SeeWhatIsServed", "sagemaker:DescribeEndpointConfig"): SERVED,
    Permission(OPERATOR, "SeeWhatIsServed", "sagemaker:DescribeModel"): SERVED,
    Permission(OPERATOR, "CheckOneselfOfIdentityCenter", "iam:SimulatePrincipalPolicy"): (
        "for `preflight.py` if the operator comes from IAM Identity Center (the test has a user)"
    ),
    Permission(BUILD, "ReadTheSource", "s3:GetObjectVersion"): CODEBUILD,
    Permission(BUILD, "CheckTheBucket", "s3:GetBucketAcl"): CODEBUILD,
    Permission(BUILD, "CheckTheBucket", "s3:GetBucketLocation"): CODEBUILD,
    Permission(BUILD, "PullAndPushTheImage", "ecr:BatchGetImage"): CACHE,
    Permission(BUILD, "PullAndPushTheImage", "ecr:GetDownloadUrlForLayer"): CACHE,
    **{
        Permission(PIPELINE, "ScoreInBatches", f"sagemaker:{action}"): (
            f"for `score.py`; {SERVING_TEST}"
        )
        for action in (
            "AddTags",
            *(f"{verb}TransformJob" for verb in ("Create", "Describe", "Stop")),
        )
    },
    Permission(PIPELINE, "RegisterModels", "sagemaker:AddTags"): (
        "SageMaker tags the models of a pipeline; local AWS does not"
    ),
    Permission(PIPELINE, "ReadTheModel", "s3:GetObject"): REGISTRY,
    Permission(PIPELINE, "FindTheImage", "ecr:BatchGetImage"): REGISTRY,
    Permission(PIPELINE, "FindTheImage", "ecr:DescribeImages"): REGISTRY,
    **{
        Permission(TRAINING, "KeepCheckpoints", f"s3:{verb}Object"): (
            "for spot: without it, a job fails; [tested](../tests/test_local_aws_spot.py)"
        )
        for verb in ("Delete", "Get", "Put")
    },
    Permission(TRAINING, "PullTheImage", "ecr:BatchCheckLayerAvailability"): EXECUTION_ROLE,
    Permission(TRAINING, "ReportMetrics", "cloudwatch:PutMetricData"): EXECUTION_ROLE,
    Permission(TRAINING, "WriteTheLog", "logs:DescribeLogStreams"): EXECUTION_ROLE,
}
NEEDED = [permission for permission in PERMISSIONS if permission not in STAYS]

CHOOSING = "FindTheSmallestInstance"  # the statement that only smallest_instance.py needs
TUNING = (  # the statements that only tune.py needs
    "ReadTheTuningJob",
    "TuneInIsolation",
    "TuningJobsOfPipelines",
)
CHECKING = (  # actions that only preflight.py needs
    "ecr:BatchGetImage",
    "ecr:DescribeImageScanFindings",
    "ecr:GetDownloadUrlForLayer",
    "iam:GetRole",
    "iam:SimulatePrincipalPolicy",
    "s3:GetEncryptionConfiguration",
    "sagemaker:DescribePipeline",
)
WITH_PUSH = (
    "UploadTheSource",
    "StartTheBuild",
    "FollowTheBuild",
)  # statements that only push_image.py needs
PULLING = ("LogIn", "PullTheImage")  # statements that only an engine without the image needs
PUSHES = Permission(BUILD, "PullAndPushTheImage", "ecr:InitiateLayerUpload")
PULLS = Permission(TRAINING, "PullTheImage", "ecr:BatchGetImage")


@dataclass
class Proof:
    statements: list[Statement]
    whole: dict[str, Outcome]  # the flow with all permissions, in its parts
    without: dict[Permission, Outcome]
    checked: dict[Permission, Outcome]  # by the preflight, where the flow alone would not tell
    lost: dict[Permission, str | None]
    half_pushed: list[Permission]  # whose lack left an image all the same
    calls: list[Call]


@pytest.fixture(scope="module")
def proof(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proof]:
    folder = tmp_path_factory.mktemp("least-privilege")
    write_settings(folder / "pipeline.yaml", base_image())
    # The classic builder keeps no layer of an image that is removed: it must then be pulled.
    with serve(folder, "--enforce-iam", environment={"DOCKER_BUILDKIT": "0"}) as terminal:
        yield rehearse(Rehearsal(terminal.environment, folder, "pipeline.yaml"))


def rehearse(rehearsal: Rehearsal) -> Proof:
    whole: dict[str, Outcome] = {}
    without: dict[Permission, Outcome] = {}
    half_pushed = []

    def building(permission: Permission) -> bool:
        return permission.principal == BUILD or permission.sid in WITH_PUSH

    whole["choose"] = rehearsal.choose()
    for permission in NEEDED:
        if permission.sid == CHOOSING:
            with rehearsal.without(permission):
                without[permission] = rehearsal.choose()

    # Without PutImage the layers are there already, without the last ones the image as well.
    order = ("ecr:PutImage", "codebuild:BatchGetBuilds", "codebuild:StopBuild")
    whole["interrupted build"] = rehearsal.push(interrupt_at="Running command")
    for permission in sorted(
        filter(building, NEEDED), key=lambda p: order.index(p.action) if p.action in order else -1
    ):
        rehearsal.forget_images()
        stop = "Running command" if permission.action == "codebuild:StopBuild" else None
        with rehearsal.without(permission):
            without[permission] = rehearsal.push(interrupt_at=stop)
        if permission.principal == BUILD and rehearsal.images():
            half_pushed.append(permission)

    rehearsal.forget_images()
    whole["push"] = rehearsal.push()

    def checking(permission: Permission) -> bool:
        return permission.principal == OPERATOR and permission.action in CHECKING

    def pulling(permission: Permission) -> bool:
        return permission.principal == TRAINING and permission.sid in PULLING

    for permission in filter(pulling, NEEDED):
        rehearsal.clear_engine()
        with rehearsal.without(permission):
            without[permission] = rehearsal.train()
            if permission == PULLS:
                checked = {permission: rehearsal.check()}

    rehearsal.clear_engine()
    whole["train"] = rehearsal.train()
    whole["check"] = rehearsal.check()
    whole["interrupted training"] = rehearsal.train(*LONG, interrupt_at="[50]")
    whole["tune"] = rehearsal.tune("--jobs=1")
    begun = "step Tune: Executing"
    whole["interrupted tuning"] = rehearsal.tune("--jobs=9", interrupt_at=begun)
    # Without CreatePipeline there is none to update.
    for permission in sorted(NEEDED, key=lambda p: p.action == "sagemaker:CreatePipeline"):
        if permission in without:
            continue
        if permission.action == "sagemaker:CreatePipeline":
            rehearsal.forget_pipeline()
        if permission == Permission(OPERATOR, "UploadTheData", "s3:PutObject"):
            rehearsal.forget_data()
        with rehearsal.without(permission):
            if checking(permission):
                without[permission] = rehearsal.check()
            elif permission.action == "sagemaker:StopHyperParameterTuningJob":
                without[permission] = rehearsal.tune("--jobs=9", interrupt_at=begun)
            elif permission.sid in TUNING:
                without[permission] = rehearsal.tune("--jobs=1")
            elif "sagemaker:Stop" in permission.action:
                without[permission] = rehearsal.train(*LONG, interrupt_at="[50]")
            else:
                without[permission] = rehearsal.train()

    def comparable(permission: Permission) -> Outcome:
        if permission.action == "codebuild:StopBuild":
            return whole["interrupted build"]
        if permission.action == "sagemaker:StopHyperParameterTuningJob":
            return whole["interrupted tuning"]
        if permission.sid in TUNING:
            return whole["tune"]
        if "sagemaker:Stop" in permission.action:
            return whole["interrupted training"]
        if permission.sid == CHOOSING:
            return whole["choose"]
        if checking(permission):
            return whole["check"]
        return whole["push" if building(permission) else "train"]

    lost = {p: outcome.lost(comparable(p)) for p, outcome in without.items()}
    calls = [call for outcome in whole.values() for call in outcome.calls]
    rehearsal.clear_engine()
    return Proof(rehearsal.statements, whole, without, checked, lost, half_pushed, calls)


def test_the_whole_flow_is_allowed(proof: Proof) -> None:
    codes = {name: outcome.code for name, outcome in proof.whole.items()}
    interrupted = {f"interrupted {what}": 130 for what in ("build", "training", "tuning")}
    succeeded = dict.fromkeys(("choose", "push", "train", "tune", "check"), 0)
    assert codes == succeeded | interrupted
    assert [call for call in proof.calls if not call.allowed] == []
    assert {call.principal for call in proof.calls} == {OPERATOR, BUILD, PIPELINE, TRAINING}


@pytest.mark.parametrize("permission", NEEDED, ids=lambda p: f"{p.principal}-{p.sid}-{p.action}")
def test_without_one_permission_the_flow_does_not_succeed(
    permission: Permission, proof: Proof
) -> None:
    outcome = proof.without[permission]
    refused = {(call.principal, call.action) for call in outcome.calls if not call.allowed}
    assert refused == {(permission.principal, permission.action)}
    assert proof.lost[permission]
    assert "Traceback" not in outcome.stderr
    if proof.lost[permission] == f"`{outcome.program}` fails":
        named = permission.action.rpartition(":")[2] in outcome.stderr
        assert named or re.search("403|Forbidden", outcome.stderr), "HEAD is refused without a word"
        assert "\nhint: " in outcome.stderr


def test_a_build_that_lacks_a_permission_pushes_nothing(proof: Proof) -> None:
    assert proof.half_pushed == []


def test_permissions_of_the_registry_that_are_missing_are_explained(proof: Proof) -> None:
    pushed, trained, looked = proof.without[PUSHES], proof.without[PULLS], proof.checked[PULLS]
    assert pushed.code == cli.WRONG_INPUT
    assert says("push-denied", pushed.stderr)
    assert trained.code == cli.NOT_SUCCEEDED
    assert says("image-not-pulled", trained.stderr)
    assert trained.facts["diagnosis"] == "image-not-pulled"
    assert foreseen("image-not-pulled", looked.stdout + looked.stderr)


def test_what_stays_without_being_asked_for_is_allowed_and_has_a_reason(proof: Proof) -> None:
    asked = {permission for permission in STAYS if _calls_for(permission, proof)}
    assert asked == set()
    assert STAYS.keys() <= set(PERMISSIONS)


def test_every_resource_is_asked_for(proof: Proof) -> None:
    """None of a statement's resources is there for nothing."""
    unused = [
        (statement.sid, resource)
        for statement in proof.statements
        if not all(permission in STAYS for permission in statement.permissions)
        for resource in statement.resources
        if not any(call.matches(statement, resource) for call in proof.calls)
    ]
    assert unused == []


@pytest.mark.generated
def test_the_table_of_the_documentation_is_what_was_found(proof: Proof) -> None:
    assert all(proof.lost.values()), "nothing is written: the flow failed (see the other tests)"
    assert_section_current(PAGE, "permissions", table(proof))


def _calls_for(permission: Permission, proof: Proof) -> list[Call]:
    (statement,) = [s for s in proof.statements if permission in s.permissions]
    return [
        call
        for call in proof.calls
        if call.action == permission.action
        and any(call.matches(statement, resource) for resource in statement.resources)
    ]


def table(proof: Proof) -> str:
    """One table for each principal, with a line for each statement and consequence of its lack."""
    lines: list[str] = []
    for principal, statements in groupby(proof.statements, key=lambda each: each.principal):
        lines += ["", f"### The {principal}", ""]
        lines += [
            "| statement: actions | if one is missing, or why it is allowed |",
            "| --- | --- |",
        ]
        for statement in statements:
            what = {p: STAYS.get(p) or proof.lost[p] or "" for p in statement.permissions}
            ordered = sorted(what, key=lambda p: (what[p], p))
            for consequence, group in groupby(ordered, key=lambda p: what[p]):
                actions = ", ".join(f"`{permission.action}`" for permission in group)
                lines.append(f"| {statement.sid}: {actions} | {consequence} |")
    return "\n".join([*lines, "", ""])
