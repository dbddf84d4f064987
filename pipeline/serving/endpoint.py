"""The endpoint that serves an approved version: created, updated without a gap, rolled back.

A new version first runs behind an endpoint of its own, the candidate. Only when that has answered
as it must does the endpoint of the users move to it. (SageMaker's own shadow and weighted variants
are not for serverless endpoints: "Serverless Inference" in the developer guide, "Feature
exclusions".) Whatever fails leaves the version before serving.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
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


def find_served(sagemaker: Any, name: str) -> Served | None:
    """Return what the endpoint serves; None when there is no endpoint."""
    endpoint = _describe(sagemaker, name)
    if endpoint["EndpointStatus"] == NO_ENDPOINT:
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
    name, candidate = endpoint_name(settings), f"{settings.stack_name}-candidate"
    served = _settled(sagemaker, name)

    def create(name: str, smoke: Smoke) -> None:
        _delete(sagemaker, name)  # it never served, or was left by a deployment that was killed
        begin = partial(sagemaker.create_endpoint, Tags=settings.aws_tags or [])
        _serve(sagemaker, name, configuration, smoke, begin, sagemaker.delete_endpoint)

    def smoke_once(name: str) -> None:
        smoke(name)
        _delete(sagemaker, name)

    if served["EndpointStatus"] in (NO_ENDPOINT, "Failed"):
        create(name, smoke)
    elif served["EndpointConfigName"] == configuration:
        smoke(name)
    else:
        create(candidate, smoke_once)
        version = describe_version(sagemaker, model_package(sagemaker, configuration))
        if version.status != APPROVED:  # it was rejected in the meantime
            raise NotServed(f"its status is {version.status}, not {APPROVED}")
        move(sagemaker, name, configuration, smoke)


def move(sagemaker: Any, name: str, configuration: str, smoke: Smoke) -> None:
    """Point an endpoint at another configuration, and back when anything fails, Ctrl-C included."""
    before = _settled(sagemaker, name)["EndpointConfigName"]
    go_back = partial(sagemaker.update_endpoint, EndpointConfigName=before)
    _serve(sagemaker, name, configuration, smoke, sagemaker.update_endpoint, go_back)


def _serve(
    sagemaker: Any,
    name: str,
    configuration: str,
    smoke: Smoke,
    begin: Callable[..., Any],
    undo: Callable[..., Any],
) -> None:
    """Create or update an endpoint and try it; undo that when anything fails."""
    try:
        begin(EndpointName=name, EndpointConfigName=configuration)
        endpoint = wait(sagemaker, name)
        status = endpoint["EndpointStatus"]
        if (status, endpoint.get("EndpointConfigName")) != ("InService", configuration):
            raise NotServed(f"{name}: {endpoint.get('FailureReason', status)}")
        smoke(name)
    except BaseException as error:
        if (
            isinstance(error, ClientError)
            and error.operation_name in ("CreateEndpoint", "UpdateEndpoint")
            and not error.response["ResponseMetadata"].get("RetryAttempts")
        ):
            raise  # refused at the first try: nothing was begun, and another one's may be under way
        _undo(sagemaker, name, configuration, undo)
        raise


def _undo(sagemaker: Any, name: str, configuration: str, undo: Callable[..., Any]) -> None:
    """Undo what was begun, in spite of Ctrl-C and throttling.

    Raises InputError when AWS refuses that for UNDO_SECONDS.
    """
    interrupts.begin_cleaning()
    say(f"{name}: undoing the change")
    deadline = time.monotonic() + UNDO_SECONDS
    for _ in _polls():
        try:
            if wait(sagemaker, name).get("EndpointConfigName") == configuration:
                undo(EndpointName=name)
                wait(sagemaker, name)
        except (ClientError, BotoCoreError) as refusal:
            if time.monotonic() > deadline:
                raise InputError(
                    f"{name}: not changed, because {refusal}",
                    ".venv/bin/python pipeline/deploy_model.py, with --rollback to go back",
                ) from None
        else:
            return


def wait(sagemaker: Any, name: str) -> dict[str, Any]:
    """Return the description of an endpoint once it does not change any more.

    One that is deleted has the status NO_ENDPOINT.
    """
    found = (_describe(sagemaker, name) for _ in _polls())
    return next(each for each in found if each["EndpointStatus"] not in CHANGING)


def _polls() -> Iterator[None]:
    """Yield at once, and then after pauses that grow."""
    pause = FIRST_POLL_SECONDS
    while True:
        yield
        time.sleep(pause)
        pause = min(pause * 2, LONGEST_POLL_SECONDS)


def _describe(sagemaker: Any, name: str) -> dict[str, Any]:
    try:
        return dict(sagemaker.describe_endpoint(EndpointName=name))
    except ClientError as error:
        if "Could not find" in str(error):
            return {"EndpointStatus": NO_ENDPOINT}
        raise


def _settled(sagemaker: Any, name: str) -> dict[str, Any]:
    """Return the description of an endpoint. Raises NotServed while another command changes it."""
    endpoint = _describe(sagemaker, name)
    if endpoint["EndpointStatus"] in CHANGING:
        status = endpoint["EndpointStatus"]
        raise NotServed(f'in-progress endpoint "{name}": its status is {status}')
    return endpoint


def _delete(sagemaker: Any, name: str) -> None:
    if _settled(sagemaker, name)["EndpointStatus"] != NO_ENDPOINT:
        sagemaker.delete_endpoint(EndpointName=name)
        wait(sagemaker, name)
