"""The prerequisites of a run: data, stack, instance type and image."""

from typing import NamedTuple

from pipeline.data import Dataset, prepare
from pipeline.image import image_tag, resolve_image
from pipeline.instances.survey import with_smallest
from pipeline.settings import SMALLEST, Settings
from pipeline.stack import Stack, read_stack

import boto3


class Bootstrap(NamedTuple):
    """The settings, with the instance type resolved, and the resources that they name."""

    settings: Settings
    session: boto3.Session
    stack: Stack
    dataset: Dataset
    image_uri: str  # with the digest


def connect(settings: Settings) -> tuple[boto3.Session, Stack]:
    """Return a session in the region of the settings, and the stack there."""
    session = boto3.Session(region_name=settings.region)
    return session, read_stack(session.client("cloudformation"), settings.stack_name)


def bootstrap(settings: Settings) -> Bootstrap:
    """Read the data and the account, without changing anything.

    Raises InputError for what is missing: the data, the stack, an instance type or the image.
    """
    dataset = prepare(settings)
    session, stack = connect(settings)
    if settings.instance_type == SMALLEST:
        settings = with_smallest(session, settings)
    tag = image_tag(settings.accelerator, settings.base_image)
    image_uri = resolve_image(session.client("ecr"), stack.repository_uri, tag)
    return Bootstrap(settings, session, stack, dataset, image_uri)
