"""The IAM API of local AWS: moto's API with the policy simulator."""

from local_aws.iam.authorization import Principal, decision

from moto.core.responses import ActionResult
from moto.iam.access_control import AssumedRoleAccessKey, IAMUserAccessKey
from moto.iam.exceptions import InvalidInput, NotFoundException
from moto.iam.responses import IamResponse


class LocalIam(IamResponse):
    """The API. moto creates an object for each request."""

    def simulate_principal_policy(self) -> ActionResult:
        """Evaluate the identity-based policies only, as AWS does."""
        principal = self._principal(self._get_param("PolicySourceArn"))
        context = {
            each["ContextKeyName"]: each["ContextKeyValues"]
            for each in self._get_param("ContextEntries", [])
        }
        results = [
            {
                "EvalActionName": action,
                "EvalResourceName": resource,
                "EvalDecision": decision(principal, action, resource, context),
            }
            for action in self._get_param("ActionNames")
            for resource in self._get_param("ResourceArns", ["*"])
        ]
        return ActionResult({"EvaluationResults": results, "IsTruncated": False})

    def _determine_resource(self) -> str:
        return str(self._get_param("PolicySourceArn") or super()._determine_resource())

    def _principal(self, arn: str) -> Principal:
        kind, _, path = arn.rpartition(":")[2].partition("/")
        name = path.rpartition("/")[2]
        if kind == "user":
            self.backend.get_user(name)
            return _User(self.current_account, self.partition, name)
        if kind == "role":
            if self.backend.get_role(name).arn != arn:  # of another path
                raise NotFoundException(f"Role not found for {arn}")
            return _Role(self.current_account, self.partition, name)
        raise InvalidInput(f"Invalid Entity Arn: {arn}")


# As they are when they sign a request, but without a key.


class _User(IAMUserAccessKey):
    def __init__(self, account: str, partition: str, name: str) -> None:
        self.account_id, self.partition, self._owner_user_name = account, partition, name


class _Role(AssumedRoleAccessKey):
    def __init__(self, account: str, partition: str, name: str) -> None:
        self.account_id, self.partition, self._owner_role_name = account, partition, name
        self._session_name = "simulated"
