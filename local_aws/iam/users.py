"""The user of a local AWS: a session of a role, or an IAM user if IAM is enforced."""

import json

from local_aws.clients import Clients
from local_aws.iam.keys import AccessKey
from local_aws.partitions import partition_of

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.iam.models import iam_backends
from moto.sts.models import sts_backends

EXECUTION_ROLE = "AmazonSageMaker-ExecutionRole"  # the name that SageMaker Studio gives it
SESSION = "SageMaker"
ADMINISTRATOR = "administrator"
OPERATOR = "operator"
EVERYTHING = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}


def make_administrator(clients: Clients, own: AccessKey) -> None:
    """Create the administrator, who has the key of `clients`: local AWS and deployments use it."""
    iam = clients.client("iam")
    iam.create_user(UserName=ADMINISTRATOR)
    iam.put_user_policy(
        UserName=ADMINISTRATOR, PolicyName="everything", PolicyDocument=json.dumps(EVERYTHING)
    )
    iam.create_access_key(UserName=ADMINISTRATOR)
    account = clients.client("sts").get_caller_identity()["Account"]
    (key,) = iam_backends[account][partition_of(clients.region)].get_user(ADMINISTRATOR).access_keys
    key.access_key_id, key.secret_access_key = own.id, own.secret


def make_operator(clients: Clients, policy_arn: str) -> Clients:
    """Create a user with one policy, and return the clients of that user."""
    iam = clients.client("iam")
    iam.create_user(UserName=OPERATOR)
    iam.attach_user_policy(UserName=OPERATOR, PolicyArn=policy_arn)
    key = iam.create_access_key(UserName=OPERATOR)["AccessKey"]
    return Clients(clients.endpoint, clients.region, key["AccessKeyId"], key["SecretAccessKey"])


def assume_execution_role(region: str, own: AccessKey) -> None:
    """Turn the key into a session of a role that SageMaker may assume, as in SageMaker Studio.

    The SDK's `get_execution_role()` then returns that role.
    """
    partition = partition_of(region)
    trusted = {"Service": "sagemaker.amazonaws.com"}
    statement = {"Effect": "Allow", "Principal": trusted, "Action": "sts:AssumeRole"}
    iam = iam_backends[DEFAULT_ACCOUNT_ID][partition]
    role = iam.create_role(
        role_name=EXECUTION_ROLE,
        assume_role_policy_document=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
        path="/service-role/",
        permissions_boundary=None,
        description="Who calls local AWS",
        tags=[],
        max_session_duration="43200",
    )
    iam.put_role_policy(EXECUTION_ROLE, "everything", json.dumps(EVERYTHING))
    session = sts_backends[DEFAULT_ACCOUNT_ID][partition].assume_role(
        region_name=region,
        role_session_name=SESSION,
        role_arn=role.arn,
        policy="",
        duration=43200,
        external_id="",
    )
    session.access_key_id, session.secret_access_key = own.id, own.secret
