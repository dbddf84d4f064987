"""boto3 clients of local AWS, with its own credentials or those of a role."""

import threading
from collections.abc import Mapping
from typing import Any

from local_aws.api_models import LOADER

import boto3
from botocore.config import Config
from botocore.session import Session

# A function may take up to 15 minutes, and is not to be invoked twice.
INVOKING = Config(read_timeout=960, retries={"total_max_attempts": 1})


class Clients:
    """The clients of one principal."""

    def __init__(
        self,
        endpoint: str,  # http://127.0.0.1:<port>
        region: str,
        access_key: str,
        secret_key: str,
        session_token: str | None = None,
        *,
        settings: Mapping[str, str] | None = None,  # environment of programs, beside these
    ) -> None:
        self.endpoint = endpoint
        self.region = region
        session: Any = Session()
        session.register_component("data_loader", LOADER)
        self._settings = dict(settings or {})
        self._session = boto3.Session(
            botocore_session=session,
            region_name=region,
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            aws_session_token=session_token,
        )
        self._lock = threading.Lock()  # a boto3 session is not thread-safe, its clients are

    def client(self, service: str) -> Any:
        """Return a client of a service of local AWS. May be called from any thread."""
        with self._lock:
            config = INVOKING if service == "lambda" else None
            return self._session.client(service, endpoint_url=self.endpoint, config=config)

    def environment(self) -> dict[str, str]:
        """Return the environment with which a child process calls AWS as this principal."""
        credentials = self._session.get_credentials()
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_REGION": self.region,
            "AWS_ACCESS_KEY_ID": credentials.access_key,
            "AWS_SECRET_ACCESS_KEY": credentials.secret_key,
            **({"AWS_SESSION_TOKEN": credentials.token} if credentials.token else {}),
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def program_environment(self) -> dict[str, str]:
        """Return the environment with the proxy, so that no request leaves this machine."""
        return self.environment() | self._settings

    def as_role(self, role_arn: str) -> "Clients":
        """Assume a role, as SageMaker does, and return its clients."""
        answer = self.client("sts").assume_role(RoleArn=role_arn, RoleSessionName="SageMaker")
        credentials = answer["Credentials"]
        return Clients(
            self.endpoint,
            self.region,
            credentials["AccessKeyId"],
            credentials["SecretAccessKey"],
            credentials["SessionToken"],
            settings=self._settings,
        )
