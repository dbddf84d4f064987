"""The CodeBuild API of local AWS: moto's projects, with builds that run their buildspec."""

import uuid
from typing import Any, ClassVar

from local_aws.checked_requests import CheckedRequests
from local_aws.clients import Clients
from local_aws.codebuild.build import Build
from local_aws.faults.injection import BUILDS_EXCEEDED, NO_BUILDS, Faults
from local_aws.partitions import partition_of
from local_aws.workspace import Workspace

from moto.codebuild.exceptions import InvalidInputException, ResourceNotFoundException
from moto.codebuild.models import codebuild_backends
from moto.codebuild.responses import CodeBuildResponse
from moto.core.common_models import CloudFormationModel
from moto.core.exceptions import JsonRESTError
from moto.core.responses import ActionResult

SUPPORTED = {"projectName", "sourceLocationOverride", "environmentVariablesOverride"}


class Builds:
    """The builds since the start of this local AWS."""

    def __init__(
        self, clients: Clients, workspace: Workspace, allowed: bool, faults: Faults
    ) -> None:
        self.clients = clients
        self.faults = faults
        self.workspace = workspace
        self.allowed = allowed  # they run commands on this machine
        self.by_id: dict[str, Build] = {}

    def end(self) -> None:
        """Stop all builds, and wait for their end."""
        for build in self.by_id.values():
            build.stop()
        for build in self.by_id.values():
            build.join()


class LocalCodeBuild(CheckedRequests, CodeBuildResponse):
    """Made anew for each request; `builds` is set once, when the server starts."""

    builds: ClassVar[Builds]
    invalid = "InvalidInputException"

    def start_build(self) -> ActionResult:
        """Start a build if builds are allowed; refuse members that local AWS does not support."""
        if NO_BUILDS in self.builds.faults:
            raise JsonRESTError("AccountLimitExceededException", BUILDS_EXCEEDED)
        if not self.builds.allowed:
            raise InvalidInputException(
                "StartBuild runs commands on this machine: start local AWS with --containers or "
                "--builds to allow it"
            )
        request = self._request()
        for name in request:
            if name not in SUPPORTED and name != "idempotencyToken":
                raise InvalidInputException(f"local AWS does not support StartBuild.{name}")
        projects = self.codebuild_backend.batch_get_projects([request["projectName"]])
        if not projects:
            raise ResourceNotFoundException(f"Project cannot be found: {request['projectName']}")
        project = projects[0]
        variables = request.get("environmentVariablesOverride", [])
        build = Build(
            f"{project['name']}:{uuid.uuid4()}",
            project,
            request.get("sourceLocationOverride", project["source"]["location"]),
            {variable["name"]: variable["value"] for variable in variables},
            self.builds.clients,
            self.builds.workspace,
        )
        self.builds.by_id[build.id] = build
        build.start()
        return ActionResult({"build": build.describe()})

    def batch_get_builds(self) -> ActionResult:
        """Answer with the builds that exist, and with the ids that do not exist."""
        ids = self._get_param("ids")
        known = [self.builds.by_id[each].describe() for each in ids if each in self.builds.by_id]
        missing = [each for each in ids if each not in self.builds.by_id]
        return ActionResult({"builds": known, "buildsNotFound": missing})

    def list_builds_for_project(self) -> ActionResult:
        """Answer with all builds on one page, newest first."""
        prefix = f"{self._get_param('projectName')}:"
        found = [each for each in self.builds.by_id if each.startswith(prefix)]
        return ActionResult({"ids": found[::-1]})

    def stop_build(self) -> ActionResult:
        """Stop a build; its status becomes STOPPED."""
        build = self.builds.by_id.get(self._get_param("id"))
        if build is None:
            raise ResourceNotFoundException(f"Build {self._get_param('id')} does not exist")
        build.stop()
        return ActionResult({"build": build.describe()})


class Project(CloudFormationModel):
    """AWS::CodeBuild::Project, which moto's CloudFormation lacks."""

    def __init__(self, name: str, place: str) -> None:
        self.physical_resource_id = name
        self._place = place  # of the ARN: partition, service, region and account

    @staticmethod
    def cloudformation_name_type() -> str:
        """Return the name of the property with the resource's name."""
        return "Name"

    @staticmethod
    def cloudformation_type() -> str:
        """Return the type in templates."""
        return "AWS::CodeBuild::Project"

    @classmethod
    def create_from_cloudformation_json(
        cls,
        resource_name: str,
        cloudformation_json: Any,
        account_id: str,
        region_name: str,
        **_: Any,
    ) -> "Project":
        """Create the project that a template describes."""
        given = cloudformation_json["Properties"]
        codebuild_backends[account_id][region_name].create_project(
            project_name=resource_name,
            description=given.get("Description"),
            project_source=_lower(given["Source"]),
            artifacts=_lower(given["Artifacts"]),
            environment=_lower(given["Environment"]),
            service_role=given["ServiceRole"],
            tags=None,
            cache=None,
            timeout=int(given.get("TimeoutInMinutes", 60)),
            queued_timeout=None,
            source_version=None,
            logs_config=_lower(given.get("LogsConfig", {})),
            vpc_config=None,
        )
        partition = partition_of(region_name)
        return cls(resource_name, f"arn:{partition}:codebuild:{region_name}:{account_id}")

    @classmethod
    def delete_from_cloudformation_json(
        cls,
        resource_name: str,
        cloudformation_json: Any,  # noqa: ARG003 - moto's signature
        account_id: str,
        region_name: str,
    ) -> None:
        """Delete the project with its stack."""
        codebuild_backends[account_id][region_name].delete_project(resource_name)

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        """Return whether Fn::GetAtt knows an attribute."""
        return attr == "Arn"

    def get_cfn_attribute(self, attribute_name: str) -> str:  # noqa: ARG002 - moto's signature
        """Return the value for Fn::GetAtt, which is the ARN."""
        return f"{self._place}:project/{self.physical_resource_id}"


def _lower(value: Any) -> Any:
    """Convert CloudFormation's names to those of the API: `GroupName` to `groupName`."""
    if isinstance(value, dict):
        return {_lower_name(name): _lower(item) for name, item in value.items()}
    return [_lower(item) for item in value] if isinstance(value, list) else value


def _lower_name(name: str) -> str:
    special = {"BuildSpec": "buildspec", "CloudWatchLogs": "cloudWatchLogs"}
    return special.get(name, name[0].lower() + name[1:])
