"""The users of a local AWS that enforces IAM."""

import json

from local_aws.clients import Clients
from local_aws.iam.keys import AccessKey

from moto.iam.models import iam_backends

ADMINISTRATOR = "administrator"
OPERATOR = "operator"
EVERYTHING = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}


def make_administrator(clients: Clients, own: AccessKey) -> None:
    """Create the user who has the key of `clients`: local AWS itself, and who deploys."""
    iam = clients.client("iam")
    iam.create_user(UserName=ADMINISTRATOR)
    iam.put_user_policy(
        UserName=ADMINISTRATOR, PolicyName="everything", PolicyDocument=json.dumps(EVERYTHING)
    )
    iam.create_access_key(UserName=ADMINISTRATOR)
    account = clients.client("sts").get_caller_identity()["Account"]
    (key,) = iam_backends[account]["aws"].get_user(ADMINISTRATOR).access_keys
    key.access_key_id, key.secret_access_key = own.id, own.secret


def make_operator(clients: Clients, policy_arn: str) -> Clients:
    """Create a user with one policy, and return the clients of that user."""
    iam = clients.client("iam")
    iam.create_user(UserName=OPERATOR)
    iam.attach_user_policy(UserName=OPERATOR, PolicyArn=policy_arn)
    key = iam.create_access_key(UserName=OPERATOR)["AccessKey"]
    return Clients(clients.endpoint, clients.region, key["AccessKeyId"], key["SecretAccessKey"])
