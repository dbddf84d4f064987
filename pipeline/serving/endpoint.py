"""The endpoint that serves an approved version: created, updated without a gap, rolled back.

A new version first runs behind an endpoint of its own, the candidate. Only when that has answered
as it must does the endpoint of the users move to it. (SageMaker's own shadow and weighted variants
are not for serverless endpoints: "Serverless Inference" in the developer guide, "Feature
exclusions".) Whatever fails leaves the version before serving.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from container.errors import InputError
from local_aws import interrupts
from pipeline.serving.configuration import model_package
from pipeline.serving.versions import APPROVED, Version, describe_version
from pipeline.settings import Settings
from pipeline.terminal import say

from botocore.exceptions import BotoCoreError, ClientError

SERVING = ("InService", "Updating", "SystemUpdating", "RollingBack")  # statuses
CHANGING = ("Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting")
NO_ENDPOINT = "NotFound"  # in place of an endpoint's status
FIRST_POLL_SECONDS, LONGEST_POLL_SECONDS = 0.2, 15.0
UNDO_SECONDS = 600.0  # how long AWS may refuse to undo what has failed, by throttling for example

Smoke = Callable[[str], None]  # raises NotServed when the endpoint of that name answers wrongly


class NotServed(Exception):
    """The new version does not serve; what was served before still is."""


@dataclass(frozen=True)
class Served:
    """What an endpoint serves."""

    version: Version
    configuration: str
    status: str
    since: str  # the endpoint's last change, ISO 8601


def endpoint_name(settings: Settings) -> str:
    """Return the name of the one endpoint of a stack."""
    return f"{settings.stack_name}-endpoint"


def candidate_name(settings: Settings) -> str:
    """Return the name of the endpoint on which a new version is tried."""
    return f"{settings.stack_name}-candidate"


def find_served(sagemaker: Any, name: str) -> Served | None:
    """Return what the endpoint serves; None when there is no endpoint."""
    endpoint = _describe(sagemaker, name)
    if endpoint is None:
        return None
    configuration = endpoint["EndpointConfigName"]
    version = describe_version(sagemaker, model_package(sagemaker, configuration))
    since = endpoint["LastModifiedTime"].isoformat(timespec="seconds")
    return Served(version, configuration, endpoint["EndpointStatus"], since)


def read_served(sagemaker: Any, name: str) -> dict[str, Any] | None:
    """Return what the endpoint serves, as run.json has it; None when that cannot be read.

    "version" and "since" are there when a version is served.
    """
    try:
        served = find_served(sagemaker, name)
    except (BotoCoreError, ClientError, LookupError):  # the last: another's model, no version
        return None
    told: dict[str, Any] = {"endpoint": name, "status": served.status if served else NO_ENDPOINT}
    if served and served.status in SERVING:
        told |= {"version": served.version.number, "since": served.since}
    return told


def deploy(sagemaker: Any, settings: Settings, configuration: str, smoke: Smoke) -> None:
    """Serve a configuration. Raises NotServed, and then what was served before still is."""
    name = endpoint_name(settings)
    served = find_served(sagemaker, name)
    if served and served.status == "Failed":  # it never served
        _delete(sagemaker, name)
        served = None
    if served:
        _refuse_changing(name, served.status)
    if served and served.configuration == configuration:
        smoke(name)
    elif served:
        candidate = candidate_name(settings)
        _create_and_try(sagemaker, settings, candidate, configuration, smoke, keep=False)
        version = describe_version(sagemaker, model_package(sagemaker, configuration))
        if version.status != APPROVED:  # it was rejected in the meantime
            raise NotServed(f"its status is {version.status}, not {APPROVED}")
        move(sagemaker, name, configuration, smoke)
    else:
        _create_and_try(sagemaker, settings, name, configuration, smoke, keep=True)


def move(sagemaker: Any, name: str, configuration: str, smoke: Smoke) -> None:
    """Point an endpoint at another configuration, and back when anything fails, Ctrl-C included."""
    endpoint = sagemaker.describe_endpoint(EndpointName=name)
    _refuse_changing(name, endpoint["EndpointStatus"])
    before = endpoint["EndpointConfigName"]

    def go_back() -> None:
        if wait(sagemaker, name).get("EndpointConfigName") == configuration:
            sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=before)
            wait(sagemaker, name)

    try:
        sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=configuration)
        endpoint = wait(sagemaker, name)
        if endpoint.get("EndpointConfigName") != configuration:
            raise NotServed(f"{name}: {endpoint.get('FailureReason', 'it was not updated')}")
        smoke(name)
    except BaseException as error:
        _undo(go_back, f"moving {name} back", error, "UpdateEndpoint")
        raise


def wait(sagemaker: Any, name: str) -> dict[str, Any]:
    """Return the description of an endpoint once it does not change any more.

    One that is deleted has the status NO_ENDPOINT.
    """
    pause = FIRST_POLL_SECONDS
    while True:
        endpoint = _describe(sagemaker, name) or {"EndpointStatus": NO_ENDPOINT}
        if endpoint["EndpointStatus"] not in CHANGING:
            return endpoint
        time.sleep(pause)
        pause = min(pause * 2, LONGEST_POLL_SECONDS)


def _describe(sagemaker: Any, name: str) -> dict[str, Any] | None:
    try:
        endpoint: dict[str, Any] = sagemaker.describe_endpoint(EndpointName=name)
    except ClientError as error:
        if "Could not find" in str(error):
            return None
        raise
    return endpoint


def _refuse_changing(name: str, status: str) -> None:
    if status in CHANGING:
        raise NotServed(f'in-progress endpoint "{name}": its status is {status}')


def _create_and_try(
    sagemaker: Any,
    settings: Settings,
    name: str,
    configuration: str,
    smoke: Smoke,
    *,
    keep: bool,
) -> None:
    """Create an endpoint; delete it when anything fails, Ctrl-C included, or it is not to stay."""
    if left := _describe(sagemaker, name):  # by a deployment that was killed
        _refuse_changing(name, left["EndpointStatus"])
        _delete(sagemaker, name)
    try:
        sagemaker.create_endpoint(
            EndpointName=name, EndpointConfigName=configuration, Tags=settings.aws_tags or []
        )
        endpoint = wait(sagemaker, name)
        if endpoint["EndpointStatus"] != "InService":
            reason = endpoint.get("FailureReason", endpoint["EndpointStatus"])
            raise NotServed(f"{name}: {reason}")
        smoke(name)
        if not keep:
            _delete(sagemaker, name)
    except BaseException as error:
        _undo(lambda: _delete(sagemaker, name), f"removing {name}", error, "CreateEndpoint")
        raise


def _undo(undo: Callable[[], None], activity: str, error: BaseException, operation: str) -> None:
    """Undo what `operation` began before `error`, in spite of Ctrl-C and throttling.

    Raises InputError when AWS refuses that for UNDO_SECONDS.
    """
    if (
        isinstance(error, ClientError)
        and error.operation_name == operation
        and not error.response["ResponseMetadata"].get("RetryAttempts")
    ):
        return  # refused at the first try: nothing was begun, and another one's may be under way
    interrupts.begin_cleaning()
    say(activity)
    deadline, pause = time.monotonic() + UNDO_SECONDS, FIRST_POLL_SECONDS
    while True:
        try:
            undo()
        except (ClientError, BotoCoreError) as refusal:
            if time.monotonic() > deadline:
                raise InputError(
                    f"{activity}: given up, since {refusal}",
                    ".venv/bin/python pipeline/deploy_model.py, with --rollback to go back",
                ) from None
        else:
            return
        time.sleep(pause)
        pause = min(pause * 2, LONGEST_POLL_SECONDS)


def _delete(sagemaker: Any, name: str) -> None:
    """Delete an endpoint, if there is one, as soon as it does not change any more."""
    if wait(sagemaker, name)["EndpointStatus"] != NO_ENDPOINT:
        sagemaker.delete_endpoint(EndpointName=name)
        wait(sagemaker, name)
