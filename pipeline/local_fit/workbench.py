"""The notebook's session, data and image, for the place that WHERE names."""

import atexit
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from container.errors import InputError, did_you_mean
from pipeline.bootstrap import bootstrap, connect
from pipeline.data import Dataset, prepare, upload
from pipeline.image import CONTAINER, REQUIREMENTS, image_tag
from pipeline.sdk import make_session
from pipeline.settings import Settings
from pipeline.stack import Stack

from sagemaker.local.local_session import LocalSession
from sagemaker.session import Session

LOCAL = "local"  # local AWS, on loopback: no account, no Docker
DOCKER = "docker"  # the SDK's local mode, in the real image; local AWS is its S3
AWS = "aws"  # where your credentials say
PLACES = (LOCAL, DOCKER, AWS)

DOCKER_INSTANCE = "local"  # the SDK's name for this machine


@dataclass(frozen=True)
class Workbench:
    """The arguments of `pipeline.workflow.estimator.build_estimator`, and the data in S3."""

    settings: Settings
    stack: Stack
    session: Session
    image_uri: str
    instance_type: str
    dataset: Dataset
    close: Callable[[], None]  # ends what was started here

    @property
    def data_uris(self) -> dict[str, str]:
        """Channel -> S3 URI, as `Estimator.fit` takes it."""
        return self.dataset.uris(self.stack.bucket, self.settings.prefix)


def open_workbench(place: str, settings: Settings) -> Workbench:
    """Open the settings, data and clients of one place for the notebook.

    Local AWS, if needed, runs in this process until `close()` or the end of the process.
    Raises InputError for an unknown place, and for anything missing in a known one.
    """
    if place not in PLACES:
        raise InputError(
            f"{place!r} is not a place to train{did_you_mean(place, PLACES)}",
            f"the places are {', '.join(PLACES)}",
        )
    ending = ExitStack()
    atexit.register(ending.close)
    if place != AWS:
        from pipeline import local

        ending.enter_context(local.start(settings))
    kind: type[Session]
    if place == DOCKER:
        kind, instance_type = LocalSession, DOCKER_INSTANCE
        session, stack = connect(settings)
        dataset, image_uri = prepare(settings), build_here(settings)
    else:
        settings, session, stack, dataset, image_uri = bootstrap(settings)
        kind, instance_type = Session, settings.instance_types[0]
    upload(session.client("s3"), dataset, stack.bucket, settings.prefix)
    sdk_session = make_session(kind, session, stack.bucket)
    return Workbench(settings, stack, sdk_session, image_uri, instance_type, dataset, ending.close)


def build_here(settings: Settings) -> str:
    """Build the image of container/ with the engine of this machine, and return its name.

    Raises InputError when that fails.
    """
    name = f"{settings.stack_name}:{image_tag(settings.accelerator, settings.base_image)}"
    command = ["docker", "build", "--quiet", "--platform", "linux/amd64", "--tag", name]
    command += ["--build-arg", f"BASE_IMAGE={settings.base_image}"]
    command += ["--build-arg", f"REQUIREMENTS={REQUIREMENTS[settings.accelerator]}", str(CONTAINER)]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    except FileNotFoundError:
        raise InputError("docker: no such command", "install Docker, or train elsewhere") from None
    except subprocess.CalledProcessError as error:
        reason = " ".join(error.stderr.split("\n")[-4:]).strip()
        raise InputError(
            f"docker build: {reason}",
            f"start Docker, and check base_image in pipeline.yaml: {settings.base_image}",
        ) from None
    return name
