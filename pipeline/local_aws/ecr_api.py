"""The ECR API of local AWS: moto's, with logins to the registry that tell who logged in."""

import base64
import secrets
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from pipeline.local_aws.authorization import Authorization, Principal, caller

from moto.core.responses import ActionResult
from moto.ecr.responses import ECRResponse

LOGIN_HOURS = 12  # source: GetAuthorizationToken in the ECR API reference


class LocalEcr(ECRResponse):
    """Made anew for each request; the class variables are set once, when the server starts."""

    authorization: ClassVar[Authorization | None]  # None: nothing is enforced
    logins: ClassVar[dict[str, Principal]]  # password -> whose it is; None when nothing is enforced

    def get_authorization_token(self) -> ActionResult:
        password = secrets.token_urlsafe()
        self.logins[password] = caller(self) if self.authorization else None
        login = {
            "authorizationToken": base64.b64encode(f"AWS:{password}".encode()).decode(),
            "expiresAt": datetime.now(UTC) + timedelta(hours=LOGIN_HOURS),
            "proxyEndpoint": f"https://{self.current_account}.dkr.ecr.{self.region}.amazonaws.com",
        }
        return ActionResult({"authorizationData": [login]})
