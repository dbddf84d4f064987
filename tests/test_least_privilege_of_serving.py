"""Train, approve, deploy, score and roll back as four persons, on a local AWS that enforces IAM.

Each has the policies of build/infrastructure.yml that docs/settings.md names, and nothing else:
what is asked for is allowed, and what is allowed is asked for, or stays for a reason. Once without
any setting of a company, and once with all of them.
"""

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from local_aws.environment import aws_environment
from pipeline import approve, deploy_model, score
from pipeline.settings import Settings

import pytest
from conftest import serving
from container_engine import administrator, write_settings
from least_privilege import OPERATOR, PIPELINE, Call, Permission, Rehearsal
from test_build_template import EVERYTHING, RESOURCES, listed, policies
from test_least_privilege_of_settings import STACK, prepare

APPROVER, DEPLOYER, SCORER, MODEL = "approver", "deployer", "scorer", "model"
CONFIG = ["--config", "pipeline.yaml"]
POLICIES = {  # of each person, by the output with its ARN; the operator has hers already
    APPROVER: ("ApproverPolicyArn",),
    DEPLOYER: ("DeployerPolicyArn",),
    SCORER: ("OperatorPolicyArn", "DeployerPolicyArn"),
}
SERVING = 'SageMaker\'s own: "CreateModel API: Execution Role Permissions", developer guide'

# Of these two, the one statement that is for serving.
OF_SERVING = {PIPELINE: "ScoreInBatches", OPERATOR: "SeeWhatIsServed"}

# What the flow does without on local AWS, and why it is allowed all the same.
STAYS = {
    **{
        Permission(MODEL, sid, action): SERVING
        for sid, actions in {
            "LogIn": ["ecr:GetAuthorizationToken"],
            "PullTheImage": [
                "ecr:BatchCheckLayerAvailability",
                "ecr:BatchGetImage",
                "ecr:GetDownloadUrlForLayer",
            ],
            "ReportMetrics": ["cloudwatch:PutMetricData"],
            "FindTheRows": ["s3:ListBucket"],
            "KeepCapturedRequests": ["s3:PutObject"],
            "WriteTheLog": ["logs:DescribeLogStreams"],
        }.items()
        for action in actions
    },
    Permission(DEPLOYER, "FindPrices", "pricing:GetProducts"): "for an endpoint on an instance",
    Permission(PIPELINE, "ScoreInBatches", "sagemaker:StopTransformJob"): "for Ctrl-C",
    Permission(DEPLOYER, "UseTheKey", "kms:CreateGrant"): "for an endpoint's volume",
    Permission(DEPLOYER, "UseTheKey", "kms:DescribeKey"): "for an endpoint's volume",
}


@dataclass
class Proof:
    resources: dict[str, dict[str, object]]  # of the template, as it was deployed
    codes: dict[str, int]
    calls: list[Call]
    scored: Path
    pages: list[str]  # of the runs


@pytest.fixture(scope="module", params=["nothing set", "everything set"])
def proof(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, settings: Settings
) -> Iterator[Proof]:
    folder = tmp_path_factory.mktemp("serving")
    with serving(folder, "--enforce-iam") as environment:
        if request.param == "everything set":
            prepare(environment, folder)
            yield rehearse(environment, folder, STACK, EVERYTHING)
        else:
            write_settings(folder / "pipeline.yaml", settings.base_image)
            yield rehearse(environment, folder, settings.stack_name, RESOURCES)


def rehearse(
    environment: dict[str, str],
    folder: Path,
    stack_name: str,
    resources: dict[str, dict[str, object]],
) -> Proof:
    clients = administrator(environment)
    cloudformation, iam = clients.client("cloudformation"), clients.client("iam")
    described = cloudformation.describe_stacks(StackName=stack_name)["Stacks"][0]
    outputs = {each["OutputKey"]: each["OutputValue"] for each in described["Outputs"]}
    persons = {}
    for name, own in POLICIES.items():
        iam.create_user(UserName=name)
        for output in own:
            iam.attach_user_policy(UserName=name, PolicyArn=outputs[output])
        key = iam.create_access_key(UserName=name)["AccessKey"]
        persons[name] = environment | {
            "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
        }
    begun = datetime.now(UTC)
    rehearsal = Rehearsal(environment, folder, "pipeline.yaml", stack_name)
    rows = folder / "rows.csv"
    rows.write_text(
        "pclass,sex,age,sibsp,parch,fare,embarked,name,ticket,cabin\n1,f,30,0,0,80,S,a,b,c\n"
    )

    def step(person: str, main: object, *arguments: str) -> int:
        with aws_environment(persons[person]), contextlib.chdir(folder):
            return main([*CONFIG, *arguments])  # type: ignore[operator, no-any-return]

    codes = {"train": rehearsal.train().code}
    codes["deploy too early"] = step(DEPLOYER, deploy_model.main)
    codes["approve"] = step(APPROVER, approve.main, "1", "--reason", "good", "--yes")
    codes["deploy"] = step(DEPLOYER, deploy_model.main)
    # The training job is that of before: only the registration is new.
    codes["train again"] = rehearsal.train("--no-preflight", "--parameter=num_round=1").code
    codes["approve again"] = step(APPROVER, approve.main, "2", "--reason", "good", "--yes")
    codes["deploy again"] = step(DEPLOYER, deploy_model.main)
    codes["roll back"] = step(DEPLOYER, deploy_model.main, "--rollback")
    codes["score"] = step(SCORER, score.main, str(rows))
    pages = [path.read_text("utf-8") for path in folder.glob("runs/*/report.md")]
    return Proof(resources, codes, rehearsal.calls(begun), folder / "rows-scored.csv", pages)


def test_every_step_is_allowed_and_only_an_unapproved_version_is_refused(proof: Proof) -> None:
    codes = dict.fromkeys(proof.codes, 0)
    assert proof.codes == codes | {"deploy too early": 2}
    denied = {
        (call.principal, call.action, call.resource) for call in proof.calls if not call.allowed
    }
    # The SBOM of an image that no build has made is not there, which the operator may not be told.
    assert {each[:2] for each in denied} <= {(OPERATOR, "s3:ListBucket")}
    assert "probability" in proof.scored.read_text()
    served = [re.findall(r"^\| Served now \| (.{9})", page, re.MULTILINE) for page in proof.pages]
    assert sorted(served) == [["nothing i"], ["version 1"]]


@pytest.mark.parametrize(
    ("principal", "resource"),
    [
        (APPROVER, "ApproverPolicy"),
        (DEPLOYER, "DeployerPolicy"),
        (MODEL, "ModelRole"),
        (PIPELINE, "PipelineRole"),
        (OPERATOR, "OperatorPolicy"),
    ],
)
def test_what_is_allowed_is_asked_for(principal: str, resource: str, proof: Proof) -> None:
    who = {DEPLOYER: (DEPLOYER, SCORER)}.get(principal, (principal,))
    asked = [call for call in proof.calls if call.principal in who]
    unused = [
        Permission(principal, statement["Sid"], action)
        for statement in policies(resource, proof.resources)
        for action in listed(statement["Action"])
        if statement["Sid"] == OF_SERVING.get(principal, statement["Sid"])
        and not any(call.action == action for call in asked)
    ]
    assert [each for each in unused if each not in STAYS] == []
