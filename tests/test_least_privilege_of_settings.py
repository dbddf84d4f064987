"""With every setting of a company on: what the template then adds is needed, or stays for a reason.

tests/test_least_privilege.py has the same for all that is there without them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from local_aws.environment import aws_environment
from pipeline.source_image import put_source_images
from pipeline.stack import read_stack

import deploy
import pytest
from botocore.exceptions import ClientError
from company import surroundings, write_everything
from conftest import serving
from container_engine import administrator
from least_privilege import BUILD, OPERATOR, PIPELINE, TRAINING, Outcome, Permission, Rehearsal
from present_image import BASE_IMAGE
from test_build_template import EVERYTHING, RESOURCES, listed, policies
from test_least_privilege import EXECUTION_ROLE, REGISTRY
from test_least_privilege import RESOURCES as PRINCIPALS

STACK = "titanic-company"


def permissions(resources: dict[str, dict[str, object]]) -> set[Permission]:
    return {
        Permission(principal, statement["Sid"], action)
        for principal, resource in PRINCIPALS.items()
        for statement in policies(resource, resources)
        for action in listed(statement["Action"])
    }


ADDED = sorted(permissions(EVERYTHING) - permissions(RESOURCES))

# Of a build, tried by the role itself below.
BY_THE_ROLE = [permission for permission in ADDED if permission.principal == BUILD]
# What the flow does without on local AWS, and why it is allowed all the same.
STAYS = {
    Permission(PIPELINE, "UseTheKey", "kms:Decrypt"): REGISTRY,
    Permission(TRAINING, "UseTheKey", "kms:CreateGrant"): EXECUTION_ROLE,
    Permission(TRAINING, "UseTheKey", "kms:Encrypt"): EXECUTION_ROLE,
}
NEEDED = [each for each in ADDED if each not in STAYS and each not in BY_THE_ROLE]

# The SBOM of an image that no build has made is not there, and the operator may not be told so.
NO_SBOM = (OPERATOR, "s3:ListBucket")

ONLY_CHECKED = ("ec2:", "sns:", "kms:DescribeKey")  # only preflight.py needs them


@dataclass
class Proof:
    whole: dict[str, Outcome]
    without: dict[Permission, Outcome]
    rehearsal: Rehearsal


@pytest.fixture(scope="module")
def proof(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proof]:
    folder = tmp_path_factory.mktemp("settings")
    with serving(folder, "--enforce-iam") as environment:
        prepare(environment, folder)
        yield rehearse(Rehearsal(environment, folder, "pipeline.yaml", STACK))


def prepare(environment: dict[str, str], folder: Path) -> None:
    """Deploy a stack with everything set, as the administrator, and give its policy to the user."""
    clients = administrator(environment)
    write_everything(folder / "pipeline.yaml", STACK, surroundings(clients.client, clients.region))
    with aws_environment(environment | clients.environment()):
        assert deploy.main(["--config", str(folder / "pipeline.yaml"), "--yes"]) == 0
    stack = read_stack(clients.client("cloudformation"), STACK)
    put_source_images(clients.client("ecr"), stack.repository_uri, BASE_IMAGE)
    iam = clients.client("iam")
    (other,) = iam.list_attached_user_policies(UserName=OPERATOR)["AttachedPolicies"]
    iam.detach_user_policy(UserName=OPERATOR, PolicyArn=other["PolicyArn"])
    arn = f"arn:aws:iam::{stack.account}:policy/{STACK}-{clients.region}-operator"
    iam.attach_user_policy(UserName=OPERATOR, PolicyArn=arn)


def rehearse(rehearsal: Rehearsal) -> Proof:
    whole = {"check": rehearsal.check(), "train": rehearsal.train()}
    without = {}
    for permission in NEEDED:
        if permission == Permission(OPERATOR, "UseTheKey", "kms:GenerateDataKey"):
            rehearsal.forget_data()
        with rehearsal.without(permission):
            checked = permission.action.startswith(ONLY_CHECKED)
            without[permission] = rehearsal.check() if checked else rehearsal.train()
    return Proof(whole, without, rehearsal)


def denials(outcome: Outcome) -> set[tuple[str, str]]:
    refused = {(call.principal, call.action) for call in outcome.calls if not call.allowed}
    return refused - {NO_SBOM}


def test_with_everything_set_the_whole_flow_is_allowed(proof: Proof) -> None:
    assert {name: outcome.code for name, outcome in proof.whole.items()} == {"check": 0, "train": 0}
    assert [refused for each in proof.whole.values() for refused in denials(each)] == []


@pytest.mark.parametrize("permission", NEEDED, ids=lambda p: f"{p.principal}-{p.sid}-{p.action}")
def test_without_one_permission_the_flow_does_not_succeed(
    permission: Permission, proof: Proof
) -> None:
    outcome = proof.without[permission]
    assert denials(outcome) == {(permission.principal, permission.action)}
    checked = permission.action.startswith(ONLY_CHECKED)
    assert outcome.lost(proof.whole["check" if checked else "train"])
    assert "Traceback" not in outcome.stderr


@pytest.mark.parametrize("permission", BY_THE_ROLE, ids=lambda p: p.action)
def test_a_build_reads_and_writes_with_the_key(permission: Permission, proof: Proof) -> None:
    rehearsal = proof.rehearsal
    s3 = rehearsal.administrator.client("s3")
    buckets = [each["Name"] for each in s3.list_buckets()["Buckets"]]
    (bucket,) = [name for name in buckets if name.startswith(f"{STACK}-")]
    s3.put_object(Bucket=bucket, Key="build/x.zip", Body=b"source")
    of_role = rehearsal.clients(BUILD).client("s3")

    def use() -> None:
        if permission.action == "kms:Decrypt":
            of_role.get_object(Bucket=bucket, Key="build/x.zip")
        else:
            of_role.put_object(Bucket=bucket, Key="build/x.cdx.json", Body=b"{}")

    use()
    with (
        rehearsal.without(permission),
        pytest.raises(ClientError, match=f"AccessDenied.*{permission.action}"),
    ):
        use()


def test_what_stays_is_of_the_template() -> None:
    assert set(ADDED) >= STAYS.keys()
