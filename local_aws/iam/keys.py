"""The access keys of local AWS: a new one at each start, and the keys that moto creates."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from local_aws.iam.signature import UNKNOWN_KEY, WRONG_TOKEN, SignatureRefused

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.iam.access_control import CreateAccessKeyFailure, create_access_key

PREFIX = "LOCALAWS"  # no key of AWS begins so


@dataclass(frozen=True)
class AccessKey:
    """An access key and its secret."""

    id: str
    secret: str


def make_key() -> AccessKey:
    """Return a new random key."""
    return AccessKey(PREFIX + secrets.token_hex(6).upper(), secrets.token_urlsafe(30))


def secrets_of(own: AccessKey, partition: str) -> Callable[[str, str | None], str]:
    """Return a function that finds the secret of `own`, of IAM users and of STS sessions."""

    def look_up(key_id: str, token: str | None) -> str:
        if key_id == own.id and token is None:
            return own.secret
        headers = {} if token is None else {"X-Amz-Security-Token": token}
        try:
            key = create_access_key(DEFAULT_ACCOUNT_ID, partition, key_id, headers)
        except CreateAccessKeyFailure as failure:
            reason = WRONG_TOKEN if failure.reason == "InvalidToken" else UNKNOWN_KEY
            raise SignatureRefused(
                reason, "The security token included in the request is invalid."
            ) from None
        return str(key.create_credentials().secret_key)

    return look_up
